"""Related tables: one total budget, one file, one synthetic table for each real one.

Every child is learnt beside its parent's columns (``synth.privacy.joining``), for its part of the budget; parts add up. The
first child's model draws parents together with their children; those of later children get the rows of drawn parents that
are alike. So every row has its parent, and parents have as many rows as was learnt.
"""

from __future__ import annotations

import json
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.api import learn
from synth.atomic import atomic_path
from synth.encoding.codec import encode_column
from synth.encoding.present import typed
from synth.encoding.regenerate import NewKeys, Regeneration
from synth.entity import unit_called
from synth.errors import ArtifactError, InputError, SynthError
from synth.models.base import Run
from synth.persons import draw_persons, match_persons
from synth.privacy.budget import Budget
from synth.privacy.ingest import load_table
from synth.privacy.joining import open_joined
from synth.privacy.ledger import Ledger
from synth.processes import several
from synth.progress import Progress, Silent
from synth.registry import DEFAULT, make_synthesizer, require_installed
from synth.relations import Related, Relations, read_relations, relations_from_dict, relations_to_dict
from synth.release import MAX_BYTES, MAX_JSON, Release, load

FORMAT, VERSION = "synth-tables", 1
MAX_CHILDREN = 100


@dataclass(frozen=True, slots=True)
class TablesRelease:
    """What may leave of related tables.

    Attributes:
        relations: Public facts.
        releases: One per child, of its wide table.
    """

    relations: Relations
    releases: tuple[Release, ...]

    @property
    def epsilon(self) -> float:
        """Of all tables together, by plain addition."""
        return sum(r.receipt.epsilon for r in self.releases)

    @property
    def delta(self) -> float:
        """Of all tables together."""
        return sum(r.receipt.delta for r in self.releases)

    @property
    def unit(self) -> str:
        """Whose rows, in all tables, count as one."""
        return f"row of {self.relations.parent.name} with all rows that name it"

    def sample(self, num_parents: int | None = None, *, seed: int | None = None) -> dict[str, pd.DataFrame]:
        """Draw tables whose keys fit each other; free of further privacy cost.

        Args:
            num_parents: How many; by default their paid number.
            seed: Makes the tables repeatable.

        Raises:
            InputError: A negative number.
            ArtifactError: The file it came from was changed so that no rows can be drawn.
        """
        wanted = self.releases[0].receipt.rows if num_parents is None else num_parents
        if wanted < 0:
            raise InputError(f"the number of parents must not be negative, not {wanted}")
        first, parent, seeds = self.relations.children[0], self.relations.parent, _seeds(seed)
        parents, rows, owners = _drawn(self.relations, self.releases[0], wanted, next(seeds))
        keys = NewKeys(parent.schema[str(parent.key)], next(seeds)).take(wanted)
        found = {parent.name: _table(parent, parents, {str(parent.key): keys}, next(seeds))}
        parts = [(first, rows, owners)]
        for child, release in zip(self.relations.children[1:], self.releases[1:], strict=True):
            parts.append((child, *_matched(self.relations, release, child, parents, next(seeds))))
        for child, wide, owner in parts:
            own = {} if child.key is None else {child.key: NewKeys(child.schema[child.key], next(seeds)).take(len(wide))}
            found[child.name] = _table(child, wide, own | {str(child.parent_key): keys[owner]}, next(seeds))
        return found

    def save(self, path: str | Path, *, force: bool = True) -> Path:
        """Write one file in one step: the relations, and a ``model.synth`` per child."""
        target = Path(path)
        facts = {"format": FORMAT, "version": VERSION, "relations": relations_to_dict(self.relations)}
        with (
            atomic_path(target, force=force) as temporary,
            TemporaryDirectory() as folder,
            zipfile.ZipFile(temporary, "w") as file,
        ):
            _put(file, "relations.json", json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False).encode())
            for i, release in enumerate(self.releases):
                _put(file, f"{i}.synth", release.save(Path(folder) / f"{i}.synth").read_bytes())
        return target


def _seeds(seed: int | None) -> Iterator[np.random.SeedSequence]:
    """Independent seeds, one after the other."""
    root = np.random.SeedSequence(seed)
    while True:
        yield np.random.SeedSequence(root.spawn(1)[0].generate_state(4).tolist())


def _put(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_STORED)


def fit_tables(
    tables: Mapping[str, Any] | None = None,
    *,
    relations: Relations | str | Path,
    epsilon: float,
    delta: float | None = None,
    model: str = DEFAULT,
    options: dict[str, Any] | None = None,
    seed: int | None = None,
    ledger: str | Path | None = None,
    progress: Progress | None = None,
) -> TablesRelease:
    """Learn related tables under one (epsilon, delta), for neighbours that differ in one parent with all rows that name it.

    Args:
        tables: A file or frame by name of table; by default the files that the relations name, beside their file.
        relations: Public facts, or ``relations.toml``.
        epsilon: The whole budget, in equal parts for the children.
        delta: The same; by default each part has that of a single fit.
        model: Synthesizer.
        options: Of the synthesizer.
        seed: For initial weights only.
        ledger: As in ``fit``; it keeps to the unit of the parent's key.
        progress: Told about phases.

    Raises:
        InputError: Data, relations or options cannot be used.
        RefusedError: The budget does not carry the request.
    """
    if several():
        raise InputError("related tables are fitted in one process; start it without torchrun")
    progress = progress or Silent()
    folder = Path() if isinstance(relations, Relations) else Path(relations).parent
    facts = relations if isinstance(relations, Relations) else read_relations(Path(relations))
    parts = len(facts.children)
    budget = Budget(epsilon=float(epsilon) / parts, delta=None if delta is None else delta / parts)
    synthesizer = make_synthesizer(model, options)
    require_installed(model)
    progress.phase("reading")
    frames = {t.name: _frame(t, tables, folder) for t in facts.tables}
    place, unit = None if ledger is None else Path(ledger), unit_called(str(facts.parent.key))
    releases = []
    for child in facts.children:
        book = Ledger(budget, place, unit=unit)
        with book.settled():
            held = [open_joined(frames[facts.parent.name], frames[child.name], facts, child, book)]
            run = Run(seed=secrets.randbits(63) if seed is None else seed, progress=progress)
            releases.append(learn(held, model, synthesizer, run))
    return TablesRelease(facts, tuple(releases))


def _frame(table: Related, tables: Mapping[str, Any] | None, folder: Path) -> pd.DataFrame:
    given = None if tables is None else tables.get(table.name)
    if given is None and table.file is not None:
        given = folder / table.file
    if given is None:
        raise InputError(f"there are no rows for table {table.name!r}: name its file")
    return load_table(given).frame


def load_tables(path: str | Path) -> TablesRelease:
    """Read what ``TablesRelease.save`` wrote; nothing in it is executed.

    Raises:
        ArtifactError: Not such a file, damaged, or written by a newer version.
    """
    source = Path(path)
    if not source.is_file():
        raise ArtifactError(f"there is no file {str(source)!r}")
    try:
        with zipfile.ZipFile(source) as file, TemporaryDirectory() as folder:
            infos = {i.filename: i for i in file.infolist()}
            if infos["relations.json"].file_size > MAX_JSON or sum(i.file_size for i in infos.values()) > MAX_BYTES:
                raise ArtifactError(f"{source.name} unpacks to more than any file of ours")
            facts = json.loads(file.read("relations.json"))
            if facts["format"] != FORMAT or facts["version"] != VERSION:
                raise ArtifactError(f"{source.name} was written by another version of synth; upgrade")
            relations = relations_from_dict(facts["relations"], source.name)
            wanted = ["relations.json", *(f"{i}.synth" for i in range(len(relations.children)))]
            if sorted(infos) != sorted(wanted) or len(wanted) > MAX_CHILDREN:
                raise ArtifactError(f"{source.name} should hold exactly one model per child table")
            releases = tuple(_member(file, name, Path(folder)) for name in wanted[1:])
    except ArtifactError:
        raise
    except (SynthError, zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, RecursionError) as error:
        raise ArtifactError(f"{source.name} is no file of related tables ({type(error).__name__}); fit again") from None
    for release, child in zip(releases, relations.children, strict=True):
        if release.schema.names != relations.wide_schema(child).names:
            raise ArtifactError(f"the models of {source.name} do not fit its relations; copy it again, or fit again")
    return TablesRelease(relations, releases)


def _member(file: zipfile.ZipFile, name: str, folder: Path) -> Release:
    (folder / name).write_bytes(file.read(name))
    return load(folder / name)


Part = tuple[pd.DataFrame, npt.NDArray[np.int64]]


def _constants(relations: Relations, release: Release) -> list[int]:
    """Columns of the parent in the wide table."""
    names = release.codec.domain.names
    return [names.index(relations.parent.wide_name(c.name)) for c in relations.parent.facts]


def _drawn(
    relations: Relations, release: Release, wanted: int, seed: np.random.SeedSequence
) -> tuple[pd.DataFrame, pd.DataFrame, npt.NDArray[np.int64]]:
    """Parents, their children's rows, and the parent of each row."""
    sizes, constant, number = release.codec.domain.sizes, _constants(relations, release), 0
    parents, rows, owners = [], [], []
    for codes, rng in release.code_blocks(seed):
        found = draw_persons(codes, sizes, constant, rng, least=0)
        kept = min(wanted - number, len(found.anchors))
        owner = found.owner[found.owner < kept]
        parents.append(_decoded(release, found.anchors[:kept], rng))
        rows.append(_decoded(release, found.rows[: len(owner)], rng))
        owners.append(owner + number)
        number += kept
        if number >= wanted:
            break
    return pd.concat(parents, ignore_index=True), pd.concat(rows, ignore_index=True), np.concatenate(owners)


def _matched(
    relations: Relations, release: Release, child: Related, parents: pd.DataFrame, seed: np.random.SeedSequence
) -> Part:
    """Rows of a later child for parents that are there, and the parent of each row."""
    codec, constant = release.codec, _constants(relations, release)
    given = np.empty((len(parents), len(constant)), dtype=np.int64)
    for k, j in enumerate(constant):
        column = codec.columns[j]
        given[:, k] = encode_column(parents[column.column.name], column, codec.schema.missing)
    rows, owners, start = [], [], 0
    for codes, rng in release.code_blocks(seed):
        part = given[start : start + max(len(codes) // (child.cap + 1), len(codes) // 4)]
        found = match_persons(codes, codec.domain.sizes, constant, part, rng)
        rows.append(_decoded(release, found.rows, rng))
        owners.append(found.owner + start)
        start += len(part)
        if start >= len(given):
            break
    return pd.concat(rows, ignore_index=True), np.concatenate(owners)


def _decoded(release: Release, codes: npt.NDArray[np.integer], rng: np.random.Generator) -> pd.DataFrame:
    return release.codec.decode(codes.astype(np.int32), rng)


def _table(table: Related, wide: pd.DataFrame, keys: dict[str, npt.NDArray[Any]], seed: np.random.SeedSequence) -> pd.DataFrame:
    """One table in the order of its schema, from the wide one, keys and values that are made anew."""
    made = Regeneration(table.schema, seed).take(len(wide))
    learnt = {c.name: wide[table.wide_name(c.name)] for c in table.facts}
    cells = {}
    for column in table.schema.columns:
        if column.name in learnt:
            cells[column.name] = learnt[column.name].reset_index(drop=True)
        else:
            cells[column.name] = typed(pd.Series(keys[column.name] if column.name in keys else made[column.name]), column)
    return pd.DataFrame(cells)
