"""Raw cells by column, in chunks of rows: in memory one chunk, on disk many. Private.

All columns are cut at the same rows. A column's numbers are parsed once, whatever is asked about them later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.ipc

from synth.encoding.values import numbers
from synth.privacy.scratch import Scratch
from synth.privacy.sealed import Sealed
from synth.reading.times import with_plain_times
from synth.schema import Column

FloatArray = npt.NDArray[np.float64]
Parse = tuple[str | None, ...]  # all that the numbers of a column depend on


class Rows(Protocol):
    """What a private frame is made of."""

    @property
    def names(self) -> tuple[str, ...]:
        """Header. Public."""

    @property
    def scratch(self) -> Scratch | None:
        """Where more of these rows goes; ``None`` keeps it in memory."""

    def exact_sizes(self) -> tuple[int, ...]:
        """Rows of each chunk, at least one chunk. Private."""

    def cells(self, name: str) -> Iterator[pd.Series]:
        """Raw cells of a column, chunk by chunk. Private."""

    def numbers(self, column: Column, missing: tuple[str, ...]) -> Iterator[FloatArray]:
        """The same as numbers; see ``encoding.values.numbers``."""


def _parse(column: Column) -> Parse:
    return column.name, column.kind, column.format, column.timezone, column.dtype, column.decimal_mark


class MemoryRows(Sealed):
    """A frame as one chunk."""

    __slots__ = ("__frame", "__parsed")

    def __init__(self, frame: pd.DataFrame) -> None:
        """Take a frame in."""
        self.__frame = frame
        self.__parsed: dict[Parse, FloatArray] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Header. Public."""
        return tuple(str(name) for name in self.__frame.columns)

    @property
    def scratch(self) -> Scratch | None:
        """More of these rows stays in memory."""
        return None

    def exact_sizes(self) -> tuple[int, ...]:
        """Rows of the only chunk. Private."""
        return (len(self.__frame),)

    def cells(self, name: str) -> Iterator[pd.Series]:
        """Raw cells. Private."""
        yield self.__frame[name]

    def numbers(self, column: Column, missing: tuple[str, ...]) -> Iterator[FloatArray]:
        """Parsed on the first call. Private."""
        key = _parse(column)
        if key not in self.__parsed:
            self.__parsed[key] = numbers(self.__frame[column.name], column, missing)
        yield self.__parsed[key]


class StoredRows(Sealed):
    """Chunks on disk, as Arrow IPC streams of one column each; only the chunk that is looked at is in memory.

    Attributes:
        header: All columns of the table. Public.
        scratch: Where the chunks lie.
    """

    __slots__ = ("__cells", "__names", "__parsed", "__sizes", "header", "scratch")

    def __init__(self, header: tuple[str, ...], names: tuple[str, ...], scratch: Scratch) -> None:
        """Start without rows; ``names`` are the columns that are kept."""
        self.header, self.__names, self.scratch = header, names, scratch
        self.__sizes: list[int] = []
        self.__cells: dict[str, list[tuple[int, int]]] = {name: [] for name in names}
        self.__parsed: dict[Parse, list[int]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that are kept. Public."""
        return self.__names

    def append(self, chunk: pa.Table) -> None:
        """Add rows with exactly the columns ``names``.

        Raises:
            InputError: The disk is full.
        """
        for name in self.__names:
            sink = pa.BufferOutputStream()
            one = chunk.select([name]).unify_dictionaries().combine_chunks()
            with pyarrow.ipc.new_stream(sink, one.schema) as writer:
                writer.write_table(one)
            data = sink.getvalue()
            self.__cells[name].append((self.scratch.append(memoryview(data)), data.size))
        self.__sizes.append(chunk.num_rows)

    def finish(self) -> None:
        """After the last chunk: a table without any has an empty one."""
        if not self.__sizes:
            self.append(pa.table({name: pa.nulls(0, pa.string()) for name in self.__names}))

    def exact_sizes(self) -> tuple[int, ...]:
        """Rows of each chunk. Private."""
        return tuple(self.__sizes)

    def cells(self, name: str) -> Iterator[pd.Series]:
        """Raw cells, chunk by chunk. Private."""
        for start, size in self.__cells[name]:
            with pyarrow.ipc.open_stream(pa.py_buffer(self.scratch.view(start, size))) as reader:
                table = reader.read_all()
            yield with_plain_times(table).to_pandas(ignore_metadata=True, integer_object_nulls=True)[name]

    def numbers(self, column: Column, missing: tuple[str, ...]) -> Iterator[FloatArray]:
        """Parsed on the first call, then kept beside the cells. Private."""
        key = _parse(column)
        if key not in self.__parsed:
            places = []
            for series in self.cells(column.name):
                places.append(self.scratch.append(numbers(series, column, missing).data))
            self.__parsed[key] = places
        for start, size in zip(self.__parsed[key], self.__sizes, strict=True):
            yield np.frombuffer(self.scratch.view(start, 8 * size), dtype=np.float64) if size else np.empty(0)


class CountedRows(Sealed):
    """Rows with one more column, that holds how many rows the row's entity has."""

    __slots__ = ("__counts", "__rows", "name")

    def __init__(self, rows: Rows, name: str, exact_counts: npt.NDArray[np.int64]) -> None:
        """Put the column ``name`` first; ``exact_counts`` of shape (rows,) are private."""
        self.__rows, self.name, self.__counts = rows, name, exact_counts

    @property
    def names(self) -> tuple[str, ...]:
        """Header. Public."""
        return (self.name, *self.__rows.names)

    @property
    def scratch(self) -> Scratch | None:
        """Of the rows."""
        return self.__rows.scratch

    def exact_sizes(self) -> tuple[int, ...]:
        """Rows of each chunk. Private."""
        return self.__rows.exact_sizes()

    def cells(self, name: str) -> Iterator[pd.Series]:
        """Raw cells, chunk by chunk. Private."""
        if name != self.name:
            yield from self.__rows.cells(name)
            return
        start = 0
        for size in self.__rows.exact_sizes():
            yield pd.Series(self.__counts[start : start + size])
            start += size

    def numbers(self, column: Column, missing: tuple[str, ...]) -> Iterator[FloatArray]:
        """Of the other columns. Private."""
        return self.__rows.numbers(column, missing)
