"""Read and write the metadata JSON that SDV users have (``METADATA_SPEC_VERSION`` V1 and SINGLE_TABLE_V1).

V1 holds no bounds and no closed domains except ``order``: those are what a privacy budget is saved by, so they live in
``schema.toml``. What V1 says is taken as declared public.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synth.errors import SchemaError
from synth.schema import Column, Kind, Schema

V1, SINGLE = "V1", "SINGLE_TABLE_V1"
PERSONAL = {
    "name": "name", "first_name": "first_name", "last_name": "last_name", "email": "email", "phone_number": "phone_number",
    "address": "address", "street_address": "street_address", "city": "city", "country_code": "country_code", "ssn": "ssn",
    "credit_card_number": "credit_card_number", "iban": "iban", "ipv4_address": "ipv4", "ipv6_address": "ipv6",
    "user_agent_string": "user_agent", "license_plate": "license_plate", "postcode": "postcode", "company": "company",
    "job": "job", "user_name": "user_name",
}  # fmt: skip


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
    if version == SINGLE:
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
    if sdtype == "id":
        pattern = facts.get("regex_format")
        return Column(name=name, kind=Kind.IDENTIFIER, pattern=str(pattern) if pattern else None, nullable=False, unique=True)
    if sdtype in PERSONAL:
        return Column(name=name, kind=Kind.PII, faker=PERSONAL[sdtype], nullable=False)
    raise SchemaError(
        f"{where}, column {name!r}: sdtype {sdtype!r} is not read; known are numerical, categorical, boolean, datetime, id, "
        f"{', '.join(PERSONAL)}; drop the column from the data and the metadata"
    )


def schema_to_sdv(schema: Schema, *, single: bool = False) -> dict[str, Any]:
    """The schema as V1 metadata (also what SDMetrics wants), or as SINGLE_TABLE_V1.

    An undeclared kind becomes ``categorical``. Bounds, closed domains and constraints have no place here.
    """
    columns = {c.name: _sdtype(c) for c in schema.columns}
    keys = [c.name for c in schema.columns if c.kind is Kind.IDENTIFIER and c.unique and not c.nullable]
    table: dict[str, Any] = {"columns": columns} | ({"primary_key": keys[0]} if keys else {})
    if single:
        return {**table, "METADATA_SPEC_VERSION": SINGLE}
    return {"tables": {schema.name: table}, "relationships": [], "METADATA_SPEC_VERSION": V1}


def _sdtype(column: Column) -> dict[str, Any]:
    kind = column.kind
    if kind in (Kind.DATETIME, Kind.TIME):
        form = column.format or ("%H:%M:%S" if kind is Kind.TIME else None)
        return {"sdtype": "datetime"} | ({"datetime_format": form} if form else {})
    if kind is Kind.INTEGER:
        return {"sdtype": "numerical", "computer_representation": "Int64"}
    if kind is not None and kind.is_numeric:
        return {"sdtype": "numerical", "computer_representation": "Float"}
    if kind is Kind.BOOLEAN:
        return {"sdtype": "boolean"}
    if kind is Kind.ORDINAL:
        return {"sdtype": "categorical", "order": list(column.categories or ())}
    if kind is Kind.IDENTIFIER:
        return {"sdtype": "id"} | ({"regex_format": column.pattern} if column.pattern else {})
    if kind is Kind.PII:
        back = {faker: sdtype for sdtype, faker in reversed(PERSONAL.items())}
        return {"sdtype": back.get(str(column.faker), "unknown"), "pii": True}
    return {"sdtype": "categorical"}


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
