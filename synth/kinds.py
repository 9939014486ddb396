"""The kinds of columns, and the words that go with them."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

DAY_SECONDS = 86_400.0
GRANULARITIES = {
    "day": DAY_SECONDS, "hour": 3600.0, "minute": 60.0, "second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6,
}  # fmt: skip
UNIT_GRANULARITY = {"s": "second", "ms": "millisecond", "us": "microsecond", "ns": "microsecond"}


class Kind(StrEnum):
    """What a column holds."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    ORDINAL = "ordinal"
    DATETIME = "datetime"
    TIME = "time"
    DURATION = "duration"
    IDENTIFIER = "identifier"
    PII = "pii"
    TEXT = "text"

    @property
    def is_numeric(self) -> bool:
        """Whether values live on a number line (dates, times and durations do)."""
        return self in (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT) or self.is_temporal

    @property
    def is_temporal(self) -> bool:
        """Whether values are counted in seconds."""
        return self in (Kind.DATETIME, Kind.TIME, Kind.DURATION)

    @property
    def is_regenerated(self) -> bool:
        """Whether values are never read nor learnt, but made anew for each synthetic row."""
        return self in (Kind.IDENTIFIER, Kind.PII)


class Outside(StrEnum):
    """What happens to a value outside its declared domain. It is never an error: an error would reveal the value."""

    CLIP = "clip"
    NULL = "null"
    OTHER = "other"


def zone_of(name: str) -> tzinfo:
    """A zone by its name, or by an offset such as +01:00."""
    if match := re.fullmatch(r"(?:UTC)?([+-])(\d\d):?(\d\d)", name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(offset if match[1] == "+" else -offset)
    return ZoneInfo(name)
