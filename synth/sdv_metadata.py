"""Read and write the metadata JSON that SDV users have (``METADATA_SPEC_VERSION`` V1, and SINGLE_TABLE_V1 to read).

V1 holds no bounds and no closed domains except ``order``: those are what a privacy budget is saved by, so they live in
``schema.toml``. What V1 says is taken as declared public.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synth.errors import SchemaError
from synth.schema import Column, Kind, Schema

V1 = "V1"


def schema_from_sdv(metadata: dict[str, Any], table: str | None = None, where: str = "metadata") -> Schema:
    """Turn SDV metadata into a schema.

    Args:
        metadata: Parsed JSON, ``V1`` or ``SINGLE_TABLE_V1``.
        table: Which table, where there are several.
        where: Name for error messages.

    Raises:
        SchemaError: Unknown version, unknown sdtype, or a table that is not there.
    """
    version = metadata.get("METADATA_SPEC_VERSION")
    if version == "SINGLE_TABLE_V1":
        tables = {"table": metadata}
    elif version == V1 and isinstance(metadata.get("tables"), dict):
        tables = metadata["tables"]
    else:
        raise SchemaError(f"{where}: METADATA_SPEC_VERSION is {version!r}; V1 and SINGLE_TABLE_V1 are read")
    if table is None:
        if len(tables) != 1:
            raise SchemaError(f"{where} describes {len(tables)} tables; one table is supported")
        table = next(iter(tables))
    if table not in tables:
        raise SchemaError(f"{where} has no table {table!r}")
    columns = tables[table].get("columns") if isinstance(tables[table], dict) else None
    if not isinstance(columns, dict) or not all(isinstance(c, dict) for c in columns.values()):
        raise SchemaError(f"{where}: table {table!r} has no columns")
    return Schema(columns=tuple(_column(name, facts, where) for name, facts in columns.items()), name=table)


def _column(name: str, facts: dict[str, Any], where: str) -> Column:
    sdtype = facts.get("sdtype")
    if sdtype == "numerical":
        computer = str(facts.get("computer_representation", ""))
        return Column(name=name, kind=Kind.INTEGER if "Int" in computer else Kind.FLOAT)
    if sdtype == "categorical":
        order = facts.get("order")
        if isinstance(order, list):
            return Column(name=name, kind=Kind.ORDINAL, categories=tuple(str(v) for v in order))
        return Column(name=name, kind=Kind.CATEGORY)
    if sdtype == "boolean":
        return Column(name=name, kind=Kind.BOOLEAN)
    if sdtype == "datetime":
        return Column(name=name, kind=Kind.DATETIME, format=facts.get("datetime_format"))
    raise SchemaError(
        f"{where}, column {name!r}: sdtype {sdtype!r} is an identifier or personal datum, which is never learnt; "
        "drop the column from the data and the metadata"
    )


def schema_to_sdv(schema: Schema) -> dict[str, Any]:
    """The schema as V1 metadata (also what SDMetrics wants). An undeclared kind becomes ``categorical``."""
    columns: dict[str, dict[str, Any]] = {}
    for c in schema.columns:
        if c.kind is Kind.DATETIME:
            columns[c.name] = {"sdtype": "datetime"} | ({"datetime_format": c.format} if c.format else {})
        elif c.kind is Kind.INTEGER:
            columns[c.name] = {"sdtype": "numerical", "computer_representation": "Int64"}
        elif c.kind is not None and c.kind.is_numeric:
            columns[c.name] = {"sdtype": "numerical", "computer_representation": "Float"}
        elif c.kind is Kind.BOOLEAN:
            columns[c.name] = {"sdtype": "boolean"}
        elif c.kind is Kind.ORDINAL:
            columns[c.name] = {"sdtype": "categorical", "order": list(c.categories or ())}
        else:
            columns[c.name] = {"sdtype": "categorical"}
    return {"tables": {schema.name: {"columns": columns}}, "relationships": [], "METADATA_SPEC_VERSION": V1}


def read_sdv_metadata(path: Path) -> Schema:
    """Read an SDV metadata JSON file.

    Raises:
        SchemaError: The file cannot be read, is not JSON, or is not metadata this version reads.
    """
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SchemaError(f"cannot read SDV metadata from {str(path)!r}: {type(error).__name__}") from None
    if not isinstance(metadata, dict):
        raise SchemaError(f"{path.name} is not SDV metadata: its top level is not an object")
    return schema_from_sdv(metadata, where=path.name)
