"""Cards of public data sets, and where their files are: a local copy, an installed package, or a checked download.

``SYNTH_DATASETS_DIR`` names a folder of further cards, ``SYNTH_DATA_HOME`` one that holds local copies of the files.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Any

from synth.errors import InputError
from synth.schema import Schema, schema_from_dict

DATASETS_DIR = "SYNTH_DATASETS_DIR"
DATA_HOME = "SYNTH_DATA_HOME"
MAX_BYTES = 2**30  # of one file, unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A published file and how it becomes the CSV of the card.

    Attributes:
        url: Where it is published.
        sha256: Of the download.
        member: File inside the download, if that is a zip archive.
        member_sha256: Of that file.
        header: Whether its first line names the columns; otherwise the schema does.
        comment: Start of lines to leave out.
        line_end: Text to take off the end of every line.
        missing: Texts that become blank.
    """

    url: str
    sha256: str
    member: str = ""
    member_sha256: str = ""
    header: bool = True
    comment: str = ""
    line_end: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFile:
    """One part of a data set.

    Attributes:
        part: Such as ``train``.
        name: File name of the local copy.
        sha256: Of the CSV text, after gunzip where ``name`` ends in ``.gz``.
        raw: The published file, if it can be downloaded.
        package: Installed package that holds the file, if one does.
        package_file: Path inside that package.
        extra: Extra of this distribution that installs the package.
    """

    part: str
    name: str
    sha256: str
    raw: RawFile | None = None
    package: str = ""
    package_file: str = ""
    extra: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is public about a data set.

    Attributes:
        name: Short name.
        title: For people.
        description: For people.
        license: SPDX identifier, or "public domain".
        origin: Whom to cite.
        url: Page of the data set.
        bounds_source: Where the schema's bounds come from; never the smallest and largest value seen.
        files: One per part.
        schema: Of every part.
    """

    name: str
    title: str
    description: str
    license: str
    origin: str
    url: str
    bounds_source: str
    files: tuple[CardFile, ...]
    schema: Schema

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.schema.columns)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts, the first one being the main one."""
        return tuple(file.part for file in self.files)

    def file(self, part: str) -> CardFile:
        """The file of a part.

        Raises:
            InputError: There is no such part.
        """
        for file in self.files:
            if file.part == part:
                return file
        raise InputError(f"data set {self.name!r} has no part {part!r}; it has {', '.join(self.parts)}")


def cards() -> tuple[Card, ...]:
    """All cards, by name: of ``SYNTH_DATASETS_DIR``, the installed package, the checkout; the first of a name counts.

    Raises:
        InputError: A card cannot be read.
    """
    found: dict[str, Card] = {}
    for folder in _folders():
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            path = entry / "card.toml"
            if entry.name not in found and path.is_file():
                found[entry.name] = _read_card(path, entry.name)
    return tuple(found[name] for name in sorted(found))


def card(name: str) -> Card:
    """The card of a data set.

    Raises:
        InputError: There is none of that name.
    """
    known = cards()
    for one in known:
        if one.name == name:
            return one
    choices = ", ".join(c.name for c in known) or "none (set SYNTH_DATASETS_DIR to a folder of cards)"
    raise InputError(f"there is no data set {name!r}; known are {choices}")


def dataset_path(name: str, part: str = "train") -> Path:
    """Path of a data set's CSV, checked against its checksum.

    Looks in ``SYNTH_DATA_HOME``, then in the installed package that ships it, else downloads it into the user's cache.

    Args:
        name: Of the card.
        part: Such as ``train`` or ``test``.

    Raises:
        InputError: Unknown name or part, wrong checksum, or nowhere to get the file from.
    """
    of_card = card(name)
    file = of_card.file(part)
    home = os.environ.get(DATA_HOME)
    if home:
        if not Path(home).is_dir():
            raise InputError(f"{DATA_HOME} names {home!r}, which is not a folder; correct it or unset it")
        local = Path(home) / file.name
        if local.is_file():
            return _checked(local, file)
    if file.package:
        return _checked(_package_path(of_card, file), file)
    return _cached(of_card, file)


def convert(raw: bytes, facts: RawFile, names: tuple[str, ...]) -> bytes:
    """The CSV text of a published file: a header, no spaces beside commas, blanks where missing, Unix line ends.

    Args:
        raw: Bytes of the published file (of the member, if it is an archive). Its fields hold no quotes or commas.
        facts: How the file is written.
        names: Header to put on top where the file has none.

    Raises:
        InputError: A line has another number of fields than the header.
    """
    lines = [] if facts.header else [",".join(names)]
    for line in raw.decode("utf-8").splitlines():
        if not line.strip() or (facts.comment and line.startswith(facts.comment)):
            continue
        fields = [field.strip() for field in line.strip().removesuffix(facts.line_end).split(",")]
        if len(fields) != len(names):
            raise InputError(f"{facts.url} has a line of {len(fields)} fields where {len(names)} are expected")
        lines.append(",".join("" if field in facts.missing else field for field in fields))
    return ("\n".join(lines) + "\n").encode()


def _folders() -> Iterator[Traversable]:
    own = os.environ.get(DATASETS_DIR)
    if own:
        if not Path(own).is_dir():
            raise InputError(f"{DATASETS_DIR} names {own!r}, which is not a folder; correct it or unset it")
        yield Path(own)
    installed = resources.files("synth") / "_datasets"
    if installed.is_dir():
        yield installed
    root = Path(__file__).resolve().parents[1]
    if (root / "pyproject.toml").is_file() and (root / "datasets").is_dir():  # else it is somebody else's `datasets`
        yield root / "datasets"


def _read_card(path: Traversable, folder: str) -> Card:
    where = f"the card {folder}/card.toml"
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
        files = [_card_file(dict(f)) for f in facts.pop("files")]
        schema = schema_from_dict(facts.pop("schema"), where)
        result = Card(files=tuple(files), schema=schema, **{k: " ".join(v.split()) for k, v in facts.items()})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read {where}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{where} lacks a key, or has one too many: {error}") from None
    if result.name != folder:
        raise InputError(f"{where} has the name {result.name!r}; name it like its folder")
    if not files:
        raise InputError(f"{where} lists no files; add a [[files]] table")
    return result


def _card_file(facts: dict[str, Any]) -> CardFile:
    raw = facts.pop("raw", None)
    if raw is not None:
        raw = RawFile(**{**raw, "missing": tuple(raw.get("missing", ()))})
    file = CardFile(raw=raw, **facts)
    if not file.name or PurePosixPath(file.name).name != file.name or "\\" in file.name:
        raise ValueError("a file name has a folder in it")
    if (raw is None) == (not file.package):
        raise ValueError("a file comes either from a package or from a url")
    return file


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _content(path: Path) -> bytes | None:
    """Text bytes of a file, ``None`` where they cannot be unpacked."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            return stream.read(MAX_BYTES)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None


def _matches(path: Path, file: CardFile) -> bool:
    try:
        content = _content(path)
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {type(error).__name__}") from None
    return content is not None and _sha256(content) == file.sha256


def _checked(path: Path, file: CardFile) -> Path:
    if not _matches(path, file):
        raise InputError(
            f"{str(path)!r} does not have the checksum of its card; damaged or another version: replace or remove it"
        )
    return path


def _package_path(of_card: Card, file: CardFile) -> Path:
    spec = importlib.util.find_spec(file.package)  # finds a package without importing it
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / file.package_file
        if path.is_file():
            return path
    how = f'pip install "synth-dp[{file.extra}]"' if file.extra else f"pip install {file.package}"
    raise InputError(f"data set {of_card.name!r} comes with the package {file.package}, which is not installed: {how}")


def _cached(of_card: Card, file: CardFile) -> Path:
    import pooch

    folder = Path(pooch.os_cache("synth-dp"))
    path = folder / file.name
    if path.is_file() and _matches(path, file):
        return path
    if file.raw is None:
        raise InputError(f"the card of {of_card.name!r} says neither a package nor a url for {file.name}")
    text = convert(_published(file.raw, file.name, folder), file.raw, of_card.schema.names)
    if _sha256(text) != file.sha256:
        raise InputError(f"{file.raw.url} did not convert to the file that the card of {of_card.name!r} describes")
    _write(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return path


def _published(raw: RawFile, name: str, folder: Path) -> bytes:
    """Bytes of the published file or archive member, checked; downloaded where the cache lacks it."""
    import pooch

    way_out = f"or put {name} into a folder and set {DATA_HOME} to it"
    try:
        got = Path(pooch.retrieve(raw.url, known_hash=f"sha256:{raw.sha256}", fname=f"{name}.download", path=folder))
        data = _member(got, raw) if raw.member else got.read_bytes()
    except OSError as error:
        raise InputError(f"cannot download {raw.url} ({type(error).__name__}): check the network, {way_out}") from None
    except (ValueError, KeyError, zipfile.BadZipFile):
        raise InputError(f"{raw.url} no longer has the checksum of its card: update synth, {way_out}") from None
    got.unlink(missing_ok=True)  # the converted file takes its place
    return data


def _member(archive: Path, raw: RawFile) -> bytes:
    with zipfile.ZipFile(archive) as unpacked, unpacked.open(raw.member) as stream:
        data = stream.read(MAX_BYTES)
    if _sha256(data) != raw.member_sha256:
        raise ValueError("checksum of the archive's member")
    return data


def _write(path: Path, data: bytes) -> None:
    """Write all or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as part:
            part.write(data)
        os.replace(part.name, path)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {type(error).__name__}; or set {DATA_HOME}") from None
