"""Spelled storage types."""

import pytest

from synth.errors import SchemaError
from synth.storage import Family, Flavour, parse_storage


@pytest.mark.parametrize(
    ("text", "family", "flavour"),
    [
        ("uint8", Family.INTEGER, Flavour.FILE),
        ("Int16", Family.INTEGER, Flavour.EXTENSION),
        ("int64[pyarrow]", Family.INTEGER, Flavour.ARROW),
        ("float", Family.FLOAT, Flavour.FILE),
        ("Float32", Family.FLOAT, Flavour.EXTENSION),
        ("bool", Family.BOOLEAN, Flavour.FILE),
        ("boolean", Family.BOOLEAN, Flavour.EXTENSION),
        ("string", Family.TEXT, Flavour.EXTENSION),
        ("large_string", Family.TEXT, Flavour.FILE),
        ("string[pyarrow]", Family.TEXT, Flavour.ARROW),
        ("category", Family.CATEGORY, Flavour.FILE),
        ("category[int8]", Family.CATEGORY, Flavour.FILE),
        ("datetime64[ns, Europe/Berlin]", Family.TIMESTAMP, Flavour.FILE),
        ("timestamp[us, tz=UTC][pyarrow]", Family.TIMESTAMP, Flavour.ARROW),
        ("date32[day]", Family.DATE, Flavour.FILE),
        ("time64[us]", Family.TIME, Flavour.FILE),
        ("timedelta64[ns]", Family.DURATION, Flavour.FILE),
        ("decimal128(10, 2)", Family.DECIMAL, Flavour.FILE),
    ],
)
def test_known_types(text, family, flavour):
    found = parse_storage(text)
    assert (found.text, found.family, found.flavour) == (text, family, flavour)


def test_facts_of_types():
    assert parse_storage("int8").whole_bounds() == (-128, 127)
    assert parse_storage("uint64").whole_bounds() == (0, 2**64 - 1)
    assert parse_storage("category[uint8]").inner.bits == 8
    assert parse_storage("timestamp[ms, tz=+01:00]").zone == "+01:00"
    assert parse_storage("decimal128(10, 2)").digits == (10, 2)


@pytest.mark.parametrize(
    "text",
    ["", "int7", "time32[us]", "decimal128(0, 0)", "decimal32(10, 2)", "category[text]", "category[category]", "Int8[pyarrow]",
     "category[pyarrow]", "list<int64>", "complex128"],
)  # fmt: skip
def test_other_types_are_refused(text):
    with pytest.raises(SchemaError, match="is not known"):
        parse_storage(text)
