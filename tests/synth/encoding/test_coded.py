"""Cells by place are the cells themselves, in every type."""

import numpy as np
import pyarrow as pa
import pytest

from synth.encoding import coded
from synth.encoding.coded import Coded, Growing, as_dictionary, by_place, by_value, in_arrow, passes_unchanged, spelled
from synth.encoding.present import arrow_array, as_texts
from synth.schema import Column, Kind

PLACES = np.array([2, 0, 3, 0, 1], dtype=np.uint8)
TEXTS = Coded(PLACES, np.array(["b", "a", "True", None, "never"], dtype=object))
NUMBERS = Coded(PLACES, np.array([0.5, -3.0, 1e9, np.nan, 7.0]))


@pytest.mark.parametrize(
    ("values", "column"),
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
def test_arrays_and_texts_are_those_of_the_cells(values, column):
    cells = values.cells()
    assert in_arrow(values, column).equals(arrow_array(cells, column))
    assert in_arrow(cells, column).equals(arrow_array(cells, column))
    assert spelled(values, column).tolist() == as_texts(cells, column).tolist() == spelled(cells, column).tolist()
    assert spelled(values, column, "?").tolist() == ["?" if text is None else text for text in as_texts(cells, column)]


def test_a_dictionary_begins_with_the_categories_and_grows():
    growing = Growing(Column(name="c", kind=Kind.CATEGORY, categories=("x", "a"), dtype="category"))
    found = growing.of(TEXTS)
    assert (found.dictionary.to_pylist(), found.to_pylist()) == (["x", "a", "b", "True"], ["True", "b", None, "b", "a"])
    more = growing.of(by_place(np.array(["new", "x", None], dtype=object)))
    assert (more.dictionary.to_pylist(), more.to_pylist()) == (["x", "a", "b", "True", "new"], ["new", "x", None])
    assert TEXTS.occurring(Column(name="c", kind=Kind.CATEGORY)) == ["b", "a", "True"]


def test_only_values_that_are_new_are_looked_at(monkeypatch):
    """However many blocks there were: a dictionary of many numbers costs what is new in a block."""
    asked, real = [], coded.cast_texts
    monkeypatch.setattr(coded, "cast_texts", lambda texts, target: asked.append(len(texts)) or real(texts, target))
    growing = Growing(Column(name="c", kind=Kind.CATEGORY, dtype="category[int16]"))
    for block in (["1", "2"], ["2", "1"], ["3", "2", "x"], ["x", "3"]):
        growing.of(by_place(np.array(block, dtype=object)))
    assert asked == [2, 2]


def test_texts_have_their_own_dictionary_for_each_block():
    plain = as_dictionary(TEXTS, Column(name="c", kind=Kind.CATEGORY))
    assert (plain.type, plain.to_pylist()) == (pa.dictionary(pa.int32(), pa.string()), ["True", "b", None, "b", "a"])


@pytest.mark.parametrize(
    ("cells", "facts", "named", "expected"),
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
def test_dictionaries_of_what_is_no_category(cells, facts, named, expected):
    column = Column(name="c", dtype="category", **facts)
    assert set(cells.occurring(column)) == set(named)
    assert Growing(column).of(cells).to_pylist() == expected
    assert in_arrow(cells.cells(), column).to_pylist() == expected


def test_dictionaries_of_numbers_leave_out_what_is_none():
    column = Column(name="c", kind=Kind.CATEGORY, dtype="category[int16]")
    cells = by_place(np.array(["7", None, "x", "3", "7"], dtype=object))
    assert cells.cells().tolist() == ["7", None, "x", "3", "7"]
    found = Growing(column).of(cells)
    assert (str(found.type), found.dictionary.to_pylist()) == ("dictionary<values=int16, indices=int32, ordered=0>", [7, 3])
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
