"""Rows of a table with constraints to what is learnt of them, and back. Each row on its own, by public facts; never an error.

Cells are numbers (NaN where missing) or texts (``None`` where missing), as ``canonical`` gives them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.constrained import combined, unit_of
from synth.constraints import (
    Constraint,
    Custom,
    FixedCombinations,
    FixedIncrements,
    FunctionalDependency,
    Inequality,
    OneHot,
    Sum,
    columns_of,
    predicate_of,
    single_steps,
    written_by,
)
from synth.encoding.category import OTHER
from synth.encoding.values import booleans, numbers, texts
from synth.errors import InputError
from synth.schema import Column, Kind, Outside, Schema

Cells = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
NEAR = 1e-6  # grid steps


def canonical(series: pd.Series, column: Column, missing: Sequence[str]) -> Cells:
    """Cells of any source as numbers or texts."""
    if column.kind is not None and column.kind.is_numeric:
        return numbers(series, column, missing)
    if column.kind is Kind.BOOLEAN:
        flags = booleans(series, missing)
        return np.array([None if f != f else ("True" if f else "False") for f in flags], dtype=object)
    return texts(series, missing)


def sources(schema: Schema, name: str) -> tuple[str, ...]:
    """Columns of the table that a learnt column is made of."""
    for one in single_steps(schema.constraints):
        if name in written_by(one):
            return columns_of(one)
    return (name,)


def forward(schema: Schema, name: str, cells: Mapping[str, Cells]) -> Cells:
    """A learnt column that a constraint writes.

    Args:
        schema: Of the table.
        name: Of the learnt column.
        cells: Canonical cells of its ``sources``.
    """
    one = next(c for c in single_steps(schema.constraints) if name in written_by(c))
    if isinstance(one, Inequality):
        return _difference(one, schema, cells)
    if isinstance(one, FixedIncrements):
        return np.asarray(np.round(cells[name] / one.increment), dtype=np.float64)
    if isinstance(one, OneHot):
        flags = np.stack([_is_set(cells[n], schema[n]) for n in one.columns], axis=1)
        chosen: Cells = np.array(one.columns, dtype=object)[np.argmax(flags, axis=1)]
        return chosen
    rows = zip(*(cells[n] for n in columns_of(one)), strict=True)
    return np.array([None if all(v is None for v in row) else combined(row) for row in rows] or [], dtype=object)


def backward(schema: Schema, cells: dict[str, Cells]) -> dict[str, Cells]:
    """Canonical cells of all columns from those of the learnt ones, so that every constraint holds."""
    out = dict(cells)
    for one in single_steps(schema.constraints):
        if isinstance(one, Inequality):
            out[one.high] = _higher(one, schema, out)
        elif isinstance(one, Sum):
            out[one.total] = _on_grid(np.sum([out[name] for name in one.parts], axis=0), schema[one.total])
        elif isinstance(one, FixedIncrements):
            column = schema[one.column]
            values = out[one.column] * one.increment
            out[one.column] = values if column.precision is None else np.round(values, column.precision)
        elif isinstance(one, OneHot):
            chosen = out[one.columns[0]]
            out |= {name: _flags(np.array([c == name for c in chosen], dtype=bool), schema[name]) for name in one.columns}
        elif isinstance(one, FunctionalDependency):
            out[one.to] = _looked_up(one, schema, out[one.column])
        elif isinstance(one, FixedCombinations):
            parts = [_split(text, len(one.columns)) for text in out[one.columns[0]]]
            out |= {n: np.array([row[i] for row in parts] or [], dtype=object) for i, n in enumerate(one.columns)}
    return out


def learnt_frame(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """A table of columns as they are read, as the columns that are learnt."""
    if not schema.constraints:
        return frame
    cells = {c.name: canonical(frame[c.name], c, schema.missing) for c in schema.read_columns}
    written = {name for one in single_steps(schema.constraints) for name in written_by(one)}
    names = [c.name for c in schema.modelled]
    return pd.DataFrame({n: forward(schema, n, cells) if n in written else frame[n].to_numpy() for n in names})


def inside(values: FloatArray, column: Column) -> FloatArray:
    """Numbers clipped to declared bounds, or nulled outside, as the column says."""
    if column.bounds is None:
        return values
    low, high = column.numeric_bounds()
    if column.policy is Outside.NULL:
        with np.errstate(invalid="ignore"):
            return np.where((values >= low) & (values <= high), values, np.nan)
    return np.clip(values, low, high)


def _difference(one: Inequality, schema: Schema, cells: Mapping[str, Cells]) -> FloatArray:
    """In units; from the lowest bound where the lower value is missing."""
    low, high = (inside(cells[name], schema[name]) for name in (one.low, one.high))
    start = np.where(np.isnan(low), schema[one.low].numeric_bounds()[0], low)
    unit = unit_of(one, {n: schema[n] for n in columns_of(one)})
    return np.asarray(np.round((high - start) / unit) if unit else high - start, dtype=np.float64)


def _higher(one: Inequality, schema: Schema, cells: Mapping[str, Cells]) -> FloatArray:
    column, unit = schema[one.high], unit_of(one, {n: schema[n] for n in columns_of(one)})
    low, bottom = cells[one.low], schema[one.low].numeric_bounds()[0]
    start = np.where(np.isnan(low), bottom, low)
    grid, (least, most) = column.grid, column.numeric_bounds()
    values = start + cells[one.high] * (unit or 1.0)
    if grid:  # upwards, so that rounding does not break the inequality
        values = np.ceil((np.round(values / unit) * unit if unit else values) / grid - NEAR) * grid
        values = np.where(values < start - NEAR * (unit or 0.0), values + grid, values)
    values = np.clip(values, least, most)
    if not grid:
        values = np.maximum(values, start)
    if one.strict and not unit:
        values = np.where(values > start, values, np.nextafter(start, np.inf))
    return np.asarray(values if column.precision is None else np.round(values, column.precision), dtype=np.float64)


def _on_grid(values: FloatArray, column: Column) -> FloatArray:
    if column.precision is not None:
        return np.round(values, column.precision)
    return np.round(values) if column.kind is Kind.INTEGER else values


def _is_set(cells: Cells, column: Column) -> BoolArray:
    if column.kind is Kind.BOOLEAN:
        return np.array([cell == "True" for cell in cells], dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(cells > 0)


def _flags(chosen: BoolArray, column: Column) -> Cells:
    if column.kind is Kind.BOOLEAN:
        return np.where(chosen, "True", "False").astype(object)
    return chosen.astype(np.float64)


def _looked_up(one: FunctionalDependency, schema: Schema, cells: Cells) -> Cells:
    source, to = schema[one.column], schema[one.to]
    keys = canonical(pd.Series(list(one.mapping), dtype=object), source, ())
    values = canonical(pd.Series(list(one.mapping.values()), dtype=object), to, ())
    table = dict(zip(keys, values, strict=True))
    unknown = OTHER if to.policy is Outside.OTHER else None
    return np.array([None if cell is None else table.get(cell, unknown) for cell in cells] or [], dtype=object)


def _split(text: str | None, columns: int) -> list[str | None]:
    if text is None or text == OTHER:
        return [text] * columns
    parts: list[str | None] = json.loads(text)
    return parts


def custom_tests(schema: Schema) -> tuple[Callable[[pd.DataFrame], BoolArray], ...]:
    """Rules in Python as tests of finished rows.

    Raises:
        InputError: One is not registered, or later: does not answer for every row.
    """
    names = [one.name for one in schema.constraints if isinstance(one, Custom)]
    for name in names:
        predicate_of(name)

    def test(name: str, rows: pd.DataFrame) -> BoolArray:
        answer = np.asarray(predicate_of(name)(rows))
        if answer.shape != (len(rows),):
            raise InputError(f"the custom constraint {name!r} must give one truth value per row")
        return answer.astype(bool)

    return tuple(lambda rows, name=name: test(name, rows) for name in names)


def broken(frame: pd.DataFrame, schema: Schema) -> dict[str, BoolArray]:
    """Which rows break which constraint, by a name for people. A comparison with a missing value is not broken."""
    cells = {c.name: canonical(frame[c.name], c, schema.missing) for c in schema.read_columns}
    out: dict[str, BoolArray] = {}
    for one in single_steps(schema.constraints):
        if isinstance(one, Custom):
            continue
        label, flags = _broken(one, schema, cells)
        out[label] = flags
    for one, test in zip([c for c in schema.constraints if isinstance(c, Custom)], custom_tests(schema), strict=True):
        out[one.name] = ~test(frame)
    return out


def _broken(one: Constraint, schema: Schema, cells: Mapping[str, Cells]) -> tuple[str, BoolArray]:
    with np.errstate(invalid="ignore"):
        if isinstance(one, Inequality):
            low, high = cells[one.low], cells[one.high]
            return f"{one.low} {'<' if one.strict else '<='} {one.high}", (high <= low) if one.strict else (high < low)
        if isinstance(one, Sum):
            gap = np.abs(np.sum([cells[n] for n in one.parts], axis=0) - cells[one.total])
            scale = np.maximum(1.0, np.abs(cells[one.total]))
            return f"{one.total} = {' + '.join(one.parts)}", gap > np.maximum(schema[one.total].grid / 2, 1e-9 * scale) + 1e-12
        if isinstance(one, FixedIncrements):
            steps = cells[one.column] / one.increment
            return f"{one.column} in steps of {one.increment:g}", np.abs(steps - np.round(steps)) > NEAR
    if isinstance(one, OneHot):
        set_ = np.stack([_is_set(cells[n], schema[n]) for n in one.columns])
        return f"one of {', '.join(one.columns)}", set_.sum(0) != 1
    if isinstance(one, FunctionalDependency):
        wanted = _looked_up(one, schema, cells[one.column])
        return f"{one.column} -> {one.to}", np.array([a != b for a, b in zip(wanted, cells[one.to], strict=True)], dtype=bool)
    names = columns_of(one)
    allowed = getattr(one, "values", None)
    possible = None if allowed is None else {combined(row) for row in allowed}
    rows = zip(*(cells[n] for n in names), strict=True)
    flags = [possible is not None and None not in row and OTHER not in row and combined(row) not in possible for row in rows]
    return f"combinations of {', '.join(names)}", np.array(flags, dtype=bool)
