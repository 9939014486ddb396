"""Rules between columns that the data owner declares to be public, one frozen class each.

Every released row keeps them. A private row that breaks one is changed by the rule stated with each class, by itself and
silently: an error would reveal it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synth.errors import InputError, SchemaError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Inequality:
    """``low <= high``. Learnt as their difference; a row that breaks it counts as if both were equal.

    Attributes:
        low: Column.
        high: Column; where ``low`` is missing it stands for itself.
        strict: Whether both must differ.
    """

    low: str
    high: str
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """``low <= middle <= high``: two inequalities."""

    low: str
    middle: str
    high: str
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """``total = sum of parts``. The total is not learnt but computed; what a private row says of it is not read.

    Attributes:
        total: Column; missing where a part is.
        parts: Columns.
    """

    total: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHot:
    """Exactly one of the columns is true (or 1). Learnt as one category; the first of several counts, or the first column."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedCombinations:
    """Only combinations that occur together. Learnt as one category of combinations.

    Attributes:
        columns: Categories.
        values: The combinations that are possible, where the owner declares them; otherwise those that many rows share are
            named with budget. Other combinations count as "other" or missing.
    """

    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionalDependency:
    """One column follows from another by a public table. It is looked up; what a private row says of it is not read.

    Attributes:
        column: The determining category.
        to: What follows; "other" or missing where the table does not say.
        mapping: From values of ``column`` to values of ``to``.
    """

    column: str
    to: str
    mapping: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedIncrements:
    """Values are multiples of an increment. Learnt in increments; others are rounded to the nearest."""

    column: str
    increment: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """A rule in Python, by the name under which it was registered. Rows that break it are drawn again, boundedly often.

    Learning does not know it, and a file holds its name only.
    """

    name: str


Constraint = Inequality | Range | Sum | OneHot | FixedCombinations | FunctionalDependency | FixedIncrements | Custom
KINDS: dict[str, type[Any]] = {
    "inequality": Inequality,
    "range": Range,
    "sum": Sum,
    "one_hot": OneHot,
    "fixed_combinations": FixedCombinations,
    "functional_dependency": FunctionalDependency,
    "fixed_increments": FixedIncrements,
    "custom": Custom,
}
NAMES = {cls: name for name, cls in KINDS.items()}
Predicate = Callable[["pd.DataFrame"], Any]
_REGISTERED: dict[str, Predicate] = {}


def register(name: str, predicate: Predicate) -> None:
    """Give a custom rule its function: a frame of finished rows to one truth value per row. For this process only."""
    _REGISTERED[name] = predicate


def predicate_of(name: str) -> Predicate:
    """The function of a custom rule.

    Raises:
        InputError: None is registered; no file can bring one along.
    """
    if name not in _REGISTERED:
        raise InputError(
            f"the custom constraint {name!r} is a Python function, which no file holds: "
            "call synth.constraints.register(name, function) first"
        )
    return _REGISTERED[name]


def columns_of(constraint: Constraint) -> tuple[str, ...]:
    """All columns that a constraint names."""
    found: list[str] = []
    for one in dataclasses.fields(constraint):
        value = getattr(constraint, one.name)
        if one.name in ("low", "middle", "high", "total", "column", "to"):
            found.append(value)
        elif one.name in ("columns", "parts"):
            found += value
    return tuple(found)


def written_by(constraint: Constraint) -> tuple[str, ...]:
    """Columns that a constraint derives or learns in another form."""
    if isinstance(constraint, Inequality):
        return (constraint.high,)
    if isinstance(constraint, Sum):
        return (constraint.total,)
    if isinstance(constraint, FunctionalDependency):
        return (constraint.to,)
    return columns_of(constraint)


def single_steps(constraints: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
    """The same with ranges as two inequalities each, and each constraint after those that write what it reads.

    Raises:
        SchemaError: They depend on each other in a circle.
    """
    waiting: list[Constraint] = []
    for one in constraints:
        if isinstance(one, Range):
            waiting += [
                Inequality(low=one.low, high=one.middle, strict=one.strict),
                Inequality(low=one.middle, high=one.high, strict=one.strict),
            ]
        else:
            waiting.append(one)
    out: list[Constraint] = []
    while waiting:
        pending = {name for one in waiting for name in written_by(one)}
        ready = [one for one in waiting if not (set(columns_of(one)) - set(written_by(one))) & pending]
        if not ready:
            raise SchemaError("the constraints depend on each other in a circle; take one of them out")
        out += ready
        waiting = [one for one in waiting if one not in ready]
    return tuple(out)


def constraint_from_dict(facts: Any, where: str) -> Constraint:
    """Build a constraint from parsed TOML or JSON.

    Raises:
        SchemaError: Unknown kind or key, or a value of the wrong type.
    """
    if not isinstance(facts, dict):
        raise SchemaError(f"{where}: constraints must be a list of [[constraints]] tables")
    rest = dict(facts)
    kind = rest.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise SchemaError(f"{where}: the kind of a constraint must be one of {', '.join(KINDS)}")
    where = f"{where}, constraint {kind!r}"
    known = {f.name: f for f in dataclasses.fields(KINDS[kind])}
    unknown = sorted(set(rest) - set(known))
    if unknown:
        raise SchemaError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(known)}")
    lost = [name for name, f in known.items() if f.default is dataclasses.MISSING and name not in rest]
    if lost:
        raise SchemaError(f"{where}: the key {lost[0]!r} is missing")
    built: Constraint = KINDS[kind](**{key: _checked(key, value, where) for key, value in rest.items()})
    return built


def _checked(key: str, value: Any, where: str) -> Any:
    if key in ("columns", "parts"):
        if not isinstance(value, list | tuple) or len(value) < 2 or not all(isinstance(v, str) for v in value):
            raise SchemaError(f"{where}: {key} must list two column names or more")
        return tuple(value)
    if key == "values":
        rows: list[Any] = list(value) if isinstance(value, list | tuple) else []
        if not rows or not all(isinstance(row, list | tuple) and all(isinstance(v, str) for v in row) for row in rows):
            raise SchemaError(f"{where}: values must list combinations, each a list of texts")
        return tuple(tuple(str(v) for v in row) for row in rows)
    if key == "mapping":
        if not isinstance(value, Mapping) or not value or not all(isinstance(v, str) for v in value.values()):
            raise SchemaError(f"{where}: mapping must be a table of texts")
        return dict(value)
    if key == "increment":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e300:
            raise SchemaError(f"{where}: increment must be a number above 0")
        return float(value)
    if key == "strict":
        if not isinstance(value, bool):
            raise SchemaError(f"{where}: strict must be true or false")
        return value
    if not isinstance(value, str) or not value:
        raise SchemaError(f"{where}: {key} must be text in quotes")
    return value


def constraint_to_dict(constraint: Constraint) -> dict[str, Any]:
    """The inverse of ``constraint_from_dict``: plain types, defaults left out."""
    facts: dict[str, Any] = {"kind": NAMES[type(constraint)]}
    for one in dataclasses.fields(constraint):
        value = getattr(constraint, one.name)
        if value != one.default:
            plain = [list(v) if isinstance(v, tuple) else v for v in value] if isinstance(value, tuple) else value
            facts[one.name] = dict(plain) if isinstance(plain, Mapping) else plain
    return facts
