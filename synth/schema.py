"""The schema: what the data owner declares to be public about a table.

A fact written here costs nothing, because it is not learnt from the rows. A fact left out is learnt with budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from synth.column import LARGEST_INTEGER, LARGEST_NUMBER, MAX_CATEGORIES, Column
from synth.column_dict import as_texts, column_from_dict, column_to_dict
from synth.constrained import check_persons, learnt_columns, stand_in
from synth.constraints import Constraint, constraint_from_dict, constraint_to_dict, single_steps, written_by
from synth.errors import SchemaError
from synth.kinds import Kind, Outside

__all__ = [
    "DEFAULT_MISSING",
    "LARGEST_INTEGER",
    "LARGEST_NUMBER",
    "MAX_CATEGORIES",
    "Column",
    "Kind",
    "Outside",
    "Schema",
    "column_from_dict",
    "schema_from_dict",
    "schema_to_dict",
    "undeclared",
]

MAX_ROWS_PER_ENTITY = 100
DEFAULT_MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Public facts about a table.

    Attributes:
        columns: In output order.
        target: Column that people will predict, if any.
        entity: Column that names the person each row is about: then a whole person is protected (see ``synth.entity``).
        max_rows_per_entity: Most rows of one person that are used; 10 by default.
        public_rows: Row count, where the owner may publish it. ``None``: counted with budget.
        public_entities: The same for the number of persons, where there is an ``entity``.
        missing: Texts that mean "missing" in text files.
        index_columns: Leading columns that are the index of a frame (``index`` in a file).
        name: Name of the table.
        constraints: Rules between columns that every released row keeps, see ``synth.constraints``.
    """

    columns: tuple[Column, ...]
    target: str | None = None
    entity: str | None = None
    max_rows_per_entity: int | None = None
    public_rows: int | None = None
    public_entities: int | None = None
    missing: tuple[str, ...] = DEFAULT_MISSING
    index_columns: tuple[str, ...] = ()
    name: str = "table"
    constraints: tuple[Constraint, ...] = ()
    _index: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if not names:
            raise SchemaError("the schema has no columns; add [[columns]] tables, or run `synth schema draft`")
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise SchemaError(f"the schema lists column {twice[0]!r} twice")
        for role in ("target", "entity"):
            value = getattr(self, role)
            if value is not None and value not in names:
                raise SchemaError(f"the schema's {role} {value!r} is not one of its columns")
        if self.index_columns != tuple(names[: len(self.index_columns)]):
            raise SchemaError("the schema's index must name its first columns, in their order")
        for role in ("public_rows", "public_entities"):
            value = getattr(self, role)
            if value is not None and value < 1:
                raise SchemaError(f"{role} must be a positive whole number")
        _check_entity(self)
        self._index.update({name: i for i, name in enumerate(names)})
        if self.constraints:
            learnt_columns(self.columns, self.constraints)
            check_persons(self.columns, self.entity, self.constraints)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in output order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        return self.columns[self._index[name]]

    def index(self, name: str) -> int:
        """Position of a column."""
        return self._index[name]

    @property
    def modelled(self) -> tuple[Column, ...]:
        """Columns as they are learnt: not those whose values are made anew or follow from others by a constraint."""
        kept = self.read_columns
        return learnt_columns(kept, self.constraints) if self.constraints else kept

    @property
    def read_columns(self) -> tuple[Column, ...]:
        """Columns that are read: all but those whose values are made anew."""
        return tuple(c for c in self.columns if c.kind is None or not c.kind.is_regenerated)

    def only_modelled(self) -> Schema:
        """The part of the table that is learnt."""
        kept = self.modelled
        if kept == self.columns:
            return self
        names = {c.name for c in kept}
        if self.entity is not None and self.entity not in names:
            kept = tuple(replace(c, constant_per_entity=False) for c in kept)
        target = self.target if self.target is None else stand_in(self.target, self.constraints)
        return replace(
            self,
            columns=kept,
            index_columns=tuple(name for name in self.index_columns if name in names),
            target=target if target in names else None,
            entity=self.entity if self.entity in names else None,
            max_rows_per_entity=self.max_rows_per_entity if self.entity in names else None,
            public_entities=self.public_entities if self.entity in names else None,
            constraints=(),
        )

    def only_read(self) -> Schema:
        """The part of the table that is read, with its constraints."""
        kept = self.read_columns
        names = {c.name for c in kept}
        if self.entity is not None and self.entity not in names:
            kept = tuple(replace(c, constant_per_entity=False) for c in kept)
        return replace(
            self,
            columns=kept,
            index_columns=tuple(name for name in self.index_columns if name in names),
            target=self.target if self.target in names else None,
            entity=self.entity if self.entity in names else None,
            max_rows_per_entity=self.max_rows_per_entity if self.entity in names else None,
            public_entities=self.public_entities if self.entity in names else None,
        )

    def completed(self, learnt: Mapping[str, Column]) -> Schema:
        """The same table with what was found out about learnt columns; columns that a constraint writes stay as declared."""
        written = {name for one in single_steps(self.constraints) for name in written_by(one)}
        return self.with_columns(tuple(c if c.name in written else learnt.get(c.name, c) for c in self.columns))

    @property
    def may_aim_at_number(self) -> bool:
        """Whether the target may turn out to have more than two ordered codes, by its declared facts alone."""
        if self.target is None:
            return False
        column = self[self.target]
        levels = len(column.categories or ()) if column.kind is Kind.ORDINAL else 0
        return column.kind is None or column.kind.is_numeric or levels > 2

    def with_columns(self, columns: tuple[Column, ...]) -> Schema:
        """The same table with other column facts."""
        return replace(self, columns=columns)


def _check_entity(schema: Schema) -> None:
    """What goes with an entity, and what only goes with one."""
    cap = schema.max_rows_per_entity
    if cap is not None and not 1 <= cap <= MAX_ROWS_PER_ENTITY:
        raise SchemaError(f"max_rows_per_entity must be a whole number from 1 to {MAX_ROWS_PER_ENTITY}")
    constant = [c.name for c in schema.columns if c.constant_per_entity]
    if schema.entity is None:
        needs = ["max_rows_per_entity"] * (cap is not None) + ["public_entities"] * (schema.public_entities is not None)
        needs += [f"constant_per_entity of column {name!r}" for name in constant[:1]]
        if needs:
            raise SchemaError(f"{needs[0]} needs an entity: the column that names the person each row is about")
        return
    if schema.public_rows is not None:
        raise SchemaError("with an entity the number of persons counts: declare public_entities instead of public_rows")
    if schema.entity == schema.target or schema.entity in constant:
        raise SchemaError(f"the entity column {schema.entity!r} is never learnt; it is no target, and constant anyway")
    if len(schema.columns) < 2:
        raise SchemaError(f"the entity column {schema.entity!r} is never learnt, and there is no other column")


def undeclared(names: tuple[str, ...]) -> Schema:
    """A schema that declares nothing but the header."""
    return Schema(columns=tuple(Column(name=name) for name in names))


def schema_from_dict(facts: dict[str, Any], where: str = "schema") -> Schema:
    """Build a schema from parsed TOML or JSON; see ``Schema`` for the keys.

    Raises:
        SchemaError: Unknown key, wrong type or contradiction.
    """
    known = {
        "columns", "constraints", "target", "entity", "max_rows_per_entity", "public_rows", "public_entities", "missing",
        "index", "name",
    }  # fmt: skip
    unknown = sorted(set(facts) - known)
    if unknown:
        raise SchemaError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    columns = facts.get("columns")
    if not isinstance(columns, list) or not all(isinstance(c, dict) for c in columns):
        raise SchemaError(f"{where}: columns must be a list of [[columns]] tables")
    rest: dict[str, Any] = {k: v for k, v in facts.items() if k != "columns" and v is not None}
    for key in ("target", "entity", "name"):
        if key in rest and not isinstance(rest[key], str):
            raise SchemaError(f"{where}: {key} must be text")
    for key in ("public_rows", "public_entities", "max_rows_per_entity"):
        if key in rest and (isinstance(rest[key], bool) or not isinstance(rest[key], int)):
            raise SchemaError(f"{where}: {key} must be a whole number")
    if "constraints" in rest:
        listed = rest["constraints"] if isinstance(rest["constraints"], list) else [None]
        rest["constraints"] = tuple(constraint_from_dict(one, where) for one in listed)
    if "missing" in rest:
        rest["missing"] = as_texts(rest["missing"], f"{where}: missing")
    if "index" in rest:
        rest["index_columns"] = as_texts(rest.pop("index"), f"{where}: index")
    return Schema(columns=tuple(column_from_dict(c, where) for c in columns), **rest)


def schema_to_dict(schema: Schema) -> dict[str, Any]:
    """The inverse of ``schema_from_dict``: plain types, absent facts left out."""
    top: dict[str, Any] = {"name": schema.name}
    for key in ("target", "entity", "max_rows_per_entity", "public_rows", "public_entities"):
        if getattr(schema, key) is not None:
            top[key] = getattr(schema, key)
    if schema.missing != DEFAULT_MISSING:
        top["missing"] = list(schema.missing)
    if schema.index_columns:
        top["index"] = list(schema.index_columns)
    top["columns"] = [column_to_dict(c) for c in schema.columns]
    if schema.constraints:
        top["constraints"] = [constraint_to_dict(c) for c in schema.constraints]
    return top
