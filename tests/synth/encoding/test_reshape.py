"""Every row that comes back keeps every constraint, whatever went in; rows that keep them come back as they were."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.constraints import (
    Custom,
    FixedCombinations,
    FixedIncrements,
    FunctionalDependency,
    Inequality,
    OneHot,
    Range,
    Sum,
    register,
)
from synth.encoding.codec import typed
from synth.encoding.reshape import backward, broken, canonical, custom_tests, learnt_frame, sources
from synth.errors import InputError
from synth.schema import Column, Kind, Outside, Schema

DAYS = ("2020-01-01", "2020-12-31")
MAPPING = {"1": "x", "2": "y", "3": "x"}
COLUMNS = (
    Column(name="start", kind=Kind.DATETIME, bounds=DAYS),
    Column(name="end", kind=Kind.DATETIME, bounds=DAYS),
    Column(name="a", kind=Kind.INTEGER, bounds=(0, 9), nullable=False),
    Column(name="b", kind=Kind.DECIMAL, precision=1, bounds=(0, 9), nullable=False),
    Column(name="total", kind=Kind.DECIMAL, precision=1, bounds=(0, 18), nullable=False),
    Column(name="low", kind=Kind.DECIMAL, precision=2, bounds=(0, 1)),
    Column(name="middle", kind=Kind.FLOAT, bounds=(0, 2)),
    Column(name="high", kind=Kind.INTEGER, bounds=(-1, 3)),
    Column(name="dose", kind=Kind.INTEGER, bounds=(0, 100), outside=Outside.NULL),
    Column(name="red", kind=Kind.BOOLEAN, nullable=False),
    Column(name="blue", kind=Kind.INTEGER, bounds=(0, 1), nullable=False),
    Column(name="icd", kind=Kind.CATEGORY, categories=("1", "2", "3")),
    Column(name="chapter", kind=Kind.CATEGORY, categories=("x", "y")),
    Column(name="city", kind=Kind.CATEGORY),
    Column(name="land", kind=Kind.CATEGORY),
    Column(name="plain", kind=Kind.INTEGER, bounds=(0, 1)),
)
SCHEMA = Schema(
    columns=COLUMNS,
    constraints=(
        Range(low="low", middle="middle", high="high"),
        Inequality(low="start", high="end", strict=False),
        Sum(total="total", parts=("a", "b")),
        FixedIncrements(column="dose", increment=5),
        OneHot(columns=("red", "blue")),
        FunctionalDependency(column="icd", to="chapter", mapping=MAPPING),
        FixedCombinations(columns=("city", "land"), values=(("Rome", "IT"), ("Ulm", "DE"))),
    ),
)
NASTY = [
    "", "NA", "x", "1", "-5", "2.25", "0.005", "1e9", "inf", "-inf", "nan", "2020-05-05", "2020-02-30", "Rome", "IT", "True",
]  # fmt: skip


def there_and_back(frame, schema=SCHEMA):
    learnt = learnt_frame(frame, schema)
    known = {c.name: c for c in schema.modelled}
    cells = {name: canonical(learnt[name], known[name], schema.missing) for name in learnt}
    for name, column in known.items():  # what encoding does with values outside a domain
        if column.kind.is_numeric and column.bounds is not None:
            values = np.clip(cells[name], *column.numeric_bounds())
            values = np.round(values / column.grid) * column.grid if column.grid else values
            cells[name] = values if column.nullable else np.nan_to_num(values, nan=column.numeric_bounds()[0])
        if column.categories is not None:
            other = None if column.nullable else column.categories[0]
            cells[name] = np.array([v if v in column.categories else other for v in cells[name]], dtype=object)
    out = backward(schema, cells)
    return pd.DataFrame({c.name: typed(pd.Series(out[c.name]), c) for c in schema.columns})


@given(st.lists(st.tuples(*[st.sampled_from(NASTY)] * len(COLUMNS)), min_size=1, max_size=8))
def test_any_row_comes_back_keeping_every_constraint(rows):
    frame = pd.DataFrame(rows, columns=SCHEMA.names, dtype=object)
    back = there_and_back(frame)
    for label, flags in broken(back, SCHEMA).items():
        assert not flags.any(), label
    assert back["end"].dropna().between("2020-01-01", "2020-12-31").all()
    assert back["high"].dropna().between(-1, 3).all()


def good_rows(n=300, seed=0):
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    end = start + pd.to_timedelta(rng.integers(0, 60, n), unit="D")
    low = rng.integers(0, 101, n) / 100
    middle = low + rng.random(n) * 0.9
    a, b, place = rng.integers(0, 10, n), rng.integers(0, 91, n) / 10, rng.integers(0, 2, n)
    icd, red = rng.choice(["1", "2", "3"], n), rng.random(n) < 0.5
    return pd.DataFrame(
        {
            "start": pd.Series(start).where(rng.random(n) > 0.1), "end": pd.Series(end).where(rng.random(n) > 0.1),
            "a": a, "b": b, "total": (a + b).round(1), "low": low, "middle": middle,
            "high": pd.array(np.ceil(middle), "Int64"), "dose": pd.array(rng.integers(0, 21, n) * 5, "Int64"),
            "red": red, "blue": (~red).astype("int64"), "icd": icd, "chapter": [MAPPING[v] for v in icd],
            "city": np.array(["Rome", "Ulm"])[place], "land": np.array(["IT", "DE"])[place],
            "plain": pd.array(rng.integers(0, 2, n), "Int64"),
        }
    )  # fmt: skip


def test_rows_that_keep_the_constraints_come_back_as_they_were():
    frame = good_rows()
    assert not any(flags.any() for flags in broken(frame, SCHEMA).values())
    back = there_and_back(frame)
    for name in SCHEMA.names:
        if back[name].dtype == float:
            assert np.allclose(back[name], frame[name])
        else:
            assert (
                back[name].astype(object).where(back[name].notna(), None).tolist()
                == frame[name].astype(object).where(frame[name].notna(), None).tolist()
            ), name


def test_rows_that_break_them_are_found():
    frame = good_rows(10)
    frame.loc[0, "end"] = pd.Timestamp("2019-12-31")
    frame.loc[0, "start"] = pd.Timestamp("2020-12-31")
    frame.loc[1, "total"] = 17.9
    frame.loc[2, "red"] = frame.loc[2, "blue"] == 1
    frame.loc[3, "dose"] = 7
    frame.loc[4, "chapter"] = None
    frame.loc[5, ["city", "land"]] = ["Rome", "DE"]
    frame.loc[6, "high"] = -1
    found = {label: np.flatnonzero(flags).tolist() for label, flags in broken(frame, SCHEMA).items()}
    assert found == {
        "start <= end": [0], "total = a + b": [1], "one of red, blue": [2], "dose in steps of 5": [3], "icd -> chapter": [4],
        "combinations of city, land": [5], "middle <= high": [6], "low <= middle": [],
    }  # fmt: skip


def test_strict_inequalities():
    for kind, bounds in [(Kind.INTEGER, ((0, 5), (0, 9))), (Kind.FLOAT, ((0.0, 5.0), (0.0, 9.0)))]:
        low, high = (Column(name=n, kind=kind, bounds=b) for n, b in zip("xy", bounds, strict=True))
        schema = Schema(columns=(low, high), constraints=(Inequality(low="x", high="y", strict=True),))
        back = there_and_back(pd.DataFrame({"x": [5, 1, 0], "y": [2, 1, 4]}), schema)
        assert (back["x"] < back["y"]).all()
        assert not broken(back, schema)["x < y"].any()


def test_combinations_that_are_not_named_are_other():
    schema = Schema(columns=COLUMNS[13:15], constraints=(FixedCombinations(columns=("city", "land")),))
    assert sources(schema, "city") == ("city", "land")
    out = backward(schema, {"city": np.array(['["a", null]', "__OTHER__", None], dtype=object)})
    assert out["city"].tolist() == ["a", "__OTHER__", None]
    assert out["land"].tolist() == [None, "__OTHER__", None]
    assert not broken(pd.DataFrame({"city": ["q"], "land": ["r"]}), schema)["combinations of city, land"].any()


def test_tables_without_constraints_stay():
    schema = Schema(columns=COLUMNS)
    frame = good_rows(3)
    assert learnt_frame(frame, schema) is frame
    assert broken(frame, schema) == {}


def test_rules_in_python():
    schema = Schema(columns=(COLUMNS[2],), constraints=(Custom(name="test_reshape even"),))
    with pytest.raises(InputError, match="register"):
        custom_tests(schema)
    register("test_reshape even", lambda rows: rows["a"] % 2 == 0)
    frame = pd.DataFrame({"a": [1, 2]})
    assert custom_tests(schema)[0](frame).tolist() == [False, True]
    assert broken(frame, schema)["test_reshape even"].tolist() == [True, False]
    register("test_reshape even", lambda rows: True)
    with pytest.raises(InputError, match="one truth value per row"):
        custom_tests(schema)[0](frame)
