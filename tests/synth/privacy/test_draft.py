"""Proposals and checks for the owner: rare values stay unnamed, bounds are rounded outwards."""

import pandas as pd
import pytest

from synth.privacy.draft import check_schema, draft_schema
from synth.schema import Column, Kind, Schema


def test_proposals_do_not_name_rare_values_or_exact_extremes():
    n = 100
    frame = pd.DataFrame(
        {
            "age": [17, *[44] * (n - 2), 91],
            "town": ["u", "v"] * (n // 2),
            "rare": ["u"] * (n - 1) + ["RARE"],
            "many": [f"v{i}" for i in range(n)],
            "day": ["2003-05-06", *["2010-01-01"] * (n - 1)],
            "zero": [0] * n,
            "loss": [-123.0, *[-5.0] * (n - 1)],
            "empty": [None] * n,
            "flag": [True, False] * (n // 2),
            "huge": ["1e400"] * n,
        }
    )
    schema = draft_schema(frame)
    assert schema["age"].bounds == (0, 100)
    assert schema["town"].categories == ("u", "v")
    assert schema["rare"].categories is None
    assert schema["many"].categories is None
    assert schema["day"].bounds == ("2003-01-01", "2010-12-31")
    assert schema["zero"].bounds == (0, 0)
    assert schema["loss"].bounds == (-200, -5)
    assert (schema["empty"].kind, schema["empty"].categories, schema["empty"].nullable) == (Kind.CATEGORY, None, True)
    assert not schema["age"].nullable
    assert schema["flag"].kind is Kind.BOOLEAN
    assert (schema["huge"].kind, schema["huge"].bounds) == (Kind.FLOAT, None)


def test_checks_tell_shares_and_no_values():
    frame = pd.DataFrame(
        {
            "n": ["1", "5", "x", ""],
            "c": ["a", "b", "SECRET", None],
            "f": ["yes", "?", "no", "no"],
            "o": list("abcd"),
            "w": ["1", "2", "3", "4"],
        }
    )
    schema = Schema(
        columns=(
            Column(name="n", kind=Kind.INTEGER, bounds=(0, 3), nullable=False),
            Column(name="c", kind=Kind.CATEGORY, categories=("a", "b")),
            Column(name="f", kind=Kind.BOOLEAN),
            Column(name="o", kind=Kind.CATEGORY),
            Column(name="w", kind=Kind.INTEGER),
        )
    )
    findings = check_schema(frame, schema)
    assert [f.outside for f in findings] == pytest.approx([0.5, 0.25, 0.25, 0, 0])
    assert [f.missing for f in findings] == [0.25, 0, 0, 0, 0]
    assert "SECRET" not in str(findings)
