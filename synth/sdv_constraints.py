"""Read and write constraints as SDV users have them: a JSON list of ``constraint_class`` and ``constraint_parameters``.

Bounds on one column (ScalarRange, ScalarInequality, Positive, Negative) become bounds of that column. Classes that say nothing
about rows of one table here (Unique is a key's affair, and code is never loaded) are refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.constraints import Constraint, FixedCombinations, FixedIncrements, Inequality, OneHot, Range, constraint_from_dict
from synth.errors import SchemaError
from synth.schema import Column, Kind, Schema

READ = (
    "FixedCombinations", "Inequality", "Range", "OneHotEncoding", "FixedIncrements", "ScalarRange", "ScalarInequality",
    "Positive", "Negative",
)  # fmt: skip


def with_sdv_constraints(schema: Schema, listed: Any, where: str = "constraints") -> Schema:
    """A schema with what an SDV list of constraints adds.

    Raises:
        SchemaError: An unknown class, missing parameters, or a contradiction to the schema.
    """
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise SchemaError(f"{where}: expected a list of objects with constraint_class and constraint_parameters")
    columns, rules = {c.name: c for c in schema.columns}, list(schema.constraints)
    ends: dict[str, tuple[Any, Any]] = {}
    for one in listed:
        name, facts = one.get("constraint_class"), one.get("constraint_parameters", {})
        if name not in READ:
            raise SchemaError(f"{where}: constraint class {name!r} is not read; known are {', '.join(READ)}")
        if not isinstance(facts, dict):
            raise SchemaError(f"{where}: constraint_parameters of {name} must be an object")
        if "column_name" in facts and name != "FixedIncrements":
            column = _column(columns, facts["column_name"], where)
            ends[column.name] = _ends(column, ends.get(column.name, column.bounds or (None, None)), name, facts, where)
        else:
            rules.append(_rule(name, facts, where))
    for name, (low, high) in ends.items():
        if low is None or high is None:
            raise SchemaError(
                f"{where}: column {name!r} is bounded on one side only; declare both of its bounds in a schema.toml"
            )
        columns[name] = replace(columns[name], bounds=(low, high))
    return replace(schema, columns=tuple(columns[c.name] for c in schema.columns), constraints=tuple(rules))


def read_sdv_constraints(path: Path, schema: Schema) -> Schema:
    """Read a JSON file of constraints on top of a schema.

    Raises:
        SchemaError: The file cannot be read, is not JSON, or does not fit.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SchemaError(f"cannot read constraints from {str(path)!r}: {type(error).__name__}") from None
    return with_sdv_constraints(schema, listed, where=path.name)


def _rule(name: str, facts: Mapping[str, Any], where: str) -> Constraint:
    keys = {
        "FixedCombinations": ("fixed_combinations", {"column_names": "columns"}),
        "OneHotEncoding": ("one_hot", {"column_names": "columns"}),
        "Inequality": ("inequality", {"low_column_name": "low", "high_column_name": "high", "strict_boundaries": "strict"}),
        "Range": ("range", {"low_column_name": "low", "middle_column_name": "middle", "high_column_name": "high",
                            "strict_boundaries": "strict"}),
        "FixedIncrements": ("fixed_increments", {"column_name": "column", "increment_value": "increment"}),
    }  # fmt: skip
    if name not in keys:
        raise SchemaError(f"{where}: {name} needs a column_name")
    kind, renamed = keys[name]
    unknown = sorted(set(facts) - set(renamed))
    if unknown:
        raise SchemaError(f"{where}: {name} has no parameter {unknown[0]!r}; known are {', '.join(renamed)}")
    return constraint_from_dict({"kind": kind, **{renamed[key]: value for key, value in facts.items()}}, where)


def _column(columns: Mapping[str, Column], name: Any, where: str) -> Column:
    if name not in columns:
        raise SchemaError(f"{where}: a constraint names the column {name!r}, which the metadata does not have")
    return columns[name]


def _ends(column: Column, ends: tuple[Any, Any], name: str, facts: Mapping[str, Any], where: str) -> tuple[Any, Any]:
    """Bounds narrowed to what a rule on one column says; a strict bound moves by one step of the column's grid."""
    (low, high), step = ends, column.grid
    if name == "ScalarRange":
        strict = step if facts.get("strict_boundaries", True) else 0.0
        return _moved(facts.get("low_value"), strict), _moved(facts.get("high_value"), -strict)
    if name in ("Positive", "Negative"):
        edge = step if facts.get("strict_boundaries", False) else 0.0
        return (edge if low is None else max(low, edge), high) if name == "Positive" else (
            low, -edge if high is None else min(high, -edge)
        )  # fmt: skip
    value, relation = facts.get("value"), facts.get("relation")
    if relation not in ("<", "<=", ">", ">="):
        raise SchemaError(f"{where}: the relation of ScalarInequality must be <, <=, > or >=")
    if relation.startswith(">"):
        return _moved(value, step if relation == ">" else 0.0), high
    return low, _moved(value, -step if relation == "<" else 0.0)


def _moved(value: Any, by: float) -> Any:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return value + by if plain else value


def sdv_constraints(schema: Schema) -> list[dict[str, Any]]:
    """Constraints and bounds as an SDV list; sums, dependencies and rules in Python have no class there and are left out."""
    out = []
    for one in schema.constraints:
        if isinstance(one, FixedCombinations):
            out.append(_listed("FixedCombinations", {"column_names": list(one.columns)}))
        elif isinstance(one, OneHot):
            out.append(_listed("OneHotEncoding", {"column_names": list(one.columns)}))
        elif isinstance(one, Inequality):
            facts: dict[str, Any] = {"low_column_name": one.low, "high_column_name": one.high}
            out.append(_listed("Inequality", facts | {"strict_boundaries": one.strict}))
        elif isinstance(one, Range):
            facts = {"low_column_name": one.low, "middle_column_name": one.middle, "high_column_name": one.high}
            out.append(_listed("Range", facts | {"strict_boundaries": one.strict}))
        elif isinstance(one, FixedIncrements):
            out.append(_listed("FixedIncrements", {"column_name": one.column, "increment_value": one.increment}))
    for column in schema.columns:
        if column.bounds is not None and column.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATETIME):
            low, high = column.bounds
            facts = {"column_name": column.name, "low_value": low, "high_value": high, "strict_boundaries": False}
            out.append(_listed("ScalarRange", facts))
    return out


def _listed(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {"constraint_class": name, "constraint_parameters": facts}
