"""Dates and times of Arrow as pandas can hold all of them. Each cell is read by itself, and no value is an error."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

DAY = 86_400
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def with_plain_times(table: pa.Table) -> pa.Table:
    """Dates as seconds since 1970, times of day in microseconds; what is no time of a day is a gap.

    Python's dates end with the year 9999 and its times with microseconds; pyarrow raises for others, and quotes them.
    """
    for place, field in enumerate(table.schema):
        if pa.types.is_date(field.type):
            table = table.set_column(place, field.name, _dates(table.column(place)))
        elif pa.types.is_time(field.type):
            table = table.set_column(place, field.name, _times(table.column(place)))
    return table


def _dates(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date32(column.type):
        return pc.multiply(column.cast(pa.int32()).cast(pa.int64()), DAY).cast(pa.timestamp("s"))
    days = pc.floor(pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), DAY * 1e3))
    return pc.multiply(days.cast(pa.int64()), DAY).cast(pa.timestamp("s"))


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    per_second = _PER_SECOND[column.type.unit]
    ticks = column.cast(pa.int32() if pa.types.is_time32(column.type) else pa.int64()).cast(pa.int64())
    inside = pc.and_(pc.greater_equal(ticks, 0), pc.less(ticks, DAY * per_second))
    ticks = pc.if_else(inside, ticks, pa.scalar(None, pa.int64()))
    if per_second > _PER_SECOND["us"]:
        ticks = pc.divide(ticks, per_second // _PER_SECOND["us"])
    else:
        ticks = pc.multiply(ticks, _PER_SECOND["us"] // per_second)
    return ticks.cast(pa.time64("us"))
