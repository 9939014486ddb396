"""Dates, times of day and durations as seconds. Each cell is read by itself, and no value is an error or a warning."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.schema import Column, Kind

FloatArray = npt.NDArray[np.float64]
TextArray = npt.NDArray[np.object_]
StampArray = npt.NDArray[np.datetime64]

CLOCK_WORDS = frozenset({"now", "today"})  # pandas would read the present time
EPOCH = datetime(1970, 1, 1)
_OFFSET = re.compile(r"[T ]\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$")
_CLOCK = re.compile(r"(-?)(\d{1,5}):([0-5]\d)(?::([0-5]\d(?:\.\d{1,9})?))?")


def seconds(series: pd.Series, cells: TextArray, column: Column) -> FloatArray:
    """Cells of a temporal column in seconds; NaN where missing or unreadable.

    Args:
        series: Raw cells, shape (n,).
        cells: The same as texts, ``None`` where missing.
        column: Its kind, format and time zone.
    """
    if column.kind is Kind.DATETIME:
        return _since_epoch(series, cells, column)
    if column.kind is Kind.DURATION and pd.api.types.is_timedelta64_dtype(series.dtype):
        return np.asarray(series.dt.total_seconds(), dtype=np.float64)
    read = _duration if column.kind is Kind.DURATION else _time_reader(column.format)
    known: dict[str, float] = {}
    return np.array([np.nan if t is None else known[t] if t in known else known.setdefault(t, read(t)) for t in cells], float)


def _since_epoch(series: pd.Series, cells: TextArray, column: Column) -> FloatArray:
    """Seconds since 1970 on the column's clock."""
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        stamps = plain_stamps(series, column.zone)
    else:
        plain = [None if text is None or text.lower() in CLOCK_WORDS else text for text in cells]
        form = column.format or "ISO8601"
        read = pd.to_datetime(pd.Series(plain, dtype=object), format=form, errors="coerce", utc=True, cache=False)
        stamps = plain_stamps(read, None).copy()
        for place in np.flatnonzero(np.isnat(stamps)).tolist():
            if plain[place] is not None:
                stamps[place] = _beyond_nanoseconds(str(plain[place]), column.format)
        if column.zone is not None:  # texts with an offset were moved to UTC, and go on to the column's clock
            told = "%z" in (column.format or "")
            aware = np.array([t is not None and (told or _OFFSET.search(t) is not None) for t in plain], dtype=bool)
            stamps[aware] = plain_stamps(pd.Series(stamps[aware]).dt.tz_localize("UTC"), column.zone)
        for i, cell in enumerate(series.astype(object)):  # dates that are no texts need no format
            if isinstance(cell, date):
                stamps[i] = plain_stamp(cell, column.zone)
    out = stamps.astype(np.int64) / 1e6
    out[np.isnat(stamps)] = np.nan
    return np.asarray(out, dtype=np.float64)


def _beyond_nanoseconds(text: str, form: str | None) -> np.datetime64:
    """A date that pandas finds too early or too late, such as 9999-12-31."""
    try:
        return plain_stamp(datetime.fromisoformat(text) if form is None else datetime.strptime(text, form))
    except (ValueError, OverflowError):
        return np.datetime64("NaT", "us")


def _time_reader(form: str | None) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            clock = time.fromisoformat(text) if form is None else datetime.strptime(text, form).time()
        except ValueError:
            return np.nan
        return (datetime.combine(EPOCH, clock.replace(tzinfo=None)) - EPOCH) / timedelta(seconds=1)

    return read


def _duration(text: str) -> float:
    """``1 days 02:03:04``, ``26:03:04``, ``26:03``, ``PT1H30M``; a bare number has no unit and is none."""
    if match := _CLOCK.fullmatch(text):
        whole = int(match[2]) * 3600 + int(match[3]) * 60 + float(match[4] or 0)
        return -whole if match[1] else whole
    if not any(c.isalpha() for c in text):
        return np.nan
    try:
        with warnings.catch_warnings():  # of pandas, about units such as H: whether there is one must not be told
            warnings.simplefilter("ignore")
            found = pd.Timedelta(text)
    except (ValueError, OverflowError):
        return np.nan
    return float(found.total_seconds())  # NaN for a NaT


def plain_stamps(series: pd.Series, zone: tzinfo | None = None) -> StampArray:
    """A datetime column without a zone, in microseconds: on the clock of ``zone``, UTC by default."""
    if series.dt.tz is not None:
        series = series.dt.tz_convert(zone or "UTC").dt.tz_localize(None)
    return np.asarray(series.to_numpy().astype("datetime64[us]"))


def plain_stamp(cell: date, zone: tzinfo | None = None) -> np.datetime64:
    """One date or datetime without a zone, in microseconds; NaT where it is none."""
    if cell != cell:
        return np.datetime64("NaT", "us")
    if isinstance(cell, datetime) and cell.tzinfo is not None:
        try:
            cell = cell.astimezone(zone or UTC).replace(tzinfo=None)
        except OverflowError:
            return np.datetime64("NaT", "us")
    return np.datetime64(cell.isoformat(), "us")


def spell_stamp(stamp: np.datetime64) -> str | None:
    """``2020-01-31`` at midnight, else ``2020-01-31 12:00:00``, with microseconds where there are any."""
    if np.isnat(stamp):
        return None
    day, _, clock = str(np.datetime_as_string(stamp, unit="us")).partition("T")
    return day if clock == "00:00:00.000000" else f"{day} {clock.removesuffix('.000000')}"


def localized(values: FloatArray, zone: tzinfo | None) -> pd.Series:
    """Seconds since 1970 on a clock as datetimes in microseconds, with their zone.

    Of an hour that comes twice the first is taken; one that is left out is moved on.
    """
    known = np.where(np.isnan(values), 0.0, values)
    stamps = np.rint(known * 1e6).astype(np.int64).astype("datetime64[us]")
    stamps[np.isnan(values)] = np.datetime64("NaT")
    series = pd.Series(stamps)
    if zone is None:
        return series
    return series.dt.tz_localize(zone, ambiguous=np.ones(len(series), dtype=bool), nonexistent="shift_forward")
