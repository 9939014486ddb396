"""Frames and tables in memory: pandas as it is; polars, Arrow, DuckDB and others through Arrow's own interface."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from synth.errors import InputError
from synth.reading.columnar import index_first, plain_field
from synth.reading.source import BATCH_ROWS, Source, check_names


def is_arrow_like(data: Any) -> bool:
    """Whether an object hands out Arrow data (polars frames, Arrow tables, DuckDB relations)."""
    return hasattr(data, "__arrow_c_stream__")


def open_object(data: Any) -> Source:
    """A table in memory.

    Raises:
        InputError: It holds what is no cell.
    """
    try:
        table = pa.table(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"the table cannot be read as Arrow data: {type(error).__name__}") from None
    names, index = index_first(table.schema)
    check_names(names, "the table")
    header = pa.schema([plain_field(table.schema.field(name), "the table") for name in names])
    plain = pa.table([table.column(name) for name in names], schema=header)
    return Source(
        name="the table",
        header=header,
        typed=True,
        batches=lambda: iter(plain.to_batches(max_chunksize=BATCH_ROWS)),
        whole=lambda: plain,
        index=index,
    )
