"""Dates and times of every Arrow type, also those that neither pandas nor Python has."""

from datetime import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from synth.api import fit
from synth.reading.formats import open_source
from synth.reading.frames import load_source
from synth.reading.times import with_plain_times

DAY_MS = 86_400_000


def plain(cells, kind):
    stored = pa.int32() if kind.bit_width == 32 else pa.int64()
    column = pa.chunked_array([pa.array(cells, type=stored).view(kind), pa.array([], type=kind)])
    return with_plain_times(pa.table({"x": column})).column("x")


@pytest.mark.parametrize(
    ("kind", "cells", "days"),
    [
        (pa.date32(), [0, -1, None, 2**31 - 1], [0, -1, None, 2**31 - 1]),
        (pa.date64(), [0, DAY_MS + 1, -1, None, 2**62], [0, 1, -1, None, 2**62 // DAY_MS]),
    ],
)
def test_dates_of_any_year_are_seconds(kind, cells, days):
    found = plain(cells, kind)
    assert found.type == pa.timestamp("s")
    for seconds, day in zip(found.cast(pa.int64()).to_pylist(), days, strict=True):
        assert seconds is None if day is None else seconds == pytest.approx(86_400 * day, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "noon"),
    [
        (pa.time32("s"), 43_200),
        (pa.time32("ms"), 43_200_000),
        (pa.time64("us"), 43_200 * 10**6),
        (pa.time64("ns"), 43_200 * 10**9),
    ],
)
def test_times_beyond_a_day_are_gaps(kind, noon):
    found = plain([noon, 0, 2 * noon, -1, None], kind)
    assert found.type == pa.time64("us")
    assert found.to_pylist() == [time(12), time(0), None, None, None]


def test_nanoseconds_are_cut_off():
    assert plain([999], pa.time64("ns")).to_pylist() == [time(0)]


def test_other_columns_stay():
    table = pa.table({"a": [1], "b": pa.array([0], pa.timestamp("ns"))})
    assert with_plain_times(table) is table


def test_no_value_is_an_error(tmp_path):
    """Which would tell that it is there, and in pyarrow's words what it is."""
    wild = pa.array([0, 86_399_999_999_999, -5, None] * 50, type=pa.int64()).view(pa.time64("ns"))
    days = pa.array([0, 1, 2**31 - 1, None] * 50, type=pa.int32()).view(pa.date32())
    pyarrow.parquet.write_table(pa.table({"clock": wild, "day": days}), tmp_path / "t.parquet")
    frame = load_source(open_source(tmp_path / "t.parquet")).frame
    assert frame["clock"][1] == time(23, 59, 59, 999_999)
    assert np.isnat(frame["day"].to_numpy()[3])
    fit(tmp_path / "t.parquet", epsilon=20.0, delta=1e-6, model="independent")
