"""Proposals and checks for the owner: rare values stay unnamed, bounds are rounded outwards."""

import pandas as pd
import pytest

from synth.privacy.draft import check_schema, draft_remarks, draft_schema
from synth.reading.frames import Loaded
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
    assert (schema["many"].kind, schema["many"].pattern) == (Kind.IDENTIFIER, None)
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


def test_formats_keys_and_personal_data_are_proposed():
    n = 100
    frame = pd.DataFrame(
        {
            "day": [f"{1 + i % 28:02d}/0{1 + i % 9}/2020" for i in range(n)],
            "month_first": ["01/31/2020"] * n,
            "pay": [f"1.{i:03d},50" for i in range(n)],
            "weight": [f"{i},1234567" for i in range(n)],
            "smoker": ["N", "Y"] * (n // 2),
            "code": [f"P-{i:05d}" for i in range(n)],
            "patient_id": range(100_000, 100_000 + n),
            "visits": range(n),
            "email": [f"u{i}@x.org" for i in range(n)],
            "note": ["The patient came in late and was seen by nobody. " * 4] * n,
            "clock": ["08:30"] * n,
            "at": ["08:30:15"] * n,
            "stay": [f"{i} days 00:00:05" for i in range(n)],
            "id": ["a"] * n,
        }
    )  # fmt: skip
    schema = draft_schema(frame)
    kinds = {c.name: c.kind for c in schema.columns}
    assert kinds == {
        "day": Kind.DATETIME, "month_first": Kind.DATETIME, "pay": Kind.DECIMAL, "weight": Kind.FLOAT, "smoker": Kind.BOOLEAN,
        "code": Kind.IDENTIFIER, "patient_id": Kind.IDENTIFIER, "visits": Kind.INTEGER, "email": Kind.PII, "note": Kind.TEXT,
        "clock": Kind.TIME, "at": Kind.TIME, "stay": Kind.DURATION, "id": Kind.CATEGORY,
    }  # fmt: skip
    assert (schema["day"].format, schema["day"].bounds) == ("%d/%m/%Y", ("2020-01-01", "2020-12-31"))
    assert schema["month_first"].format == "%m/%d/%Y"
    assert (schema["pay"].decimal_mark, schema["pay"].precision, schema["pay"].bounds) == (",", 2, (1000.0, 2000.0))
    assert schema["smoker"].categories == ("N", "Y")
    assert (schema["code"].pattern, schema["patient_id"].pattern) == ("P-[0-9]{5}", "[0-9]{6}")
    assert (schema["clock"].granularity, schema["at"].granularity) == ("minute", None)
    assert schema["stay"].bounds == (0, 9e6)


def test_remarks_name_keys_texts_and_empty_columns_but_no_value():
    n = 100
    frame = pd.DataFrame(
        {
            "patient_nbr": [900_000 + i // 2 for i in range(n)],
            "key": [f"SECRET{i // 2}" for i in range(n)],
            "ward": ["A", "B"] * (n // 2),
            "few": ["A"] * 90 + ["B"] * 10,
            "nothing": [None] * n,
        }
    )
    remarks = draft_remarks(frame, draft_schema(frame))
    assert [r.split(":")[0] for r in remarks] == ["patient_nbr", "key", "nothing"]
    assert "entity" in remarks[0]
    assert "entity" in remarks[1]
    assert "SECRET" not in str(remarks)
    loaded = Loaded(frame=frame[["ward", "few"]], dtypes={})
    assert draft_remarks(loaded, draft_schema(loaded)) == []


def test_a_column_that_sounds_like_a_key_is_one_only_where_no_two_rows_share_it():
    frame = pd.DataFrame({"patient_id": [f"P{i % 10}" for i in range(100)], "row_id": [f"R{i:03}" for i in range(100)]})
    schema = draft_schema(frame)
    assert schema["patient_id"].kind is Kind.CATEGORY
    assert schema["row_id"].kind is Kind.IDENTIFIER
