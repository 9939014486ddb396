"""Cells by place are the cells themselves, in every type."""

import numpy as np
import pyarrow as pa
import pytest

from synth.encoding.coded import Coded, as_dictionary, by_place, by_value, in_arrow, passes_unchanged, spelled
from synth.encoding.present import arrow_array, as_texts
from synth.schema import Column, Kind

PLACES = np.array([2, 0, 3, 0, 1], dtype=np.uint8)
TEXTS = Coded(PLACES, np.array(["b", "a", "True", None, "never"], dtype=object))
NUMBERS = Coded(PLACES, np.array([0.5, -3.0, 1e9, np.nan, 7.0]))


@pytest.mark.parametrize(
    ("coded", "column"),
    [
        (TEXTS, Column(name="c", kind=Kind.CATEGORY)),
        (TEXTS, Column(name="c", kind=Kind.ORDINAL, categories=("a", "b", "True"))),
        (TEXTS, Column(name="c", kind=Kind.BOOLEAN)),
        (TEXTS, Column(name="c", kind=Kind.CATEGORY, dtype="large_string")),
        (NUMBERS, Column(name="n", kind=Kind.INTEGER)),
        (NUMBERS, Column(name="n", kind=Kind.INTEGER, dtype="uint8")),
        (NUMBERS, Column(name="n", kind=Kind.DECIMAL, precision=2, decimal_mark=",")),
        (NUMBERS, Column(name="n", kind=Kind.FLOAT)),
    ],
)
def test_arrays_and_texts_are_those_of_the_cells(coded, column):
    cells = coded.cells()
    assert in_arrow(coded, column).equals(arrow_array(cells, column))
    assert in_arrow(cells, column).equals(arrow_array(cells, column))
    assert spelled(coded, column).tolist() == as_texts(cells, column).tolist() == spelled(cells, column).tolist()
    assert spelled(coded, column, "?").tolist() == ["?" if text is None else text for text in as_texts(cells, column)]


def test_a_dictionary_keeps_the_order_it_is_given():
    column = Column(name="c", kind=Kind.CATEGORY, dtype="category")
    assert TEXTS.occurring(column) == ["b", "a", "True"]
    found = in_arrow(TEXTS, column, ("True", "x", "a", "b"))
    assert (found.dictionary.to_pylist(), found.to_pylist()) == (["True", "x", "a", "b"], ["True", "b", None, "b", "a"])
    plain = as_dictionary(TEXTS, Column(name="c", kind=Kind.CATEGORY))
    assert (plain.type, plain.to_pylist()) == (pa.dictionary(pa.int32(), pa.string()), ["True", "b", None, "b", "a"])


@pytest.mark.parametrize(
    ("coded", "facts", "named", "expected"),
    [
        (
            NUMBERS,
            {"kind": Kind.DECIMAL, "precision": 1},
            ("-3.0", "0.5", "1000000000.0"),
            ["1000000000.0", "0.5", None, "0.5", "-3.0"],
        ),
        (TEXTS, {"kind": Kind.BOOLEAN, "categories": ("no", "yes")}, ("no", "yes"), ["yes", "no", None, "no", "no"]),
    ],
)
def test_dictionaries_of_what_is_no_category(coded, facts, named, expected):
    column = Column(name="c", dtype="category", **facts)
    assert set(coded.occurring(column)) == set(named)
    assert in_arrow(coded, column, named).to_pylist() == expected
    assert in_arrow(coded.cells(), column).to_pylist() == expected


def test_dictionaries_of_numbers_leave_out_what_is_none():
    column = Column(name="c", kind=Kind.CATEGORY, dtype="category[int16]")
    coded = by_place(np.array(["7", None, "x", "3", "7"], dtype=object))
    assert coded.cells().tolist() == ["7", None, "x", "3", "7"]
    found = in_arrow(coded, column, ("x", "3", "7"))
    assert (str(found.type), found.dictionary.to_pylist()) == ("dictionary<values=int16, indices=int32, ordered=0>", [3, 7])
    assert found.to_pylist() == [7, None, None, 3, 7]
    np.testing.assert_equal(by_place(np.array([1.5, np.nan, 1.5])).cells(), [1.5, np.nan, 1.5])


def test_first_rows_and_functions_of_values():
    assert len(TEXTS) == 5
    assert TEXTS.first(2).cells().tolist() == ["True", "b"]
    assert len(TEXTS.first(None)) == 5
    asked = []
    made = by_value(NUMBERS, lambda values: asked.append(len(values)) or values * 2)
    np.testing.assert_equal(made, 2 * NUMBERS.cells())
    assert asked == [5]


@pytest.mark.parametrize(
    ("unchanged", "facts"),
    [
        (True, {"kind": Kind.INTEGER}),
        (True, {"kind": Kind.INTEGER, "dtype": "int8", "bounds": (-5, 5)}),
        (False, {"kind": Kind.INTEGER, "dtype": "int8"}),
        (True, {"kind": Kind.FLOAT, "dtype": "float64"}),
        (False, {"kind": Kind.FLOAT, "dtype": "float32"}),
        (False, {"kind": Kind.DECIMAL, "precision": 2, "dtype": "decimal128(8, 2)"}),
        (True, {"kind": Kind.BOOLEAN, "dtype": "bool"}),
        (True, {"kind": Kind.CATEGORY, "dtype": "category"}),
        (False, {"kind": Kind.CATEGORY, "dtype": "int64"}),
        (False, {"kind": Kind.DATETIME}),
        (False, {"kind": Kind.IDENTIFIER}),
    ],
)
def test_what_needs_no_frame(unchanged, facts):
    assert passes_unchanged(Column(name="c", **facts)) is unchanged
