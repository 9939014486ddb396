"""Related tables as public facts: one parent, and children whose rows name their parent by its key.

Privacy is for a whole parent with all its child rows. What is learnt of a child is one wide table: every child row beside its
parent's columns, a parent without children as one row of its own, and in front how many child rows the parent has.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synth.errors import SchemaError
from synth.schema import MAX_ROWS_PER_ENTITY, Column, Kind, Schema, schema_from_dict, schema_to_dict
from synth.schema_toml import read_schema_toml
from synth.sdv_metadata import schema_from_sdv

DEFAULT_CAP = 10
_KEYS = {
    "name",
    "file",
    "schema",
    "key",
    "parent",
    "parent_key",
    "max_rows_per_parent",
    "columns",
    "missing",
    "target",
    "public_rows",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """One table and its place among the others.

    Attributes:
        name: Of the table, unique.
        schema: Its columns.
        key: Column that names a row; new keys are made for synthetic rows. The parent needs one.
        parent_key: Column that names the row's parent; ``None`` for the parent itself.
        cap: Most rows of one parent that are used.
        file: Where the rows are, if that is known.
    """

    name: str
    schema: Schema
    key: str | None = None
    parent_key: str | None = None
    cap: int = DEFAULT_CAP
    file: str | None = None

    def __post_init__(self) -> None:
        where = f"table {self.name!r}"
        for what, column in (("key", self.key), ("parent_key", self.parent_key)):
            if column is not None and column not in self.schema.names:
                raise SchemaError(f"{where}: its {what} {column!r} is not one of its columns")
        if self.key is not None and self.key == self.parent_key:
            raise SchemaError(f"{where}: key and parent_key are two columns")
        if not 1 <= self.cap <= MAX_ROWS_PER_ENTITY:
            raise SchemaError(f"{where}: max_rows_per_parent must be a whole number from 1 to {MAX_ROWS_PER_ENTITY}")
        if self.schema.entity is not None or self.schema.constraints:
            raise SchemaError(f"{where}: entities and constraints are not supported among related tables yet")
        if self.parent_key is not None and self.schema.public_rows is not None:
            raise SchemaError(f"{where}: the number of parents counts, so public_rows goes with the parent")

    @property
    def facts(self) -> tuple[Column, ...]:
        """Columns that are learnt: neither keys nor made anew."""
        return tuple(c for c in self.schema.read_columns if c.name not in (self.key, self.parent_key))

    def wide_name(self, column: str) -> str:
        """Name of a column in the wide table."""
        return f"{self.name}.{column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """One parent and its children.

    Attributes:
        parent: With a key.
        children: In the order they are learnt in; parents are drawn with the first.
    """

    parent: Related
    children: tuple[Related, ...]

    def __post_init__(self) -> None:
        names = [t.name for t in self.tables]
        if len(set(names)) < len(names):
            raise SchemaError("two tables have one name")
        if self.parent.key is None or self.parent.parent_key is not None:
            raise SchemaError(f"table {self.parent.name!r} is the parent of others: it needs a key, and no parent")
        if not self.children:
            raise SchemaError("related tables are a parent and one child or more")
        for child in self.children:
            if child.parent_key is None:
                raise SchemaError(f"table {child.name!r} needs the column that names its parent, parent_key")
            if child.schema.missing != self.parent.schema.missing:
                raise SchemaError("related tables must list the same texts under missing")
            if not child.facts and not self.parent.facts:
                raise SchemaError(f"table {child.name!r} and its parent have keys only, so there is nothing to learn")

    @property
    def tables(self) -> tuple[Related, ...]:
        """The parent first."""
        return (self.parent, *self.children)

    def wide_schema(self, child: Related) -> Schema:
        """What is learnt of a child: how many rows, the parent's columns, the child's."""
        counts = tuple(str(m) for m in range(child.cap + 1))
        rows = Column(name=f"rows of {child.name}", kind=Kind.ORDINAL, categories=counts, nullable=False)
        columns = [replace(c, name=t.wide_name(c.name)) for t in (self.parent, child) for c in t.facts]
        targets = [t.wide_name(t.schema.target) for t in (child, self.parent) if t.schema.target is not None]
        known = {c.name for c in columns}
        return Schema(
            columns=(rows, *columns),
            target=next((name for name in targets if name in known), None),
            public_rows=self.parent.schema.public_rows,
            missing=self.parent.schema.missing,
            name=child.name,
        )


def relations_from_dict(facts: dict[str, Any], where: str = "relations", folder: Path | None = None) -> Relations:
    """Build relations from parsed TOML or JSON: a list of ``tables``, whose columns stand there or in a file ``schema``.

    Raises:
        SchemaError: Unknown key, wrong type or contradiction.
    """
    listed = facts.get("tables")
    if set(facts) != {"tables"} or not isinstance(listed, list) or not all(isinstance(t, dict) for t in listed):
        raise SchemaError(f"{where}: related tables are a list of [[tables]]")
    tables = [_table(dict(t), where, folder) for t in listed]
    parents = {str(t["parent"]) for t in listed if t.get("parent") is not None}
    if len(parents) != 1:
        raise SchemaError(f"{where}: all children name one table as their parent; one level is supported")
    if len({t.name for t in tables}) < len(tables):
        raise SchemaError(f"{where}: two tables have one name")
    name = next(iter(parents))
    parent = next((t for t in tables if t.name == name), None)
    loose = [t.name for t, facts_of in zip(tables, listed, strict=True) if facts_of.get("parent") is None and t.name != name]
    if parent is None or loose:
        wrong = f"there is no table {name!r}" if parent is None else f"table {loose[0]!r} names no parent"
        raise SchemaError(f"{where}: {wrong}")
    return Relations(parent=parent, children=tuple(t for t in tables if t.name != name))


def _table(facts: dict[str, Any], where: str, folder: Path | None) -> Related:
    unknown = sorted(set(facts) - _KEYS)
    if unknown:
        raise SchemaError(f"{where}: unknown key {unknown[0]!r} of a table; known are {', '.join(sorted(_KEYS))}")
    for key in ("name", "file", "schema", "key", "parent", "parent_key"):
        if facts.get(key) is not None and not isinstance(facts[key], str):
            raise SchemaError(f"{where}: {key} of a table must be text")
    cap = facts.get("max_rows_per_parent", DEFAULT_CAP)
    if isinstance(cap, bool) or not isinstance(cap, int):
        raise SchemaError(f"{where}: max_rows_per_parent must be a whole number")
    if not facts.get("name"):
        raise SchemaError(f"{where}: every table needs a name")
    if facts.get("schema") is not None:
        schema = read_schema_toml((folder or Path()) / facts["schema"])
    else:
        own = {k: v for k, v in facts.items() if k in ("columns", "missing", "target", "public_rows")}
        schema = schema_from_dict(own, f"{where}, table {facts['name']!r}")
    if (facts.get("parent") is None) != (facts.get("parent_key") is None):
        raise SchemaError(f"{where}: table {facts['name']!r} needs both parent and parent_key, or neither")
    return Related(
        name=facts["name"], schema=replace(schema, name=facts["name"]), key=facts.get("key"),
        parent_key=facts.get("parent_key"), cap=cap, file=facts.get("file"),
    )  # fmt: skip


def relations_to_dict(relations: Relations) -> dict[str, Any]:
    """The inverse of ``relations_from_dict``; files are left out."""
    tables = []
    for t in relations.tables:
        facts = {k: v for k, v in schema_to_dict(t.schema).items() if k in _KEYS}
        facts |= {"name": t.name} if t.key is None else {"name": t.name, "key": t.key}
        if t.parent_key is not None:
            facts |= {"parent": relations.parent.name, "parent_key": t.parent_key, "max_rows_per_parent": t.cap}
        tables.append(facts)
    return {"tables": tables}


def relations_from_sdv(metadata: dict[str, Any], where: str = "metadata") -> Relations:
    """One parent and its children from SDV metadata ``V1``: its tables, primary keys and relationships.

    Raises:
        SchemaError: Not such metadata, more than one level, or columns that are not read.
    """
    links, tables = metadata.get("relationships"), metadata.get("tables")
    if not isinstance(links, list) or not isinstance(tables, dict) or not all(isinstance(one, dict) for one in links):
        raise SchemaError(f"{where}: no SDV metadata of related tables")
    keyed = {str(one.get("child_table_name")): one for one in links}
    if len({str(one.get("parent_table_name")) for one in links}) != 1 or len(keyed) < len(links):
        raise SchemaError(f"{where}: one parent with children that each name it once is supported")
    parent, found = str(links[0].get("parent_table_name")), {}
    for name, facts in tables.items():
        key = facts.get("primary_key") if isinstance(facts, dict) else None
        link = keyed.get(name)
        found[name] = Related(
            name=name, schema=schema_from_sdv(metadata, name, where), key=key if isinstance(key, str) else None,
            parent_key=None if link is None else str(link.get("child_foreign_key")),
        )  # fmt: skip
    if parent not in found or set(found) != {parent, *keyed} or found[parent].key != links[0].get("parent_primary_key"):
        raise SchemaError(f"{where}: every table is the parent or names it by its primary key")
    return Relations(parent=found[parent], children=tuple(t for name, t in found.items() if name != parent))


def read_relations(path: Path) -> Relations:
    """Read ``relations.toml``, or SDV metadata where the file is ``.json``; files named in it lie beside it.

    Raises:
        SchemaError: The file cannot be read, is not TOML, or contradicts itself.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".json":
            metadata = json.loads(text)
            return relations_from_sdv(metadata if isinstance(metadata, dict) else {}, path.name)
        facts = tomllib.loads(text)
    except json.JSONDecodeError:
        raise SchemaError(f"{path.name} is not valid JSON") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"cannot read the relations {str(path)!r}: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"{path.name} is not valid TOML: {error}") from None
    return relations_from_dict(facts, path.name, path.parent)
