"""Conditions on synthetic rows: ``sex=Female``, ``age>=65``, ``income in 0..20000``, ``stage!=none``, ``weight is missing``.

A condition is about a row that is to be drawn, and is said by whoever draws it: it is no private fact.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.constrained import stand_in
from synth.constraints import single_steps, written_by
from synth.encoding.category import OTHER, CategoryCodec
from synth.encoding.codec import Codec, ColumnCodec, category_texts
from synth.encoding.reshape import custom_tests
from synth.encoding.values import numbers
from synth.encoding.within import Interval, Within, category_within, numeric_within
from synth.errors import InputError
from synth.schema import Column, Kind, Schema

BoolArray = npt.NDArray[np.bool_]
RowTest = Callable[[pd.DataFrame], BoolArray]

MISSING, PRESENT = "is missing", "is not missing"
OPERATORS = ("!=", "<=", ">=", "==", "=", "<", ">")
SYNTAX = "write column=value, column!=value, column<value (or <=, >, >=), column in a,b or low..high, column is missing"
MOST_VALUES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Rows to draw, and what has to hold for them.

    Attributes:
        num_rows: How many; for ``sample_from_conditions``.
        column_values: Value of each of some columns; ``None`` for missing.
        where: Further conditions as texts, such as ``"age>=65"``; all have to hold.
    """

    num_rows: int = 1
    column_values: Mapping[str, Any] = field(default_factory=dict)
    where: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.num_rows, bool) or not isinstance(self.num_rows, int) or self.num_rows < 0:
            raise InputError("num_rows of a condition must be a whole number, 0 or more")


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison: a column, an operator of ``OPERATORS`` or ``in`` or ``MISSING`` or ``PRESENT``, and texts."""

    column: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """Comparisons resolved against encoders.

    Attributes:
        within: What remains of each column's codes; ``None`` where nothing is asked of it.
        tests: Of finished rows, for columns that have no code of their own.
    """

    within: tuple[Within | None, ...]
    tests: tuple[RowTest, ...]


def parse_term(text: str, schema: Schema) -> Term:
    """Read one condition.

    Raises:
        InputError: Unknown column or syntax.
    """
    said = text.strip()
    for name in sorted(schema.names, key=len, reverse=True):
        if not said.startswith(name):
            continue
        rest = said[len(name) :].strip()
        if rest in (MISSING, PRESENT):
            return Term(name, rest, ())
        if rest.startswith("in "):
            return Term(name, "in", _listed(rest[3:]))
        operator = next((o for o in OPERATORS if rest.startswith(o)), None)
        if operator is not None:
            value = rest[len(operator) :].strip()
            if not value:
                raise InputError(f"the condition {text!r} names no value; for a missing one write: {name} is missing")
            return Term(name, "=" if operator == "==" else operator, (value,))
    known = ", ".join(schema.names[:8]) + (", ..." if len(schema.names) > 8 else "")
    raise InputError(f"cannot read the condition {text!r}: {SYNTAX}; columns are {known}")


def _listed(text: str) -> tuple[str, ...]:
    values = tuple(v.strip() for v in next(csv.reader([text.strip()], skipinitialspace=True), []))
    if not values or not all(values):
        raise InputError("a condition with 'in' lists values between commas, such as: city in Paris,Rome")
    if len(values) > MOST_VALUES:
        raise InputError(f"a condition lists at most {MOST_VALUES} values")
    return values


def terms_of(condition: Condition, schema: Schema) -> list[Term]:
    """All comparisons of a condition.

    Raises:
        InputError: Unknown column or syntax.
    """
    found = [parse_term(text, schema) for text in condition.where]
    for name, value in condition.column_values.items():
        if name not in schema.names:
            raise InputError(f"a condition names the column {name!r}, which the schema does not have")
        gone = value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)
        found.append(Term(name, MISSING, ()) if gone else Term(name, "=", (_spelled(value),)))
    return found


def _spelled(value: Any) -> str:
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return text.removesuffix("T00:00:00")


def resolve(terms: Sequence[Term], codec: Codec, schema: Schema) -> Terms:
    """Turn comparisons into what remains of each column.

    Args:
        terms: All have to hold.
        codec: Encoders of the columns that have codes.
        schema: Of finished rows.

    Raises:
        InputError: A value does not fit its column, or nothing of a column remains.
    """
    written = {name for one in single_steps(schema.constraints) for name in written_by(one)}
    coded = {one.column.name for one in codec.columns} - written
    within: list[Within | None] = []
    for one in codec.columns:
        mine = [t for t in terms if t.column == one.column.name and t.column not in written]
        within.append(column_within(one, mine) if mine else None)
        carried = [t for t in terms if t.column in written and stand_in(t.column, schema.constraints) == one.column.name]
        if carried and isinstance(one, CategoryCodec):
            within[-1] = carried_within(one, [row_test(schema[t.column], t) for t in carried], codec, within[-1])
            coded |= {t.column for t in carried}
    anew = next((t.column for t in terms if t.column not in coded and _is_fresh(schema[t.column])), None)
    if anew is not None:
        raise InputError(f"column {anew!r} is made anew for each row and tells nothing about it: no condition can be put on it")
    tests = tuple(row_test(schema[t.column], t) for t in terms if t.column not in coded)
    return Terms(tuple(within), (*tests, *custom_tests(schema)))


def _is_fresh(column: Column) -> bool:
    return column.kind is not None and column.kind.is_regenerated


def carried_within(codec: CategoryCodec, tests: Sequence[RowTest], whole: Codec, before: Within | None) -> Within:
    """Codes of a learnt category whose derived columns meet conditions.

    Raises:
        InputError: There are none.
    """
    codes = np.zeros((codec.size, len(whole.columns)), dtype=np.int32)
    codes[:, [c.column.name for c in whole.columns].index(codec.column.name)] = np.arange(codec.size)
    rows = whole.decode(codes, np.random.default_rng(0))
    allowed = np.all([test(rows) for test in tests], axis=0)
    if before is not None:
        allowed &= before.share > 0
    if not allowed.any():
        raise InputError(f"no row can meet the condition on what column {codec.column.name!r} decides: no value leads there")
    return category_within(codec, allowed)


def column_within(codec: ColumnCodec, terms: Sequence[Term]) -> Within:
    """What remains of one column.

    Raises:
        InputError: As for ``resolve``.
    """
    column = codec.column
    if isinstance(codec, CategoryCodec):
        names = [*codec.categories, *([OTHER] if codec.other else []), *([None] if codec.missing else [])]
        allowed = np.ones(codec.size, dtype=bool)
        for term in terms:
            _check_values(term, column, codec.categories if codec.column.kind is Kind.ORDINAL or not codec.other else None)
            allowed &= _holds_text(np.array(names or [None], dtype=object), term, codec.categories, column)
        found: Within = category_within(codec, allowed)
    else:
        intervals, missing = [Interval()], True
        for term in terms:
            more, also = numeric_set(term, column)
            intervals, missing = _meet(intervals, more), missing and also
        found = numeric_within(codec, tuple(intervals), missing=missing)
    if not found.share.any():
        said = " and ".join(f"{t.operator} {', '.join(t.values)}".strip() for t in terms)
        raise InputError(f"no row can meet the condition on column {column.name!r} ({said}): its domain holds no such value")
    return found


def _check_values(term: Term, column: Column, known: Sequence[str] | None) -> None:
    """Values of a closed domain, so that a typing error is no empty answer."""
    if known is None:
        return
    for value in term.values:
        if _as_category(value, column) not in known:
            shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            raise InputError(f"column {column.name!r} has no value {value!r}; it has {shown}")


def _as_category(value: str, column: Column) -> str | None:
    text: str | None = category_texts(pd.Series([value], dtype=object), column, ())[0]
    return text


def _holds_text(cells: npt.NDArray[np.object_], term: Term, order: Sequence[str], column: Column) -> BoolArray:
    """Which texts (``None`` where missing) meet a comparison; levels of an ordinal are ordered, others are not."""
    gaps = np.array([cell is None for cell in cells], dtype=bool)
    if term.operator in (MISSING, PRESENT):
        return gaps if term.operator == MISSING else ~gaps
    values = [_as_category(value, column) for value in term.values]
    if term.operator in ("=", "in", "!="):
        equal = np.array([cell in values for cell in cells], dtype=bool) & ~gaps
        found: BoolArray = equal if term.operator != "!=" else ~equal & ~gaps
        return found
    if column.kind is not Kind.ORDINAL:
        raise InputError(f"column {column.name!r} has no order: compare it with = or != or in")
    rank = {name: i for i, name in enumerate(order)}
    place = np.array([rank.get(cell, np.nan) for cell in cells], dtype=np.float64)
    return _interval(term.operator, float(rank[str(values[0])])).holds(place)


def numeric_set(term: Term, column: Column) -> tuple[list[Interval], bool]:
    """Disjoint intervals of a comparison, and whether a missing value meets it.

    Raises:
        InputError: A value cannot be read.
    """
    if term.operator in (MISSING, PRESENT):
        return ([], True) if term.operator == MISSING else ([Interval()], False)
    if term.operator == "!=":
        point = _literal(term.values[0], column)
        return [Interval(high=point, with_high=False), Interval(low=point, with_low=False)], False
    if term.operator not in ("=", "in"):
        return [_interval(term.operator, _literal(term.values[0], column))], False
    found: list[Interval] = []
    for value in term.values:
        low, dots, high = value.partition("..")
        ends = (_literal(low, column), _literal(high, column)) if dots else (_literal(value, column),) * 2
        if ends[0] > ends[1]:
            raise InputError(f"the range {value!r} of column {column.name!r} runs backwards")
        found.append(Interval(low=ends[0], high=ends[1]))
    return _joined(found), False


def _interval(operator: str, point: float) -> Interval:
    if operator.startswith("<"):
        return Interval(high=point, with_high=operator == "<=")
    return Interval(low=point, with_low=operator == ">=")


def _literal(text: str, column: Column) -> float:
    cell = pd.Series([text.strip()], dtype=object)
    value = float(numbers(cell, column, ())[0])
    if not np.isfinite(value) and column.kind is Kind.DATETIME:
        value = float(numbers(cell, Column(name=column.name, kind=Kind.DATETIME), ())[0])
    if not np.isfinite(value):
        raise InputError(f"column {column.name!r} is of kind {column.kind}, and {text!r} cannot be read as such a value")
    return value


def _joined(intervals: Sequence[Interval]) -> list[Interval]:
    """Closed intervals made disjoint."""
    out: list[Interval] = []
    for one in sorted(intervals, key=lambda i: i.low):
        if out and one.low <= out[-1].high:
            out[-1] = Interval(low=out[-1].low, high=max(out[-1].high, one.high))
        else:
            out.append(one)
    return out


def _meet(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Intersection of two sets of disjoint intervals."""
    out = []
    for a in left:
        for b in right:
            low, high = max(a.low, b.low), min(a.high, b.high)
            with_low = (a.with_low or a.low < low) and (b.with_low or b.low < low)
            with_high = (a.with_high or a.high > high) and (b.with_high or b.high > high)
            if low < high or (low == high and with_low and with_high):
                out.append(Interval(low=low, high=high, with_low=with_low, with_high=with_high))
    return out


def row_test(column: Column, term: Term) -> RowTest:
    """A comparison as a test of finished rows."""
    if column.kind is not None and column.kind.is_numeric:
        intervals, missing = numeric_set(term, column)

        def numeric(rows: pd.DataFrame) -> BoolArray:
            values = numbers(rows[column.name], column, ())
            inside: BoolArray = np.any([i.holds(values) for i in intervals], axis=0) if intervals else np.zeros(len(rows), bool)
            return inside | (np.isnan(values) & missing)

        return numeric
    order = column.categories or ()
    _check_values(term, column, order if column.kind is Kind.ORDINAL else None)
    return lambda rows: _holds_text(category_texts(rows[column.name], column, ()), term, order, column)


def class_names(codec: Codec, column: str) -> tuple[str, ...]:
    """Classes of a column.

    Raises:
        InputError: It is not a column of classes.
    """
    if column not in codec.schema.names:
        raise InputError(f"there is no column {column!r} to balance by; columns are {', '.join(codec.schema.names)}")
    found = next((one for one in codec.columns if one.column.name == column), None)
    if not isinstance(found, CategoryCodec) or not found.categories:
        raise InputError(f"column {column!r} has no classes to balance by; name a category, an ordinal or a boolean")
    return found.categories


def balanced(codec: Codec, column: str, num_rows: int, where: Sequence[str] = ()) -> list[Condition]:
    """Conditions that give every class of a column the same number of rows, up to one.

    Raises:
        InputError: It is not a column of classes.
    """
    names = class_names(codec, column)
    parts = [num_rows // len(names) + (i < num_rows % len(names)) for i in range(len(names))]
    return [
        Condition(num_rows=n, column_values={column: name}, where=tuple(where)) for n, name in zip(parts, names, strict=True)
    ]
