"""Facts of a column as plain types, as TOML and JSON hold them, and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from synth.column import Column
from synth.errors import SchemaError
from synth.kinds import Kind, Outside

_TEXT_KEYS = ("format", "granularity", "timezone", "decimal_mark", "dtype", "pattern", "faker", "locale", "description")
_FLAGS = ("nullable", "unique", "constant_per_entity")


def column_from_dict(facts: dict[str, Any], where: str) -> Column:
    """Build a column from parsed TOML or JSON.

    Raises:
        SchemaError: Unknown key, wrong type or contradiction.
    """
    facts = dict(facts)
    known = {f.name for f in fields(Column)}
    unknown = sorted(set(facts) - known)
    if unknown:
        raise SchemaError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    name = facts.get("name")
    if not isinstance(name, str):
        raise SchemaError(f"{where}: every column needs a name in quotes")
    where = f"{where}, column {name!r}"
    for key, enum in (("kind", Kind), ("outside", Outside)):
        if facts.get(key) is not None:
            try:
                facts[key] = enum(facts[key])
            except ValueError:
                options = ", ".join(member.value for member in enum)
                raise SchemaError(f"{where}: {key} must be one of {options}") from None
    if facts.get("bounds") is not None:
        facts["bounds"] = _pair(facts["bounds"], where)
    if facts.get("categories") is not None:
        facts["categories"] = as_texts(facts["categories"], f"{where}: categories")
    for key in _FLAGS:
        if key in facts and not isinstance(facts[key], bool):
            raise SchemaError(f"{where}: {key} must be true or false")
    if facts.get("precision") is not None and (isinstance(facts["precision"], bool) or not isinstance(facts["precision"], int)):
        raise SchemaError(f"{where}: precision must be a whole number")
    for key in _TEXT_KEYS:
        if facts.get(key) is not None and not isinstance(facts[key], str):
            raise SchemaError(f"{where}: {key} must be text")
    return Column(**facts)


def _pair(value: Any, where: str) -> tuple[Any, Any]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise SchemaError(f"{where}: bounds must be a pair [low, high]")
    low, high = (v.isoformat() if hasattr(v, "isoformat") else v for v in value)
    if not all(isinstance(v, int | float | str) and not isinstance(v, bool) for v in (low, high)):
        raise SchemaError(f"{where}: bounds must be numbers or ISO dates")
    return low, high


def as_texts(value: Any, where: str) -> tuple[str, ...]:
    """A list of texts.

    Raises:
        SchemaError: Something else.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise SchemaError(f"{where} must be a list of texts in quotes")
    return tuple(value)


def column_to_dict(column: Column) -> dict[str, Any]:
    """The inverse of ``column_from_dict``: plain types, absent facts left out."""
    facts: dict[str, Any] = {"name": column.name}
    for key in ("kind", "outside"):
        value = getattr(column, key)
        if value is not None:
            facts[key] = value.value
    for key in ("bounds", "categories"):
        value = getattr(column, key)
        if value is not None:
            facts[key] = list(value)
    for key in ("precision", *_TEXT_KEYS[:-1]):
        if getattr(column, key) is not None:
            facts[key] = getattr(column, key)
    facts["nullable"] = column.nullable
    for key in ("unique", "constant_per_entity"):
        if getattr(column, key):
            facts[key] = True
    if column.description:
        facts["description"] = column.description
    return facts
