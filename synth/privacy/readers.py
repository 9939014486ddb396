"""What all readers of files share: names of columns that quote no cell, and plain types."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from synth.encoding.values import numbers
from synth.errors import InputError
from synth.schema import DEFAULT_MISSING, Column, Kind


def check_names(names: list[str], path: Path) -> None:
    """Refuse empty names and names that come twice.

    Names are public, but the first line of a file without a header is not: nothing that looks like data is quoted.

    Raises:
        InputError: Says which columns.
    """
    for i, name in enumerate(names):
        if not name.strip():
            raise InputError(f"column {i + 1} of {path.name} has no name; give every column a name")
        if name in names[:i]:
            shown = f"columns {names.index(name) + 1} and {i + 1}" if looks_like_data(name) else f"two columns named {name!r}"
            text = f"{path.name} has {shown}" + (" with one name" if looks_like_data(name) else "")
            raise InputError(f"{text}; rename one of them")


def looks_like_data(name: str) -> bool:
    """Whether a column name reads as a number, a date or a missing value."""
    cell = pd.Series([name], dtype=object)
    number, stamp = Column(name="x", kind=Kind.FLOAT), Column(name="x", kind=Kind.DATETIME)
    return name.strip() in DEFAULT_MISSING or any(numbers(cell, c, ())[0] == numbers(cell, c, ())[0] for c in (number, stamp))


def plain_table(table: pa.Table, name: str) -> pa.Table:
    """Dates as datetimes and texts as dictionaries.

    Raises:
        InputError: A column holds lists, structs or bytes.
    """
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            raise InputError(f"column {field.name!r} of {name} holds lists, structs or bytes; flatten or drop it")
        if pa.types.is_date(field.type):
            column = column.cast(pa.timestamp("s"))
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            column = column.dictionary_encode()
        columns.append(column)
    return pa.table(columns, names=table.column_names)
