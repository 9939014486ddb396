"""What is learnt of a table with constraints: columns in another form, under the names they have. Public facts alone.

Each constraint has its own rule in ``_learnt``; rows are carried over by ``synth.encoding.reshape``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from synth.column import Column
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
    single_steps,
    written_by,
)
from synth.errors import SchemaError
from synth.kinds import Kind, Outside

CLASSES = (Kind.CATEGORY, Kind.ORDINAL, Kind.BOOLEAN)
Columns = Mapping[str, Column]


def learnt_columns(columns: Sequence[Column], constraints: tuple[Constraint, ...]) -> tuple[Column, ...]:
    """Columns as they are learnt, in schema order; derived ones are left out.

    Raises:
        SchemaError: A constraint does not fit its columns or the other constraints.
    """
    known, out = {c.name: c for c in columns}, {c.name: c for c in columns}
    writer: dict[str, Constraint] = {}
    for one in single_steps(constraints):
        for name in columns_of(one):
            if name not in known:
                raise SchemaError(f"a constraint names the column {name!r}, which the schema does not have")
            kind = known[name].kind
            if kind is None or kind.is_regenerated or kind is Kind.TEXT:
                raise SchemaError(f"column {name!r} is part of a constraint: declare a kind that is learnt")
        if len(set(columns_of(one))) < len(columns_of(one)):
            raise SchemaError("a constraint names one column twice")
        for name in written_by(one):
            if name in writer:
                raise SchemaError(f"column {name!r} follows from two constraints; take one of them out")
            writer[name] = one
            del out[name]
        out |= {c.name: c for c in _learnt(one, known)}
    return tuple(out[c.name] for c in columns if c.name in out)


def stand_in(name: str, constraints: tuple[Constraint, ...]) -> str | None:
    """The learnt column that carries what a column says; ``None`` where that is spread over several."""
    for one in single_steps(constraints):
        if name in written_by(one):
            if isinstance(one, OneHot | FixedCombinations):
                return one.columns[0]
            if isinstance(one, FunctionalDependency):
                return stand_in(one.column, constraints)
            return None if isinstance(one, Sum) else name
    return name


def _learnt(constraint: Constraint, known: Columns) -> list[Column]:
    """The columns that stand for those a constraint writes."""
    if isinstance(constraint, Inequality):
        return [_difference(constraint, known)]
    if isinstance(constraint, Sum):
        _check_sum(constraint, known)
        return []
    if isinstance(constraint, OneHot):
        return [_one_of(constraint, known)]
    if isinstance(constraint, FixedCombinations):
        return [_combination(constraint, known)]
    if isinstance(constraint, FunctionalDependency):
        _check_mapping(constraint, known)
        return []
    return [_increments(constraint, known)] if isinstance(constraint, FixedIncrements) else []


def _need(column: Column, kinds: tuple[Kind, ...] | None, what: str, *, bounds: bool = True) -> None:
    fits = column.kind in kinds if kinds is not None else column.kind is not None and column.kind.is_numeric
    if not fits:
        wanted = "numbers or times" if kinds is None else " or ".join(kinds)
        raise SchemaError(f"column {column.name!r} is of kind {column.kind}, but {what} wants {wanted}")
    if bounds and kinds is None and column.bounds is None and column.kind is not Kind.TIME:
        raise SchemaError(f"column {column.name!r} is part of {what}: declare its bounds")


def unit_of(constraint: Inequality, known: Columns) -> float:
    """Grid of the difference: the finer of both; 0 for floats."""
    grids = known[constraint.low].grid, known[constraint.high].grid
    return min(grids) if min(grids) > 0 else 0.0


def _difference(constraint: Inequality, known: Columns) -> Column:
    low, high = known[constraint.low], known[constraint.high]
    for column in (low, high):
        _need(column, None, "an inequality")
    same = low.kind is not None and high.kind is not None and low.kind.is_temporal == high.kind.is_temporal
    if not same or (low.kind != high.kind and low.kind is not None and low.kind.is_temporal):
        raise SchemaError(f"columns {low.name!r} and {high.name!r} cannot be compared: they are of different kinds")
    (first, last), (_, top) = low.numeric_bounds(), high.numeric_bounds()
    unit = unit_of(constraint, known)
    least = (1.0 if constraint.strict else 0.0) if unit else 0.0
    if last + least * unit > top:
        raise SchemaError(
            f"the bounds of {low.name!r} reach {'to' if last == top else 'beyond'} those of {high.name!r}, "
            "so that no row could hold the inequality there; lower the one or raise the other"
        )
    most = (top - first) / (unit or 1.0)
    kind, precision = (Kind.INTEGER, None) if unit else (Kind.FLOAT, None)
    outside = Outside.NULL if high.policy is Outside.NULL else Outside.CLIP
    return Column(
        name=high.name, kind=kind, precision=precision, bounds=(least, float(round(most)) if unit else most), outside=outside,
        nullable=high.nullable,
    )  # fmt: skip


def _check_sum(constraint: Sum, known: Columns) -> None:
    total, parts = known[constraint.total], [known[name] for name in constraint.parts]
    for column in (total, *parts):
        _need(column, (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DURATION), "a sum")
    if not total.nullable and any(part.nullable for part in parts):
        raise SchemaError(f"column {total.name!r} is missing where a part of its sum is: make it nullable")
    if total.bounds is None:
        return
    if any(part.bounds is None for part in parts):
        raise SchemaError(f"the sum {total.name!r} has bounds: declare those of its parts as well, or none")
    low, high = (float(sum(part.numeric_bounds()[side] for part in parts)) for side in (0, 1))
    if total.numeric_bounds()[0] > low or total.numeric_bounds()[1] < high:
        raise SchemaError(f"the parts of {total.name!r} add up to anything from {low:g} to {high:g}: widen its bounds to that")


def _one_of(constraint: OneHot, known: Columns) -> Column:
    for name in constraint.columns:
        _need(known[name], (Kind.BOOLEAN, Kind.INTEGER), "a one-hot group", bounds=False)
    return Column(name=constraint.columns[0], kind=Kind.CATEGORY, categories=constraint.columns, nullable=False)


def combined(values: Sequence[str | None]) -> str:
    """A combination as one text."""
    return json.dumps(list(values), ensure_ascii=False)


def _combination(constraint: FixedCombinations, known: Columns) -> Column:
    columns = [known[name] for name in constraint.columns]
    for column in columns:
        _need(column, CLASSES, "fixed combinations")
    nullable = all(c.nullable for c in columns)
    first = Column(name=constraint.columns[0], kind=Kind.CATEGORY, nullable=nullable)
    if constraint.values is None:
        other = all(c.policy is Outside.OTHER for c in columns)
        return replace(first, outside=Outside.OTHER if other else Outside.NULL)
    for row in constraint.values:
        if len(row) != len(columns):
            raise SchemaError("each of the fixed combinations must have one value per column")
        for value, column in zip(row, columns, strict=True):
            if column.categories is not None and value not in column.categories and column.kind is not Kind.BOOLEAN:
                raise SchemaError(f"a fixed combination holds {value!r}, which column {column.name!r} does not have")
    return replace(first, categories=tuple(combined(row) for row in constraint.values))


def _check_mapping(constraint: FunctionalDependency, known: Columns) -> None:
    source, to = known[constraint.column], known[constraint.to]
    _need(source, CLASSES, "a functional dependency")
    _need(to, CLASSES, "a functional dependency")
    if source.kind is not Kind.BOOLEAN:
        lost = [v for v in source.categories or () if v not in constraint.mapping]
        if lost:
            raise SchemaError(f"the mapping from {source.name!r} to {to.name!r} lacks the value {lost[0]!r}")
    extra = [v for v in constraint.mapping.values() if to.categories is not None and v not in to.categories]
    if extra and to.kind is not Kind.BOOLEAN:
        raise SchemaError(f"the mapping leads to {extra[0]!r}, which column {to.name!r} does not have")
    if not to.nullable and (source.nullable or (source.is_open and to.policy is not Outside.OTHER)):
        raise SchemaError(f"column {to.name!r} is missing where {source.name!r} is: make it nullable")


def _increments(constraint: FixedIncrements, known: Columns) -> Column:
    column = known[constraint.column]
    _need(column, (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT), "fixed increments", bounds=False)
    bounds = column.bounds
    if bounds is not None:
        low, high = (v / constraint.increment for v in column.numeric_bounds())
        bounds = (
            float(-(-low // 1) if abs(low - round(low)) > 1e-9 else round(low)),
            float(high // 1 if abs(high - round(high)) > 1e-9 else round(high)),
        )
        if bounds[0] > bounds[1]:
            raise SchemaError(f"no multiple of the increment lies in the bounds of column {column.name!r}")
    return Column(name=column.name, kind=Kind.INTEGER, bounds=bounds, outside=column.outside, nullable=column.nullable)


def custom_names(constraints: tuple[Constraint, ...]) -> tuple[str, ...]:
    """Names of the rules in Python."""
    return tuple(c.name for c in constraints if isinstance(c, Custom))


def check_persons(columns: Sequence[Column], entity: str | None, constraints: tuple[Constraint, ...]) -> None:
    """Refuse rules that rows put together into persons would not keep.

    Raises:
        SchemaError: A rule in Python, or one over the key or a column that is constant per person.
    """
    if entity is None:
        return
    fixed = {entity, *(c.name for c in columns if c.constant_per_entity)}
    for one in constraints:
        if isinstance(one, Custom):
            raise SchemaError(f"the custom constraint {one.name!r} cannot be kept for rows of persons; take it or 'entity' out")
        shared = [name for name in columns_of(one) if name in fixed]
        if shared:
            raise SchemaError(
                f"column {shared[0]!r} is constant per person: no constraint may join it with others; take one out"
            )
