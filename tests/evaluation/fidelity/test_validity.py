from __future__ import annotations

import pandas as pd
import pytest

from evaluation.fidelity.validity import key_columns, score_validity, valid_cells, validity_table
from evaluation.inputs import prepare
from synth.constraints import Custom, Inequality
from synth.encoding.values import conform
from synth.schema import DEFAULT_MISSING, Column, Kind, Schema


def flags(column: Column, cells: list[object]) -> list[bool]:
    raw = pd.DataFrame({column.name: cells})
    plain = conform(raw, Schema(columns=(column,)))
    return valid_cells(raw[column.name], plain[column.name], column, DEFAULT_MISSING).tolist()


@pytest.mark.parametrize(
    ("column", "cells", "expected"),
    [
        (Column(name="c", kind=Kind.INTEGER, bounds=(0, 9)), ["0", "9", "10", "1.5", "", "x"], [1, 1, 0, 0, 1, 0]),
        (Column(name="c", kind=Kind.INTEGER, nullable=False), ["1", "", "x"], [1, 0, 0]),
        (Column(name="c", kind=Kind.DECIMAL, precision=2), ["1.25", "1.255", "1e6"], [1, 0, 1]),
        (Column(name="c", kind=Kind.CATEGORY, categories=("a", "b")), ["a", "c", ""], [1, 0, 1]),
        (Column(name="c", kind=Kind.CATEGORY), ["anything", ""], [1, 1]),
        (Column(name="c", kind=Kind.BOOLEAN), ["yes", "0", "maybe"], [1, 1, 0]),
        (
            Column(name="c", kind=Kind.DATETIME, bounds=("2000-01-01", "2001-01-01")),
            ["2000-06-01", "1999-01-01", "soon"],
            [1, 0, 0],
        ),
    ],
)
def test_cells(column: Column, cells: list[object], expected: list[int]) -> None:
    assert flags(column, cells) == [bool(e) for e in expected]


def test_table_is_a_share_per_column() -> None:
    schema = Schema(columns=(Column(name="n", kind=Kind.INTEGER, bounds=(0, 1)), Column(name="c", kind=Kind.CATEGORY)))
    table = validity_table(pd.DataFrame({"c": ["x", "y"], "n": [1, 5]}), schema)
    assert table["Valid share"].tolist() == [0.5, 1.0]


def test_columns_that_are_made_anew_are_passed_over() -> None:
    schema = Schema(columns=(Column(name="name", kind=Kind.PII, faker="name"), Column(name="n", kind=Kind.FLOAT)))
    real = pd.DataFrame({"name": ["A B"] * 40, "n": [str(i) for i in range(40)]})
    tables = prepare(real, real, real, schema)
    assert score_validity(tables, real, real).scores[0].value == 1.0


def test_each_fault_is_named() -> None:
    schema = Schema(columns=(Column(name="n", kind=Kind.INTEGER, bounds=(0, 1), nullable=False),))
    table = validity_table(pd.DataFrame({"n": ["1", "x", "", "7"]}), schema)
    assert table.loc[0, "Valid share"] == 0.25
    assert table.loc[0, ["Unreadable", "Missing though it must not be", "Outside the domain"]].tolist() == [0.25] * 3


def test_keys_are_found_and_must_stay_unique() -> None:
    schema = Schema(columns=(Column(name="id", kind=Kind.CATEGORY), Column(name="n", kind=Kind.FLOAT)))
    real = pd.DataFrame({"id": [f"p{i}" for i in range(200)], "n": [float(i) for i in range(200)]})
    twice = real.assign(id=["same"] * 50 + [f"q{i}" for i in range(150)])
    tables = prepare(real, None, twice, schema)
    assert key_columns(tables) == ["id"]
    found = {score.name: score for score in score_validity(tables, twice, None).scores}
    assert found["unique_keys"].value == 0.75
    assert found["unique_keys"].low < 0.75 < found["unique_keys"].high
    small = prepare(real.iloc[:50], None, twice, schema)
    assert key_columns(small) == []


def test_rows_that_break_constraints_are_counted() -> None:
    columns = tuple(Column(name=n, kind=Kind.INTEGER, bounds=(0, 9)) for n in "ab")
    rules = (Inequality(low="a", high="b"), Custom(name="nobody registered this"))
    schema = Schema(columns=columns, constraints=rules)
    good = pd.DataFrame({"a": [1] * 40, "b": [2] * 40})
    bad = good.assign(b=[0] * 10 + [2] * 30)
    tables = prepare(good, good, bad, schema)
    section = score_validity(tables, bad, good)
    score = next(s for s in section.scores if s.name == "constraints")
    assert (score.value, score.ceiling) == (0.75, 1.0)
    assert section.tables["Constraints"]["Rows that break it"].tolist() == [10]
    assert "constraints" not in {
        s.name for s in score_validity(prepare(good, None, bad, Schema(columns=columns)), bad, None).scores
    }
