"""A release: everything public that a fit leaves behind, in one file, and rows drawn from it.

``model.synth`` is a zip of JSON and safetensors. Nothing in it is executed on loading, and nothing in it was learnt from
rows without being charged.
"""

from __future__ import annotations

import itertools
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy

from synth.atomic import atomic_path, check_writable
from synth.blocks import BLOCK, Drawn, Share, block_sizes
from synth.card import card_html
from synth.conditional import Source, completed_rows, conditioned, joined
from synth.conditions import Condition, balanced
from synth.constrained import custom_names
from synth.drawing import FAULTS, Drawing, misfit
from synth.encoding.category import OTHER, CategoryCodec
from synth.encoding.codec import Codec
from synth.encoding.regenerate import Regeneration
from synth.encoding.reshape import custom_tests
from synth.entity import learnt_schema
from synth.errors import ArtifactError, InputError, SynthError
from synth.known import known_cells, known_codes
from synth.models.base import Fitted, read_facts
from synth.parallel import in_order
from synth.person_rows import no_persons, person_blocks
from synth.receipt import Receipt
from synth.registry import make_synthesizer
from synth.schema import Schema, schema_from_dict, schema_to_dict
from synth.version import __version__
from synth.writing.cells import Block, plain_cells

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BLOCK", "FORMAT", "MAX_BYTES", "MAX_JSON", "MAX_RATIO", "MAX_ROWS", "MEMBERS", "MIGRATIONS", "VERSION", "Release",
    "atomic_path", "check_writable", "dataset_seeds", "load",
]  # fmt: skip

FORMAT, VERSION = "synth-model", 1
MEMBERS = ("manifest.json", "schema.json", "encoders.json", "receipt.json", "weights.safetensors")
MAX_BYTES = 2 << 30
MAX_JSON = 64 << 20  # of one member
MAX_RATIO = 300  # unpacked over packed, beyond the size of one JSON member
MAX_ROWS = 10**9  # default size of a sample
FRESH_STREAM = (2**32 - 1, 1)  # of values that are made anew; no block has that number


# from version to the next: a function of the parsed JSON members, applied in turn until VERSION is reached
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What may leave: a fitted model, its encoders and the receipt of what it cost.

    Attributes:
        model: Name in the registry.
        options: The model's options.
        codec: Encoders, with the completed schema.
        fitted: Weights and small facts.
        receipt: The guarantee and its parts.
        persons: Schema of the table where an entity was declared; the codec's is ``learnt_schema`` of it then.
    """

    model: str
    options: dict[str, Any]
    codec: Codec
    fitted: Fitted
    receipt: Receipt
    persons: Schema | None = None

    @property
    def schema(self) -> Schema:
        """The schema of the table, with everything learnt filled in."""
        return self.codec.schema if self.persons is None else self.persons

    def notes(self) -> list[str]:
        """What a reader should know: open categories none of whose values could be named, what the budget did not carry."""
        blind = [
            c.column.name for c in self.codec.columns if isinstance(c, CategoryCodec) and c.column.is_open and not c.categories
        ]
        return [
            f"column {name!r}: no value is shared by enough rows to be named at this epsilon, so all of them read "
            f"{OTHER}; declare its categories, coarsen them, or drop the column"
            for name in blind
        ] + list(self.fitted.facts.get("notes", []))

    def sample(self, num_rows: int | None = None, *, seed: int | None = None, num_entities: int | None = None) -> pd.DataFrame:
        """Draw synthetic rows; free of further privacy cost, however many.

        Args:
            num_rows: How many; by default the paid row count, or all rows of ``num_entities`` persons. The last person's
                rows may be cut off.
            seed: Makes the rows repeatable; the first rows do not depend on ``num_rows``.
            num_entities: Where an entity was declared: how many persons at most; by default, without ``num_rows``, their
                paid number.

        Returns:
            A frame with the schema's columns and dtypes, and the index that the table had where it had names.

        Raises:
            InputError: A number is negative, or there are no persons to count.
            ArtifactError: The file it came from was changed so that no rows can be drawn.
        """
        import pandas as pd

        blocks = list(self.sample_blocks(num_rows, seed=seed, num_entities=num_entities))
        if not blocks:
            if self.persons is not None:
                return no_persons(self.codec, self.persons)
            none = np.empty((0, len(self.codec.columns)), dtype=np.int32)
            fresh = Regeneration(self.schema, np.random.SeedSequence(0)).take(0)
            blocks = [self.codec.decode(none, np.random.default_rng(0), fresh)]
        rows = pd.concat(blocks, ignore_index=True)
        return rows.set_index(list(self.schema.index_columns)) if self.schema.index_columns else rows

    def sample_blocks(
        self, num_rows: int | None = None, *, seed: int | None = None, num_entities: int | None = None, workers: int = 1
    ) -> Iterator[pd.DataFrame]:
        """The same rows in blocks, in constant memory; they do not depend on ``workers``, the number of threads."""
        for what, number in (("rows", num_rows), ("entities", num_entities)):
            if number is not None and number < 0:
                raise InputError(f"the number of {what} must not be negative, not {number}")
        root = np.random.SeedSequence(seed)
        if self.persons is not None:
            persons = self.receipt.rows if num_rows is None and num_entities is None else num_entities
            return self._person_blocks(self.persons, root, num_rows, persons)
        if num_entities is not None:
            raise InputError("this model was fitted without an entity, so there are no persons to count; ask for rows")
        total = self.receipt.rows if num_rows is None else num_rows
        if total and custom_names(self.schema.constraints):
            return self.condition_blocks([Condition(num_rows=total)], seed=seed)
        return self.row_blocks(block_sizes(total), root, workers)

    def cell_blocks(
        self, num_rows: int | None = None, *, seed: int | None = None, num_entities: int | None = None, workers: int = 1
    ) -> Iterator[pd.DataFrame] | Iterator[Block]:
        """The same rows for ``write_rows``: where no frames are needed there are none, which is faster."""
        total = self.receipt.rows if num_rows is None else num_rows
        if self.persons is not None or num_entities is not None or total < 0 or custom_names(self.schema.constraints):
            return self.sample_blocks(num_rows, seed=seed, num_entities=num_entities, workers=workers)
        return self.part_cells(block_sizes(total), np.random.SeedSequence(seed), workers)

    def part_cells(self, blocks: Iterable[Share], root: np.random.SeedSequence, workers: int) -> Iterator[Block]:
        """Rows of some of the shares that ``block_sizes`` gives; values made anew start at the first row."""
        fresh, drawing = self._fresh(root), self._drawing(root)
        for cells in in_order((partial(drawing.cells, block, keep) for block, keep in blocks), workers):
            yield cells | plain_cells(fresh.take(len(next(iter(cells.values())))), self.codec)

    def row_blocks(self, blocks: Iterable[Share], root: np.random.SeedSequence, workers: int) -> Iterator[pd.DataFrame]:
        """The same as frames."""
        fresh, drawing = self._fresh(root), self._drawing(root)
        for rows in in_order((partial(drawing.frame, block, keep) for block, keep in blocks), workers):
            yield self.codec.with_fresh(rows, fresh.take(len(rows)))

    def _person_blocks(
        self, schema: Schema, root: np.random.SeedSequence, num_rows: int | None, num_persons: int | None
    ) -> Iterator[pd.DataFrame]:
        seed = np.random.SeedSequence(root.entropy, spawn_key=FRESH_STREAM)
        try:
            yield from person_blocks(
                self.code_blocks(root), self.codec, schema, seed, num_rows=num_rows, num_persons=num_persons
            )
        except FAULTS as error:
            raise misfit(error) from error

    def code_blocks(self, root: np.random.SeedSequence) -> Iterator[Drawn]:
        """Endless blocks of drawn codes, each with its random stream."""
        return map(self._drawing(root).drawn, itertools.count())

    def _drawing(self, root: np.random.SeedSequence) -> Drawing:
        return Drawing.of(self.model, self.options, self.fitted, self.codec, root)

    def sample_from_conditions(self, conditions: Sequence[Condition], *, seed: int | None = None) -> pd.DataFrame:
        """Draw rows that meet conditions, ``num_rows`` of each, in turn.

        Args:
            conditions: ``synth.conditions.Condition`` objects, such as ``Condition(num_rows=100, where=("age>=65",))``.
            seed: Makes the rows repeatable.

        Returns:
            A frame as from ``sample``; ``attrs["effective_rows"]`` says how many independent rows they are worth.

        Raises:
            InputError: A condition cannot be read, or no row can meet it.
            RefusedError: The model hardly supports a condition.
        """
        return joined(self.condition_blocks(conditions, seed=seed), self.sample(0))

    def condition_blocks(
        self, conditions: Sequence[Condition], *, seed: int | None = None, mixed: bool = False
    ) -> Iterator[pd.DataFrame]:
        """The same rows in blocks; ``mixed`` takes the conditions by turns, in random order."""
        root = np.random.SeedSequence(seed)
        fresh = self._fresh(root)
        try:
            for block in conditioned(self._source(), self.codec, conditions, root, mixed=mixed):
                rows = self.codec.with_fresh(block, fresh.take(len(block)))
                rows.attrs = block.attrs
                yield rows
        except FAULTS as error:
            raise misfit(error) from error

    def balanced(self, column: str, num_rows: int, where: Sequence[str] = ()) -> list[Condition]:
        """Conditions that give every class of a column the same number of rows.

        Raises:
            InputError: Not a column of classes.
        """
        return balanced(self.codec, column, num_rows, where)

    def sample_remaining_columns(self, known: pd.DataFrame, *, seed: int | None = None) -> pd.DataFrame:
        """Draw the rest of given rows; a missing cell of a given column is drawn as well.

        Args:
            known: Some of the columns. Numbers outside their bounds count as the schema's policy says, and stay as given.
            seed: Makes the rows repeatable.

        Raises:
            InputError: A column that the schema does not have, a value its domain does not have, or nothing given.
            RefusedError: The model cannot complete some row.
        """
        root = np.random.SeedSequence(seed)
        cells = known_cells(known, self.schema)
        codes = known_codes(cells, self.codec, len(known))
        try:
            rows = completed_rows(self._source(), codes, cells, custom_tests(self.schema), root)
        except FAULTS as error:
            raise misfit(error) from error
        fresh = self._fresh(root).take(len(rows))
        return self.codec.with_fresh(rows, fresh | {n: known[n].to_numpy(object) for n in fresh if n in known})

    def _repr_html_(self) -> str:
        """The release card, in a notebook."""
        return card_html(self.receipt, self.schema, (), self.options, self.notes())

    def figure(self, num_rows: int = 2000, *, seed: int | None = 0) -> Any:
        """A plotly figure of synthetic columns, with the promise as its title."""
        from synth.figure import release_figure

        return release_figure(self.sample(num_rows, seed=seed), self.schema, self.receipt)

    def _source(self) -> Source:
        if self.persons is not None:
            raise InputError("rows of persons cannot be conditioned on: sample whole persons, and keep those you want")
        model = make_synthesizer(self.model, self.options)
        return Source(model, self.fitted, self.codec.domain, self.codec.decode)

    def _fresh(self, root: np.random.SeedSequence) -> Regeneration:
        return Regeneration(self.schema, np.random.SeedSequence(root.entropy, spawn_key=FRESH_STREAM))

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


def dataset_seeds(datasets: int, seed: int | None) -> list[int]:
    """Seeds of several samples that are independent of each other, given the release.

    Args:
        datasets: How many.
        seed: Makes them repeatable; the first ones do not depend on how many are asked for.
    """
    root = np.random.SeedSequence(seed)
    streams = (np.random.SeedSequence(root.entropy, spawn_key=(1, k)) for k in range(datasets))
    return [int(stream.generate_state(1, np.uint64)[0]) for stream in streams]


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
        texts = {name: _parsed(members[name]) for name in MEMBERS if name.endswith(".json")}
        manifest = texts["manifest.json"]
        writer = _check_version(manifest, source.name)
        for version in range(manifest["version"], VERSION):
            texts = MIGRATIONS[version](texts)
        manifest = texts["manifest.json"]
        schema = schema_from_dict(texts["schema.json"])
        receipt = Receipt.from_dict(texts["receipt.json"])
        if not 0 <= receipt.rows <= MAX_ROWS:
            raise ValueError("rows")
        made = make_synthesizer(manifest["model"], manifest["options"])
        return Release(
            model=manifest["model"],
            options={name: getattr(made, name) for name in manifest["options"]},
            codec=Codec.from_list(learnt_schema(schema), texts["encoders.json"]),
            persons=schema if schema.entity is not None else None,
            fitted=Fitted(safetensors.numpy.load(members["weights.safetensors"]), read_facts(manifest["facts"])),
            receipt=receipt,
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
    if "relations.json" in found:
        raise ArtifactError(f"{name} holds related tables: use synth tables sample; unzip it for the model of each")
    if sorted(found) != sorted(MEMBERS):
        raise ArtifactError(f"{name} is not a synth model: it should hold exactly {', '.join(MEMBERS)}")
    infos = file.infolist()
    packed, unpacked = (sum(sizes) for sizes in zip(*((i.compress_size, i.file_size) for i in infos), strict=True))
    if any(i.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for i in infos):
        raise ArtifactError(f"{name} is packed in a way that no model of ours is")
    long = any(i.file_size > MAX_JSON for i in infos if i.filename.endswith(".json"))
    if long or unpacked > min(MAX_BYTES, MAX_JSON + MAX_RATIO * packed):
        raise ArtifactError(f"{name} unpacks to more than a model of ours of its size does")
    return {member: file.read(member) for member in MEMBERS}


def _parsed(member: bytes) -> Any:
    return json.loads(member, parse_constant=_no_number)


def _no_number(name: str) -> None:  # noqa: ARG001 - as json calls it
    raise ValueError("JSON knows no NaN and no Infinity")


def _check_version(manifest: dict[str, Any], name: str) -> str:
    """Who wrote it, once it is known to be readable."""
    version = manifest.get("version")
    if manifest.get("format") != FORMAT or not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ArtifactError(f"{name} is not a synth model")
    if manifest["version"] > VERSION:
        raise ArtifactError(
            f"{name} was written by a newer synth (format {manifest['version']}, this one reads up to {VERSION}); upgrade"
        )
    return str(manifest.get("written_by"))[:20]
