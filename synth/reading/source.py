"""What every reader hands out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from synth.errors import InputError

BATCH_ROWS = 65_536
MAX_COLUMNS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a table is read. ``None`` means: as the format has it.

    Attributes:
        delimiter: Of a text file.
        quote: Character around texts of a text file; an empty text for none.
        encoding: Of a text file.
        sql: Query, for a database.
        sheet: Of a workbook.
    """

    delimiter: str | None = None
    quote: str | None = None
    encoding: str = "utf-8"
    sql: str | None = None
    sheet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A table to be read, possibly more than once.

    Attributes:
        name: For messages; never holds a password.
        header: Column names with their types. Public.
        typed: Whether the types are facts of the table (Parquet, PostgreSQL). Otherwise all cells are texts: the schema,
            not a guess about the rows, says what they are.
        batches: Reads all rows, in batches of the header's types.
        whole: Reads all rows at once, texts dictionary-encoded; by default from the batches.
        index: Leading columns that are the index of a frame.
    """

    name: str
    header: pa.Schema
    typed: bool
    batches: Callable[[], Iterator[pa.RecordBatch]]
    whole: Callable[[], pa.Table] | None = None
    index: tuple[str, ...] = field(default=())

    def table(self) -> pa.Table:
        """All rows, texts dictionary-encoded."""
        return self.whole() if self.whole is not None else pa.Table.from_batches(self.batches(), schema=self.header)


def text_header(names: Iterable[str]) -> pa.Schema:
    """A header of texts."""
    return pa.schema([pa.field(name, pa.string()) for name in names])


def text_batches(rows: Iterable[Iterable[str | None]], header: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of texts, ``None`` where there is no cell, as batches."""
    columns: list[list[str | None]] = [[] for _ in header]
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
        if len(columns[0]) == BATCH_ROWS:
            yield _text_batch(columns, header)
            columns = [[] for _ in header]
    if columns[0]:
        yield _text_batch(columns, header)


def _text_batch(columns: list[list[str | None]], header: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(c, type=pa.string()) for c in columns], schema=header)


def spell(cell: Any) -> str | None:
    """One cell of an untyped source as text, by itself; bytes and the like are no cells."""
    if cell is None or isinstance(cell, bytes | bytearray | memoryview | list | dict | set | tuple):
        return None
    if isinstance(cell, str):
        return cell.encode("utf-8", "replace").decode()
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float):
        return None if cell != cell else str(int(cell)) if abs(cell) < 2**53 and cell == int(cell) else repr(cell)
    if hasattr(cell, "isoformat"):
        return str(cell).removesuffix(" 00:00:00")
    if isinstance(cell, np.generic):
        return spell(cell.item())
    return str(cell)


def check_names(names: list[str], where: str) -> None:
    """Refuse headers without a name, with too many names, or with one twice.

    Raises:
        InputError: As it says.
    """
    if not names:
        raise InputError(f"{where} has no columns")
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{where} has {len(names)} columns; at most {MAX_COLUMNS} are supported")
    seen: set[str] = set()
    for i, name in enumerate(names):
        if not name.strip():
            raise InputError(f"column {i + 1} of {where} has no name; give every column a name")
        if name in seen:
            raise InputError(f"{where} has two columns of one name (columns {names.index(name) + 1} and {i + 1}); rename one")
        seen.add(name)
