"""Proposals and checks for the owner's eyes: they read rows without paying, so nothing here may feed a fit by itself.

``synth schema draft`` writes what it found into a file that the owner reads, widens and confirms. From then on those facts
are public by the owner's word.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from synth.constraints import Custom
from synth.encoding.codec import category_cells
from synth.encoding.reshape import broken
from synth.encoding.values import numbers, texts
from synth.kinds import DAY_SECONDS
from synth.privacy.exact import exact_value_classes, exact_value_counts
from synth.privacy.guesses import personal, shape, spelled
from synth.privacy.prepare import guess_kind
from synth.reading.frames import Loaded, with_storage
from synth.schema import DEFAULT_MISSING, Column, Kind, Schema, undeclared

MAX_LISTED = 30
RARE = 20  # a value held by fewer rows is not proposed by name

DRAFT_HEADER = """\
PROPOSAL, drawn from private rows and not covered by any privacy guarantee. Do not publish it as it is.

Every fact that stays in this file becomes PUBLIC when you use it: it is not protected by epsilon, and it saves budget.
Go through each column:
  bounds      should come from a codebook or common sense, not from the rows; widen them
  categories  list what can occur, not what did; delete the key to learn the domain with budget
  nullable    false only if a missing value is impossible
Delete a key to have it learnt with budget instead. Then remove this comment."""


def draft_schema(table: pd.DataFrame | Loaded) -> Schema:
    """Propose a schema for the owner to confirm. Not private.

    Values held by fewer than 20 rows are not named, and bounds are rounded outwards to one digit.
    """
    loaded = table if isinstance(table, Loaded) else Loaded(frame=table, dtypes={})
    names = tuple(str(name) for name in loaded.frame.columns)
    declared = with_storage(undeclared(names), loaded)
    columns = tuple(_propose(c, loaded.frame.iloc[:, i]) for i, c in enumerate(declared.columns))
    return replace(declared, columns=tuple(replace(c, dtype=None) for c in columns))


def draft_remarks(table: pd.DataFrame | Loaded, proposal: Schema) -> list[str]:
    """What the owner should decide about columns that cannot be learnt as they are, by name, without a value. Not private."""
    frame = table.frame if isinstance(table, Loaded) else table
    empty: list[str] = []
    unshared: list[str] = []
    keys: list[str] = []
    for i, column in enumerate(proposal.columns):
        if column.kind is Kind.INTEGER and _is_key(column.name):
            keys.append(column.name)
        if column.kind is not Kind.CATEGORY or column.categories is not None:
            continue
        values, counts = exact_value_counts([(*category_cells(frame.iloc[:, i], column, DEFAULT_MISSING), None)])
        if not values:
            empty.append(column.name)
        elif counts.max() < RARE:
            unshared.append(column.name)
    entity = 'if it says whose a row is, put entity = "..." at the top'
    said = (
        (keys, f"looks like a key that repeats; {entity}, else declare an identifier"),
        (unshared, f"no value is shared by {RARE} rows; {entity}, else drop it, or declare an identifier or pii"),
        (empty, "always missing; drop it"),
    )
    return [f"{', '.join(names)}: {what}" for names, what in said if names]


def _propose(declared: Column, series: pd.Series) -> Column:
    classes = exact_value_classes(series, DEFAULT_MISSING)
    guessed = guess_kind(declared, classes.astype(np.float64), 0.0) if declared.kind is None else declared
    column = replace(guessed, nullable=bool(classes[0]))
    if column.kind is Kind.CATEGORY:
        column = _category(column, series)
    elif column.kind is Kind.INTEGER and _is_key(column.name):
        column = _identifier(column, [str(v) for v in texts(series, DEFAULT_MISSING) if v is not None])
    if column.kind is not None and column.kind.is_numeric:
        known = numbers(series, column, DEFAULT_MISSING)
        known = known[np.isfinite(known)]
        if len(known) and column.kind is not Kind.TIME:
            return replace(column, bounds=wide_bounds(column, float(known.min()), float(known.max())))
    return column


def _category(column: Column, series: pd.Series) -> Column:
    found = personal(column.name)
    if found is not None:
        return replace(found, nullable=column.nullable)
    values, counts = exact_value_counts([(*category_cells(series, column, DEFAULT_MISSING), None)])
    found = spelled(column.name, values)
    if found is not None:
        return replace(found, nullable=column.nullable)
    if len(values) >= RARE and counts.max() == 1:
        return _identifier(column, values)
    named = sorted(v for v, count in zip(values, counts, strict=True) if count >= RARE)
    if values and len(named) == len(values) <= MAX_LISTED:
        return replace(column, categories=tuple(named))
    return column


def _is_key(name: str) -> bool:
    return re.search(r"(^|[_ -])(id|key|nbr|number|no|uuid)$", name.lower()) is not None or name.endswith(("Id", "ID"))


def _identifier(column: Column, values: list[str]) -> Column:
    """An identifier, where no two rows share a value; else the column as it is."""
    if len(values) < RARE or len(set(values)) < len(values):
        return column
    return Column(name=column.name, kind=Kind.IDENTIFIER, pattern=shape(values), unique=True, nullable=False)


def wide_bounds(column: Column, low: float, high: float) -> tuple[float, float] | tuple[str, str]:
    """Bounds around all values, rounded outwards to one digit, or whole years."""
    if column.kind is Kind.DURATION:
        low, high = (math.floor(low), math.ceil(high))
    if column.kind is Kind.DATETIME:
        years = [int(str(np.datetime64(int(v), "s"))[:4]) for v in (low, high)]
        clock = ("T00:00:00", "T23:59:59") if column.grid < DAY_SECONDS else ("", "")  # a time of day is kept in the values
        return f"{years[0]:04d}-01-01{clock[0]}", f"{years[1]:04d}-12-31{clock[1]}"
    bounds = _outwards(low, math.floor), _outwards(high, math.ceil)
    return (0.0 if low >= 0 and bounds[0] < 0.2 * bounds[1] else bounds[0]), bounds[1]


def _outwards(value: float, rounding: object) -> float:
    if value == 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(abs(value)))
    whole = math.floor(value / unit) if rounding is math.floor else math.ceil(value / unit)
    return float(f"{whole * unit:.12g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found out about one column; computed on private rows, so for the owner only.

    Attributes:
        column: Name.
        outside: Share of cells outside the declared domain, in [0, 1].
        missing: Share of missing cells in a column that is declared not nullable.
    """

    column: str
    outside: float
    missing: float


def check_schema(frame: pd.DataFrame, schema: Schema) -> list[Finding]:
    """Compare rows with the declared domains, column by column, without telling a value. Not private."""
    findings = []
    for column in schema.columns:
        series = frame[column.name]
        n_rows, gone, outside = max(len(frame), 1), int(exact_value_classes(series, schema.missing)[0]), 0
        if column.kind is not None and column.kind.is_numeric:
            values = numbers(series, column, schema.missing)
            outside = max(int(np.isnan(values).sum()) - gone, 0)
            if column.bounds is not None:
                low, high = column.numeric_bounds()
                outside += int(((values < low) | (values > high)).sum())
        elif column.kind is Kind.BOOLEAN or column.categories is not None:
            found, place = category_cells(series, column, schema.missing)
            domain = {"True", "False"} if column.kind is Kind.BOOLEAN else set(column.categories or ())
            fits = np.array([*(v is not None and v in domain for v in found), False])  # a place of -1 means missing
            known = int(fits[place].sum())
            outside = max(len(frame) - known - gone, 0)
        findings.append(
            Finding(column=column.name, outside=outside / n_rows, missing=0.0 if column.nullable else gone / n_rows)
        )
    return findings


def check_constraints(frame: pd.DataFrame, schema: Schema) -> dict[str, float]:
    """Share of rows that break each constraint, by a name for people, in [0, 1]. Not private. Rules in Python are left out."""
    declared = replace(schema, constraints=tuple(c for c in schema.constraints if not isinstance(c, Custom)))
    return {label: float(flags.mean()) if len(flags) else 0.0 for label, flags in broken(frame, declared).items()}
