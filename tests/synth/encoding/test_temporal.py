"""Temporal cells in seconds, each by itself."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from synth.encoding.temporal import plain_stamp
from synth.encoding.values import numbers
from synth.schema import Column, Kind

NAN = np.nan
DAY = 86_400.0


def read(cells, kind, **facts):
    series = pd.Series(cells, dtype=object) if isinstance(cells, list) else cells
    return numbers(series, Column(name="x", kind=kind, **facts), ("",)).tolist()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("26:03:04", 93_784.0),
        ("-00:30", -1800.0),
        ("1 days 02:03:04", 93_784.0),
        ("1 day, 2:03:04", 93_784.0),
        ("PT1H30M", 5400.0),
        ("00:00:00.25", 0.25),
        ("90", NAN),
        ("soon", NAN),
        ("NaT", NAN),
        ("999999999 days", NAN),
        ("", NAN),
    ],
)
def test_durations(text, seconds):
    np.testing.assert_equal(read([text], Kind.DURATION), [seconds])


def test_no_library_warns_about_a_duration(recwarn):
    """Whether some row is spelled with a unit that pandas is about to drop is not for a log to tell."""
    assert read(["5H", "1 days", "30T"], Kind.DURATION) == [18_000.0, DAY, 1800.0]
    assert len(recwarn) == 0


def test_typed_durations():
    delta = dt.timedelta(days=1, seconds=5)
    assert read([delta], Kind.DURATION) == [DAY + 5]
    np.testing.assert_equal(read(pd.Series([delta, None], dtype="timedelta64[ns]"), Kind.DURATION), [DAY + 5, NAN])


@pytest.mark.parametrize(
    ("text", "form", "seconds"),
    [
        ("08:30", None, 30_600.0),
        ("08:30:15.5", None, 30_615.5),
        ("24:30", None, NAN),
        ("08:30 PM", "%I:%M %p", 73_800.0),
        ("8.30", None, NAN),
    ],
)
def test_times_of_day(text, form, seconds):
    np.testing.assert_equal(read([text, dt.time(1)], Kind.TIME, format=form)[0], seconds)


def test_dates_beyond_nanoseconds_are_read():
    assert read(["9999-12-31", "0001-01-01"], Kind.DATETIME) == [253402214400.0, -62135596800.0]
    assert read(["31/12/9999"], Kind.DATETIME, format="%d/%m/%Y") == [253402214400.0]
    np.testing.assert_equal(read(["99999-12-31", "now", "today"], Kind.DATETIME), [NAN] * 3)


def test_texts_are_put_on_the_columns_clock():
    cells = ["2020-07-01 12:00", "2020-07-01T12:00:00Z", "2020-07-01 12:00:00+00:00", "2020-07-01"]
    noon = pd.Timestamp("2020-07-01 12:00").timestamp()
    wanted = [noon, noon + 7200, noon + 7200, noon - 43_200]
    assert read(cells, Kind.DATETIME, timezone="Europe/Berlin") == wanted
    assert read(cells, Kind.DATETIME)[:2] == [noon, noon]
    assert read(["01.07.2020 12:00 +0000"], Kind.DATETIME, timezone="Europe/Berlin", format="%d.%m.%Y %H:%M %z") == [
        noon + 7200
    ]
    aware = pd.Series(pd.to_datetime(["2020-07-01 12:00"], utc=True))
    assert read(aware, Kind.DATETIME, timezone="Europe/Berlin") == [noon + 7200]
    assert read(list(aware.astype(object)), Kind.DATETIME, timezone="Europe/Berlin") == [noon + 7200]


def test_a_stamp_at_the_end_of_time_is_missing():
    late = dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    assert np.isnat(plain_stamp(late))
    assert np.isnat(plain_stamp(pd.NaT))


def test_commas_and_groups_of_digits():
    np.testing.assert_equal(read(["1.234,50", "1 000", "-0,5", "x"], Kind.FLOAT, decimal_mark=","), [1234.5, 1000, -0.5, NAN])
