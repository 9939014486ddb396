"""What all readers of files share: headers, plain types, and sentences that quote no cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from synth.encoding.values import numbers
from synth.errors import InputError
from synth.reading.text import BLOCK_BYTES
from synth.reading.text import read_header as text_header_of
from synth.schema import DEFAULT_MISSING, Column, Kind


def suffix_of(path: Path) -> str:
    """The suffix that says the format, in small letters; ``.gz`` does not."""
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    return suffixes[-1] if suffixes else ""


def read_header(path: Path, delimiter: str, encoding: str) -> list[str]:
    """Column names of a text file.

    Raises:
        InputError: Empty file, unreadable first line, duplicate or empty names, or a likely wrong delimiter.
    """
    names = text_header_of(path, delimiter, encoding)
    check_names(names, path)
    return names


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


def csv_options(names: list[str], delimiter: str, encoding: str) -> dict[str, Any]:
    """Options of the parser that read every cell as text; the header line is read as a row.

    Raises:
        InputError: The delimiter is not one character.
    """
    if len(delimiter) != 1:
        raise InputError(f"a delimiter is one character, not {delimiter!r}")
    return {
        "read_options": pyarrow.csv.ReadOptions(
            block_size=BLOCK_BYTES, encoding=encoding, column_names=names, skip_rows=0, skip_rows_after_names=0
        ),
        "parse_options": pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types={name: pa.dictionary(pa.int32(), pa.string()) for name in names}, strings_can_be_null=False
        ),
    }


def text_fault(error: Exception, name: str, encoding: str) -> InputError:
    """What is wrong with a text file, in a sentence that quotes none of it."""
    if isinstance(error, pa.ArrowInvalid):
        if "UTF8" in str(error) or "UTF-8" in str(error):
            return InputError(f"{name} is not text in encoding {encoding!r}; pass --encoding, such as latin-1")
        return InputError(f"{name} has lines with another number of fields than its header; check --delimiter and the quoting")
    return InputError(f"cannot read {name}: {type(error).__name__}")


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
