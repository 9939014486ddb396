"""Cells in the types and spellings of their table."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synth.encoding.present import arrow_array, arrow_type, as_texts, typed
from synth.schema import Column, Kind

NAN = np.nan
DAY = 86_400.0


def column(kind, **facts):
    return Column(name="x", kind=kind, **facts)


@pytest.mark.parametrize(
    ("facts", "cells", "dtype"),
    [
        ((Kind.INTEGER, {"nullable": False}), [1.0, 2.0], "int64"),
        ((Kind.INTEGER, {}), [1.0, NAN], "Int64"),
        ((Kind.INTEGER, {"dtype": "int8", "nullable": False}), [1.0, -128.0], "int8"),
        ((Kind.INTEGER, {"dtype": "uint64", "nullable": False}), [0.0, 2.0**53], "uint64"),
        ((Kind.INTEGER, {"dtype": "int16"}), [1.0, NAN], "Int16"),
        ((Kind.INTEGER, {"dtype": "UInt8"}), [1.0, NAN], "UInt8"),
        ((Kind.INTEGER, {"dtype": "int32[pyarrow]"}), [1.0, NAN], "int32[pyarrow]"),
        ((Kind.INTEGER, {"dtype": "float64"}), [1.0, NAN], "float64"),
        ((Kind.FLOAT, {"dtype": "float32"}), [0.1, NAN], "float32"),
        ((Kind.FLOAT, {"dtype": "Float32"}), [0.1, NAN], "Float32"),
        ((Kind.FLOAT, {"dtype": "float16"}), [1e6, NAN], "float16"),
        ((Kind.DECIMAL, {"dtype": "decimal128(6, 2)", "precision": 2}), [1.5, NAN], "object"),
        ((Kind.BOOLEAN, {"nullable": False}), ["True", "False"], "bool"),
        ((Kind.BOOLEAN, {"dtype": "boolean"}), ["True", None], "boolean"),
        ((Kind.BOOLEAN, {"dtype": "int8", "nullable": False}), ["True", "False"], "int8"),
        ((Kind.CATEGORY, {"dtype": "category"}), ["a", None], "category"),
        ((Kind.INTEGER, {"dtype": "category"}), [40.0, NAN], "category"),
        ((Kind.INTEGER, {"dtype": "category[int64]"}), [40.0, NAN], "category"),
        ((Kind.BOOLEAN, {"dtype": "category"}), ["True", None], "category"),
        ((Kind.CATEGORY, {"dtype": "category[int64]"}), ["7", None], "category"),
        ((Kind.CATEGORY, {"dtype": "string"}), ["a", None], "string"),
        ((Kind.CATEGORY, {"dtype": "int64"}), ["7", None], "Int64"),
        ((Kind.CATEGORY, {"dtype": "large_string"}), ["a", None], "object"),
        ((Kind.IDENTIFIER, {"dtype": "int64", "nullable": False}), ["7", "8"], "int64"),
        ((Kind.DATETIME, {}), [0.0, NAN], "datetime64[ns]"),
        ((Kind.DATETIME, {"bounds": ("0001-01-01", "9999-12-31")}), [0.0, NAN], "datetime64[us]"),
        ((Kind.DATETIME, {"format": "%d.%m.%Y"}), [0.0, NAN], "object"),
        ((Kind.DATETIME, {"dtype": "datetime64[s]"}), [0.0, NAN], "datetime64[s]"),
        ((Kind.DATETIME, {"timezone": "Europe/Berlin"}), [0.0, NAN], "datetime64[ns, Europe/Berlin]"),
        ((Kind.DATETIME, {"dtype": "datetime64[ms, UTC]"}), [0.0, NAN], "datetime64[ms, UTC]"),
        ((Kind.DATETIME, {"dtype": "date32"}), [0.0, NAN], "object"),
        ((Kind.TIME, {}), [1.0, NAN], "object"),
        ((Kind.TIME, {"dtype": "time64[us]"}), [1.0, NAN], "object"),
        ((Kind.DURATION, {}), [1.0, NAN], "timedelta64[ns]"),
        ((Kind.DURATION, {"dtype": "timedelta64[s]"}), [1.0, NAN], "timedelta64[s]"),
    ],
)
def test_frames_have_the_types_of_the_table(facts, cells, dtype):
    kind, more = facts
    values = np.array(cells, dtype=object if isinstance(cells[0], str) else float)
    found = typed(values, column(kind, **more))
    assert str(found.dtype) == dtype
    assert found.isna().tolist() == [c is None or c != c for c in cells]
    empty = typed(values[:0], column(kind, **more))
    assert str(empty.dtype) == dtype or more.get("nullable") is None
    assert arrow_array(values, column(kind, **more)).type == arrow_type(column(kind, **more))


def test_exact_values():
    money = column(Kind.DECIMAL, dtype="decimal128(4, 2)", precision=2)
    assert arrow_array(np.array([-1.0, 99999.0]), money).to_pylist() == [Decimal("-1.00"), Decimal("99.99")]
    assert arrow_array(np.array([3600.5]), column(Kind.TIME, dtype="time32[ms]")).to_pylist() == [dt.time(1, 0, 0, 500_000)]
    assert arrow_array(np.array([-DAY]), column(Kind.DATETIME, dtype="date64")).to_pylist() == [dt.date(1969, 12, 31)]
    narrow = arrow_array(np.array([0.1]), column(Kind.FLOAT, dtype="float32", bounds=(0.0, 0.1)))
    assert narrow[0].as_py() <= 0.1
    berlin = column(Kind.DATETIME, dtype="timestamp[us, tz=Europe/Berlin]")
    noon = arrow_array(np.array([12 * 3600.0]), berlin)
    assert noon.cast(pa.timestamp("us", tz="UTC"))[0].as_py().hour == 11


def test_the_hour_that_comes_twice_and_the_one_left_out():
    berlin = column(Kind.DATETIME, timezone="Europe/Berlin")
    cells = (pd.to_datetime(["2020-10-25 02:30", "2020-03-29 02:30"]) - pd.Timestamp(0)).total_seconds().to_numpy()
    assert as_texts(cells, berlin).tolist() == ["2020-10-25 02:30:00+02:00", "2020-03-29 03:00:00+02:00"]


def test_categories_keep_their_domain_and_order():
    size = column(Kind.ORDINAL, categories=("S", "M"), dtype="category")
    found = typed(np.array(["M"], dtype=object), size)
    assert found.cat.ordered
    assert list(found.cat.categories) == ["S", "M"]
    code = typed(np.array(["7", "x"], dtype=object), column(Kind.CATEGORY, dtype="category[int64]"), ("7", "8"))
    assert code.cat.categories.tolist() == [7, 8]
    assert code.isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("facts", "cell", "text"),
    [
        ((Kind.INTEGER, {}), 3.0, "3"),
        ((Kind.DECIMAL, {"precision": 2}), 12.5, "12.50"),
        ((Kind.DECIMAL, {"precision": 2}), -0.001, "0.00"),
        ((Kind.DECIMAL, {"precision": 2, "decimal_mark": ","}), 1234.5, "1234,50"),
        ((Kind.FLOAT, {}), 0.1, "0.1"),
        ((Kind.FLOAT, {"dtype": "float32"}), 0.1, "0.1"),
        ((Kind.DATETIME, {}), DAY, "1970-01-02 00:00:00"),
        ((Kind.DATETIME, {"granularity": "day"}), DAY, "1970-01-02"),
        ((Kind.DATETIME, {"format": "%d/%m/%Y"}), DAY, "02/01/1970"),
        ((Kind.DATETIME, {"timezone": "Europe/Berlin"}), DAY, "1970-01-02 00:00:00+01:00"),
        ((Kind.DATETIME, {"bounds": ("0001-01-01", "9999-12-31")}), 253402214400.0, "9999-12-31"),
        ((Kind.TIME, {}), 3661.0, "01:01:01"),
        ((Kind.TIME, {"granularity": "minute"}), 3660.0, "01:01"),
        ((Kind.TIME, {"granularity": "millisecond"}), 1.5, "00:00:01.500"),
        ((Kind.TIME, {"format": "%I:%M %p"}), 3660.0, "01:01 AM"),
        ((Kind.DURATION, {}), DAY + 1, "1 days 00:00:01"),
        ((Kind.DURATION, {}), 36_600_000 * DAY, "36600000 days 00:00:00"),
    ],
)
def test_texts_are_spelled_as_the_table_has_them(facts, cell, text):
    kind, more = facts
    assert as_texts(np.array([cell, NAN]), column(kind, **more)).tolist() == [text, None]
    assert as_texts(np.array([]), column(kind, **more)).tolist() == []


def test_flags_keep_their_spelling():
    cells = np.array(["True", "False", None], dtype=object)
    assert as_texts(cells, column(Kind.BOOLEAN, categories=("no", "yes"))).tolist() == ["yes", "no", None]
    assert as_texts(cells, column(Kind.BOOLEAN)).tolist() == ["True", "False", None]
