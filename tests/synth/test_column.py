"""One column's facts: what fits together, and what follows from it."""

from datetime import timedelta

import pytest

from synth.column import Column
from synth.errors import SchemaError
from synth.kinds import Kind, Outside, zone_of


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"unique": True, "kind": Kind.CATEGORY}, "unique = true goes with kind identifier"),
        ({"kind": Kind.PII}, "kind pii needs faker"),
        ({"kind": Kind.PII, "faker": "name", "pattern": "a"}, "'pattern' goes with kind identifier"),
        ({"kind": Kind.IDENTIFIER, "pattern": "a*"}, "is not supported here"),
        ({"kind": Kind.IDENTIFIER, "pattern": "a?a?", "unique": True}, "two ways"),
        ({"kind": Kind.DATETIME, "timezone": "Mars/Base"}, "timezone must be a name"),
        ({"kind": Kind.DATETIME, "granularity": "week"}, "granularity is one of day"),
        ({"kind": Kind.TIME, "granularity": "day"}, "finer than a day"),
        ({"kind": Kind.TIME, "bounds": ("8 am", "9 am")}, "times of day such as"),
        ({"kind": Kind.DURATION, "bounds": (0, 1e300)}, "two numbers within"),
        ({"kind": Kind.FLOAT, "decimal_mark": ";"}, "decimal_mark"),
        ({"kind": Kind.INTEGER, "dtype": "int65"}, "dtype 'int65' is not known"),
        ({"kind": Kind.INTEGER, "dtype": "int8", "bounds": (0, 200)}, "beyond what int8 holds"),
        ({"kind": Kind.DATETIME, "dtype": "int64"}, "cells of type int64 hold no datetime"),
        ({"kind": Kind.DATETIME, "dtype": "timestamp[us, tz=Mars/Base]"}, "time zone of the dtype"),
    ],
)
def test_contradictions_are_refused(facts, match):
    with pytest.raises(SchemaError, match=match):
        Column(name="x", **facts)


@pytest.mark.parametrize(
    ("facts", "grid"),
    [
        ({"kind": Kind.DECIMAL, "precision": 2}, 0.01),
        ({"kind": Kind.FLOAT}, 0.0),
        ({"kind": Kind.DATETIME}, 1.0),
        ({"kind": Kind.DATETIME, "format": "%d.%m.%Y"}, 86_400.0),
        ({"kind": Kind.DATETIME, "format": "%d.%m.%Y %H:%M"}, 60.0),
        ({"kind": Kind.DATETIME, "format": "%H:%M:%S.%f"}, 1e-6),
        ({"kind": Kind.DATETIME, "bounds": ("2020-01-01", "2020-12-31")}, 86_400.0),
        ({"kind": Kind.DATETIME, "dtype": "date32"}, 86_400.0),
        ({"kind": Kind.DATETIME, "granularity": "millisecond"}, 1e-3),
        ({"kind": Kind.TIME, "format": "%H:%M"}, 60.0),
        ({"kind": Kind.DURATION}, 1.0),
    ],
)
def test_the_grid_follows_from_public_facts(facts, grid):
    assert Column(name="x", **facts).grid == grid


def test_numbers_of_times():
    assert Column(name="x", kind=Kind.TIME).numeric_bounds() == (0, 86_399)
    assert Column(name="x", kind=Kind.TIME, format="%H:%M").numeric_bounds() == (0, 86_340)
    assert Column(name="x", kind=Kind.TIME, bounds=("08:30", "18:00:30")).numeric_bounds() == (30_600, 64_830)
    assert Column(name="x", kind=Kind.DATETIME, bounds=("0001-01-01", "9999-12-31")).numeric_bounds()[1] == 253402214400


def test_codes_stored_as_numbers_have_no_word_for_other():
    assert Column(name="x", kind=Kind.CATEGORY).policy is Outside.OTHER
    assert Column(name="x", kind=Kind.CATEGORY, dtype="int64").policy is Outside.NULL


def test_zones():
    assert zone_of("UTC+01:30").utcoffset(None) == timedelta(minutes=90)
    assert zone_of("-0200").utcoffset(None) == timedelta(hours=-2)
    assert Column(name="x", kind=Kind.DATETIME, dtype="timestamp[us, tz=Europe/Berlin]").zone == zone_of("Europe/Berlin")
