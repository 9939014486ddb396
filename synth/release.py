"""A release: everything public that a fit leaves behind, in one file, and rows drawn from it.

``model.synth`` is a zip of JSON and safetensors. Nothing in it is executed on loading, and nothing in it was learnt from
rows without being charged.
"""

from __future__ import annotations

import json
import lzma
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy

from synth.encoding.category import OTHER, CategoryCodec
from synth.encoding.codec import Codec
from synth.errors import ArtifactError, InputError, SynthError
from synth.models.base import Fitted
from synth.receipt import Receipt
from synth.registry import make_synthesizer
from synth.schema import Schema, schema_from_dict, schema_to_dict
from synth.version import __version__

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "synth-model", 1
MEMBERS = ("manifest.json", "schema.json", "encoders.json", "receipt.json", "weights.safetensors")
MAX_BYTES = 2 << 30
BLOCK = 16_384  # rows per random stream; rows do not depend on how many are asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What may leave: a fitted model, its encoders and the receipt of what it cost.

    Attributes:
        model: Name in the registry.
        options: The model's options.
        codec: Encoders, with the completed schema.
        fitted: Weights and small facts.
        receipt: The guarantee and its parts.
    """

    model: str
    options: dict[str, Any]
    codec: Codec
    fitted: Fitted
    receipt: Receipt

    @property
    def schema(self) -> Schema:
        """The schema with everything learnt filled in."""
        return self.codec.schema

    def notes(self) -> list[str]:
        """What a reader should know: open categories none of whose values could be named, what the budget did not carry."""
        blind = [
            c.column.name for c in self.codec.columns if isinstance(c, CategoryCodec) and c.column.is_open and not c.categories
        ]
        return [
            f"column {name!r}: no value is shared by enough rows to be named at this epsilon, so all of them read "
            f"{OTHER}; declare its categories, coarsen them, or drop the column"
            for name in blind
        ] + [str(note) for note in self.fitted.facts.get("notes", [])]

    def sample(self, num_rows: int | None = None, *, seed: int | None = None) -> pd.DataFrame:
        """Draw synthetic rows; free of further privacy cost, however many.

        Args:
            num_rows: How many; by default the paid row count.
            seed: Makes the rows repeatable; the first rows do not depend on ``num_rows``.

        Returns:
            A frame with the schema's columns and dtypes.

        Raises:
            InputError: ``num_rows`` is negative.
        """
        import pandas as pd

        blocks = list(self.sample_blocks(num_rows, seed=seed))
        if not blocks:
            return self.codec.decode(np.empty((0, len(self.codec.columns)), dtype=np.int32), np.random.default_rng(0))
        return pd.concat(blocks, ignore_index=True)

    def sample_blocks(self, num_rows: int | None = None, *, seed: int | None = None) -> Iterator[pd.DataFrame]:
        """The same rows in blocks, for streaming to a file in constant memory."""
        total = self.receipt.rows if num_rows is None else num_rows
        if total < 0:
            raise InputError(f"the number of rows must not be negative, not {total}")
        root = np.random.SeedSequence(seed)
        synthesizer = make_synthesizer(self.model, self.options)
        for block, start in enumerate(range(0, total, BLOCK)):
            stream = np.random.SeedSequence(root.entropy, spawn_key=(block,))
            rng = np.random.Generator(np.random.Philox(stream))
            table = synthesizer.sample(self.fitted, self.codec.domain, BLOCK, rng)
            yield self.codec.decode(table.codes, rng).iloc[: min(BLOCK, total - start)]

    def save(self, path: str | Path, *, force: bool = True) -> Path:
        """Write ``model.synth`` in one step: the file is whole or not there.

        Raises:
            InputError: The place cannot be written, or holds a file and ``force`` is off.
        """
        target = Path(path)
        members = {
            "manifest.json": _json(
                {
                    "format": FORMAT,
                    "version": VERSION,
                    "written_by": __version__,
                    "model": self.model,
                    "options": self.options,
                    "facts": self.fitted.facts,
                }
            ),
            "schema.json": _json(schema_to_dict(self.schema)),
            "encoders.json": _json(self.codec.to_list()),
            "receipt.json": _json(self.receipt.to_dict()),
            "weights.safetensors": safetensors.numpy.save(
                {name: np.ascontiguousarray(values) for name, values in self.fitted.tensors.items()}
            ),
        }
        with (
            atomic_path(target, force=force) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file,
        ):
            for name in MEMBERS:
                file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), members[name], zipfile.ZIP_DEFLATED)
        return target


class atomic_path:
    """Write beside ``target`` and move into place at the end; on any error nothing is left behind."""

    def __init__(self, target: Path, *, force: bool) -> None:
        """See ``Release.save`` for the errors."""
        check_writable(target, force=force)
        self._target = target

    def __enter__(self) -> Path:
        handle, name = tempfile.mkstemp(prefix=f".{self._target.name}.", suffix=self._target.suffix, dir=self._target.parent)
        os.close(handle)
        self._temporary = Path(name)
        return self._temporary

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                with self._temporary.open("rb") as file:
                    os.fsync(file.fileno())
                mask = os.umask(0)
                os.umask(mask)
                self._temporary.chmod(0o666 & ~mask)
                self._temporary.replace(self._target)
        finally:
            self._temporary.unlink(missing_ok=True)


def check_writable(target: Path, *, force: bool) -> None:
    """Refuse early an output that cannot be written.

    Raises:
        InputError: Missing or read-only folder, a directory in the way, or a file in the way without ``force``.
    """
    if target.is_dir():
        raise InputError(f"{str(target)!r} is a directory; name a file")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {str(target.parent)!r}; make it first")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"the folder {str(target.parent)!r} cannot be written to")
    if target.exists() and not force:
        raise InputError(f"{str(target)!r} already exists; choose another name or pass --force")


def _json(facts: Any) -> bytes:
    return json.dumps(facts, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False).encode()


def load(path: str | Path) -> Release:
    """Read ``model.synth``; nothing in it is executed.

    Raises:
        ArtifactError: Not a model, damaged, too large, or written by a newer version.
    """
    source = Path(path)
    if not source.is_file():
        raise ArtifactError(f"there is no model file {str(source)!r}")
    writer = None
    try:
        with zipfile.ZipFile(source) as file:
            members = _members(file, source.name)
        manifest = json.loads(members["manifest.json"])
        _check_version(manifest, source.name)
        writer = str(manifest.get("written_by"))[:20]
        schema = schema_from_dict(json.loads(members["schema.json"]))
        make_synthesizer(manifest["model"], manifest["options"])
        return Release(
            model=manifest["model"],
            options=manifest["options"],
            codec=Codec.from_list(schema, json.loads(members["encoders.json"])),
            fitted=Fitted(safetensors.numpy.load(members["weights.safetensors"]), dict(manifest["facts"])),
            receipt=Receipt.from_dict(json.loads(members["receipt.json"])),
        )
    except ArtifactError:
        raise
    except (
        zipfile.BadZipFile, zipfile.LargeZipFile, safetensors.SafetensorError, SynthError,
        zlib.error, lzma.LZMAError, struct.error, ArithmeticError, LookupError, RecursionError, MemoryError,
        OSError, EOFError, TypeError, ValueError, AttributeError, RuntimeError,
    ) as error:  # fmt: skip
        hint = "copy it again, or fit again"
        if writer not in (None, __version__):
            hint = f"it was written by synth {writer} and this is {__version__}: upgrade, or copy it again"
        raise ArtifactError(f"{source.name} is not a synth model this version reads ({type(error).__name__}); {hint}") from None


def _members(file: zipfile.ZipFile, name: str) -> dict[str, bytes]:
    found = file.namelist()
    if sorted(found) != sorted(MEMBERS):
        raise ArtifactError(f"{name} is not a synth model: it should hold exactly {', '.join(MEMBERS)}")
    if sum(info.file_size for info in file.infolist()) > MAX_BYTES:
        raise ArtifactError(f"{name} unpacks to more than {MAX_BYTES >> 30} GiB, which no model of ours does")
    return {member: file.read(member) for member in MEMBERS}


def _check_version(manifest: dict[str, Any], name: str) -> None:
    if manifest.get("format") != FORMAT or not isinstance(manifest.get("version"), int):
        raise ArtifactError(f"{name} is not a synth model")
    if manifest["version"] > VERSION:
        raise ArtifactError(
            f"{name} was written by a newer synth (format {manifest['version']}, this one reads up to {VERSION}); upgrade"
        )
