"""Rows that are public: facts that they give for free, their codes beside the private ones, and whether the two share rows.

That they are public is the owner's word. All that is read off them costs nothing and is not protected. The one question that
compares them with private rows is a noisy count, paid for like any other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.constraints import single_steps, written_by
from synth.encoding.codec import Codec, ColumnCodec, category_cells, encode_column
from synth.encoding.numeric import NumericCodec
from synth.encoding.values import numbers, texts
from synth.entity import cap_of, rows_name
from synth.errors import InputError
from synth.privacy.draft import wide_bounds
from synth.privacy.exact import exact_value_classes, exact_value_counts
from synth.privacy.frame import PrivateFrame, exact_digests
from synth.privacy.prepare import MAX_NAMED, guess_kind
from synth.privacy.reshaped import ReshapedRows
from synth.privacy.rows import MemoryRows, Rows
from synth.privacy.shares import sigma_for
from synth.privacy.vault import PrivateTable
from synth.schema import Column, Kind, Schema
from synth.storage import Family
from synth.table import EncodedTable

SHARED_SHARE = 0.005
SIGMAS = 5.0  # of the count's noise; a false alarm in three million runs
SOME = 0.02  # of the public rows, that have to be private ones as well before somebody is told
CHANCE = 0.25  # of the repeats that chance makes, by which two honest samples may differ


@dataclass(frozen=True, slots=True)
class PublicRows:
    """A public table as it was read.

    Attributes:
        frame: Rows.
    """

    frame: pd.DataFrame

    def digest(self) -> str:
        """Of all cells: a run that goes on uses the same rows."""
        columns = (self.frame[name].astype(str).to_numpy(dtype=object) for name in self.frame)
        cells = map(pd.util.hash_array, columns)
        names = repr(list(self.frame.columns)).encode()
        return hashlib.sha256(b"".join([names, *(c.tobytes() for c in cells)])).hexdigest()

    def rows(self, schema: Schema) -> Rows:
        """Its columns that are read, as the private ones are."""
        held = MemoryRows(self.frame[[c.name for c in schema.read_columns]])
        return ReshapedRows(held, schema) if schema.constraints else held


def of_persons(public: PublicRows, schema: Schema) -> tuple[PublicRows, PublicRows]:
    """Rows of persons as private ones are seen: with the number of rows that count of each person.

    A weighed private row is one that is drawn evenly from those of a person, so one row of each public person is drawn, by
    chance that the table itself seeds: whoever repeats a fit has the same rows.

    Args:
        public: With the column that names the entity.
        schema: With an entity.

    Returns:
        All rows, and one of each person.
    """
    keys = texts(public.frame[str(schema.entity)], schema.missing)
    owner = pd.factorize(pd.Series(keys, dtype=object))[0].astype(np.int64)
    alone = owner < 0
    owner[alone] = owner.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    counts = np.minimum(np.bincount(owner), cap_of(schema))[owner]
    every = public.frame.assign(**{rows_name(schema): counts.astype(str)})
    places = np.arange(len(owner), dtype=np.uint64) ^ np.uint64(int(public.digest()[:16], 16))
    order = np.argsort(pd.util.hash_array(places), kind="stable")
    first = order[np.unique(owner[order], return_index=True)[1]]
    return PublicRows(every), PublicRows(every.iloc[np.sort(first)].reset_index(drop=True))


def filled(schema: Schema, public: PublicRows) -> Schema:
    """The schema with kinds, bounds and categories of public rows where it leaves them open.

    Bounds are rounded outwards to one digit. A private value outside is clipped, or becomes "other", as one is outside a
    declared domain.

    Raises:
        InputError: The public table lacks a column.
    """
    needed = [*(c.name for c in schema.read_columns), *([schema.entity] if schema.entity is not None else [])]
    missing = [name for name in needed if name not in public.frame.columns]
    if missing:
        raise InputError(f"the public table lacks the column {missing[0]!r}; it needs all columns that are learnt")
    kept = {name for one in single_steps(schema.constraints) for name in written_by(one)}
    kept |= {c.name for c in schema.columns if c not in schema.read_columns or c.name == schema.entity}
    columns = [c if c.name in kept else _filled(c, public.frame[c.name], schema.missing) for c in schema.columns]
    return schema.with_columns(tuple(columns))


def _filled(column: Column, series: pd.Series, missing: tuple[str, ...]) -> Column:
    if column.kind is None:
        column = guess_kind(column, exact_value_classes(series, missing).astype(np.float64), 0.0)
    if column.needs_bounds:
        known = numbers(series, column, missing)
        known = known[np.isfinite(known)]
        return replace(column, bounds=_bounds(column, known)) if len(known) else column
    if column.is_open:
        names, counts = exact_value_counts([(*category_cells(series, column, missing), None)])
        shared = [i for i in np.argsort(-counts, kind="stable").tolist() if counts[i] > 1] or range(len(names))
        named = sorted(names[i] for i in list(shared)[:MAX_NAMED])
        return replace(column, categories=tuple(named), outside=column.policy) if named else column
    return column


def _bounds(column: Column, known: npt.NDArray[np.float64]) -> tuple[float, float] | tuple[str, str]:
    low, high = wide_bounds(column, float(known.min()), float(known.max()))
    storage = column.storage
    if storage is not None and storage.family is Family.INTEGER:  # what the type cannot hold is not there
        first, last = storage.whole_bounds()
        return max(float(low), float(first)), min(float(high), float(last))
    return (str(low), str(high)) if column.kind is Kind.DATETIME else (float(low), float(high))


def rows_beside(frame: PrivateFrame, public: PublicRows) -> Rows:
    """Public rows as the private ones of a frame are seen."""
    drawn = public if frame.persons is None else of_persons(public, frame.persons)[1]
    return drawn.rows(frame.whole)


def set_beside(frame: PrivateFrame, table: PrivateTable, codec: Codec, public: PublicRows) -> list[str]:
    """Give a table the codes of public rows, and ask how many private rows equal one of them, for a fixed share.

    How many rows a person has is left out of that comparison: a public table may hold some of them.

    Returns:
        A warning where that is more than chance makes.
    """
    every = public if frame.persons is None else of_persons(public, frame.persons)[0]
    schema = frame.schema
    table.public = EncodedTable(codec.domain, public_codes(rows_beside(frame, public), codec, schema.missing))
    counted = None if frame.persons is None else rows_name(frame.persons)
    columns = [c.column for c in codec.columns if c.column.name != counted]
    digests = row_digests(every.rows(frame.whole), columns, schema.missing)
    sigma = sigma_for(frame.ledger, SHARED_SHARE)
    noisy = frame.noisy_shared_rows(np.unique(digests), columns, sigma=sigma)
    return shared_note(noisy, sigma * frame.spread, digests, table.rows.estimate)


def row_digests(rows: Rows, columns: Sequence[Column], missing: tuple[str, ...]) -> npt.NDArray[np.uint64]:
    """Of public rows, shape (n,), as private ones are compared with them."""
    return np.concatenate(list(exact_digests(rows, columns, missing)))


def public_codes(rows: Rows, codec: Codec, missing: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """Codes of public rows, shape (n, d)."""
    return np.column_stack([np.concatenate(list(_column_codes(rows, c, missing))) for c in codec.columns]).astype(np.int32)


def _column_codes(rows: Rows, codec: ColumnCodec, missing: tuple[str, ...]) -> Iterator[npt.NDArray[np.integer]]:
    if isinstance(codec, NumericCodec):
        yield from map(codec.encode, rows.numbers(codec.column, missing))
    else:
        for part in rows.cells(codec.column.name):
            yield encode_column(part, codec, missing)


def shared_note(noisy: float, sigma: float, digests: npt.NDArray[np.uint64], rows: int) -> list[str]:
    """A warning, where more private rows equal a public one than public rows equal each other. Post-processing.

    Args:
        noisy: Count of private rows that equal some public row.
        sigma: Of its noise.
        digests: Of the public rows, shape (n,).
        rows: Private row count in force.
    """
    _, counts = np.unique(digests, return_counts=True)
    repeated = float(counts[counts > 1].sum()) / len(digests)
    chance = rows * repeated
    slack = CHANCE * chance + SIGMAS * rows * math.sqrt(max(repeated, 1 / len(digests)) / len(digests)) * (repeated > 0)
    if noisy <= chance + slack + SIGMAS * sigma + SOME * len(digests):
        return []
    return [
        f"about {noisy:,.0f} private rows equal a row of the public table, where chance would make about {chance:,.0f}: rows "
        "that are in both are not protected; if they overlap, take the shared rows out and fit again"
    ]
