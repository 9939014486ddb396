"""A table with several rows per person, as public facts: what is learnt has the number of rows in place of the key.

The column that names the person is never learnt and never leaves. In its place stands, as the first column, how many rows
of the person count, an ordinal from 1 to the cap: so every table and every model covers it like any other column.
"""

from __future__ import annotations

from dataclasses import replace

from synth.schema import Column, Kind, Schema

DEFAULT_CAP = 10
ROW = "row"  # the unit where no entity is declared


def unit_of(schema: Schema | None) -> str:
    """Whose presence is protected, in a word that no table of single rows has."""
    if schema is None or schema.entity is None:
        return ROW
    return unit_called(schema.entity)


def unit_called(key: str) -> str:
    """The same for the column that names the unit: a column called "row" does not pass for single rows."""
    return key if key != ROW else f"{ROW} (entity)"


def cap_of(schema: Schema) -> int:
    """Most rows of a person that are used."""
    return schema.max_rows_per_entity if schema.max_rows_per_entity is not None else DEFAULT_CAP


def rows_name(schema: Schema) -> str:
    """Name of the column that holds how many rows a person has; no column of the table has it."""
    name = f"rows per {schema.entity}"
    while name in schema.names:
        name += "_"
    return name


def learnt_schema(schema: Schema) -> Schema:
    """The table that is learnt: the same where no entity is declared."""
    if schema.entity is None:
        return schema
    counts = tuple(str(m) for m in range(1, cap_of(schema) + 1))
    rows = Column(name=rows_name(schema), kind=Kind.ORDINAL, categories=counts, nullable=False)
    others = tuple(replace(c, constant_per_entity=False) for c in schema.columns if c.name != schema.entity)
    return replace(
        schema, columns=(rows, *others), entity=None, max_rows_per_entity=None, index_columns=(),
        public_rows=schema.public_entities, public_entities=None,
    )  # fmt: skip


def without_entity(schema: Schema) -> Schema:
    """The table without the key, as rows that are looked at one by one."""
    if schema.entity is None:
        return schema
    others = tuple(replace(c, constant_per_entity=False) for c in schema.columns if c.name != schema.entity)
    return replace(schema, columns=others, entity=None, max_rows_per_entity=None, index_columns=(), public_entities=None)


def completed(schema: Schema, learnt: Schema) -> Schema:
    """The declared schema with the facts that were learnt filled in.

    Args:
        schema: As declared.
        learnt: ``learnt_schema`` of it, complete.
    """
    return schema.with_columns(tuple(_filled(c, schema, learnt) for c in schema.columns))


def _filled(column: Column, schema: Schema, learnt: Schema) -> Column:
    if column.name == schema.entity:
        return column
    return replace(learnt[column.name], constant_per_entity=column.constant_per_entity)
