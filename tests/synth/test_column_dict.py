"""Facts of a column as plain types."""

import pytest

from synth.column import Column
from synth.column_dict import column_from_dict, column_to_dict
from synth.errors import SchemaError
from synth.kinds import Kind


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": Kind.IDENTIFIER, "pattern": r"P\d{6}", "unique": True, "dtype": "string"},
        {"kind": Kind.PII, "faker": "name", "locale": "de_DE", "nullable": False},
        {"kind": Kind.DATETIME, "timezone": "Europe/Berlin", "granularity": "minute", "format": "%d.%m.%Y %H:%M"},
        {"kind": Kind.TIME, "bounds": ("08:00", "18:00")},
        {"kind": Kind.DURATION, "bounds": (0, 3600), "dtype": "duration[ms]"},
        {"kind": Kind.DECIMAL, "precision": 2, "decimal_mark": ","},
        {"kind": Kind.BOOLEAN, "categories": ("N", "Y")},
    ],
)
def test_every_fact_survives(facts):
    column = Column(name="x", description="d", **facts)
    assert column_from_dict(column_to_dict(column), "schema") == column


@pytest.mark.parametrize(("key", "value"), [("unique", 1), ("nullable", "no"), ("dtype", 8), ("pattern", []), ("faker", 1)])
def test_wrong_types_are_refused(key, value):
    with pytest.raises(SchemaError, match=key):
        column_from_dict({"name": "x", key: value}, "schema")
