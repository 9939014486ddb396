"""Cells to canonical form: row by row, from any source, never failing on a value."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.axis import make_axis
from synth.encoding.category import closed_codec, open_codec
from synth.encoding.codec import encode_column
from synth.encoding.numeric import NumericCodec
from synth.encoding.values import booleans, check_header, conform, distinct, numbers, texts
from synth.errors import InputError
from synth.privacy.exact import exact_value_classes
from synth.schema import DEFAULT_MISSING, Column, Kind, Schema

CELLS = st.lists(
    st.one_of(
        st.text(st.characters(blacklist_characters="\0"), max_size=6),
        st.sampled_from(
            ["", "NA", " 3 ", "1e999", "-inf", "2019-03-07", "2019-03-07T23:59:59+01:00", "yes", "0.0", "S", "M", "now?"]
        ),
        st.none(),
        st.floats(),
        st.integers(-(10**14), 10**14),
        st.booleans(),
        st.dates(),
        st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2250, 1, 1)),
    ),
    min_size=1,
    max_size=7,
)
COLUMNS = (
    Column(name="x", kind=Kind.INTEGER, bounds=(-10, 1000)),
    Column(name="x", kind=Kind.FLOAT, bounds=(-1e9, 1e9), nullable=False),
    Column(name="x", kind=Kind.DECIMAL, precision=2, bounds=(0, 50), outside="null"),
    Column(name="x", kind=Kind.DATETIME, bounds=("1990-01-01", "2020-01-01")),
    Column(name="x", kind=Kind.BOOLEAN),
    Column(name="x", kind=Kind.ORDINAL, categories=("S", "M")),
    Column(name="x", kind=Kind.CATEGORY, categories=("S", "3"), nullable=False),
    Column(name="x", kind=Kind.CATEGORY),
)


def codec_of(column):
    if column.kind.is_numeric:
        axis = make_axis(column, column.numeric_bounds())
        starts = tuple(range(0, axis.cells, max(1, axis.cells // 20)))
        return NumericCodec(column=column, axis=axis, starts=starts, weights=(1.0,) * axis.cells, missing=column.nullable)
    return open_codec(column, ("S", "True")) if column.is_open else closed_codec(column)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.kind}-{c.nullable}")
@given(CELLS)
def test_codes_of_a_row_do_not_depend_on_other_rows(column, cells):
    series, codec = pd.Series(cells, dtype=object), codec_of(column)
    codes = encode_column(series, codec, DEFAULT_MISSING)
    assert codes.dtype == np.int32
    assert ((codes >= 0) & (codes < codec.size)).all()
    alone = [encode_column(series.iloc[[i]], codec, DEFAULT_MISSING)[0] for i in range(len(cells))]
    assert codes.tolist() == alone
    assert encode_column(series.iloc[::-1], codec, DEFAULT_MISSING).tolist() == alone[::-1]


@given(CELLS)
def test_dictionary_encoded_columns_read_like_plain_ones(cells):
    plain = pd.Series([None if c is None else str(c) for c in cells], dtype=object)
    packed = plain.astype("category")
    assert texts(packed, DEFAULT_MISSING).tolist() == texts(plain, DEFAULT_MISSING).tolist()
    for column in COLUMNS[:4]:
        np.testing.assert_array_equal(numbers(packed, column, DEFAULT_MISSING), numbers(plain, column, DEFAULT_MISSING))
    np.testing.assert_array_equal(booleans(packed, DEFAULT_MISSING), booleans(plain, DEFAULT_MISSING))


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (pd.Series([1.0, 2.5, np.nan, np.inf]), ["1", "2.5", None, "inf"]),
        (pd.Series([1, None], dtype="Int64"), ["1", None]),
        (pd.Series([True, None], dtype="boolean"), ["True", None]),
        (pd.Series([True, False]), ["True", "False"]),
        (pd.Series([" a ", "NA", None], dtype="string"), ["a", None, None]),
        (pd.Series(["x", None], dtype="category"), ["x", None]),
        (pd.Series([None, None], dtype="category"), [None, None]),
        (pd.Series([], dtype=object), []),
        (pd.Series([1, 2]), ["1", "2"]),
    ],
)
def test_texts_are_the_same_whatever_the_dtype(cells, wanted):
    assert texts(cells, DEFAULT_MISSING).tolist() == wanted


def test_missing_texts_are_the_schemas():
    assert texts(pd.Series(["NA", "?", ""]), ("?",)).tolist() == ["NA", None, ""]
    assert texts(pd.Series(["NA"]), ()).tolist() == ["NA"]


def test_datetimes_are_seconds_in_utc():
    column = COLUMNS[3]
    stamps = ["1970-01-02", "1970-01-01T01:00:00+01:00", "2019-13-01", ""]
    np.testing.assert_array_equal(numbers(pd.Series(stamps), column, DEFAULT_MISSING), [86_400, 0, np.nan, np.nan])
    typed = pd.Series(pd.to_datetime(["1970-01-02", None]))
    np.testing.assert_array_equal(numbers(typed, column, ()), [86_400, np.nan])
    np.testing.assert_array_equal(numbers(typed.dt.tz_localize("Europe/Paris"), column, ()), [82_800, np.nan])
    spelled = Column(name="x", kind=Kind.DATETIME, format="%d.%m.%Y")
    np.testing.assert_array_equal(numbers(pd.Series(["02.01.1970", "1970-01-02"]), spelled, ()), [86_400, np.nan])


def test_numbers_keep_infinities_and_drop_the_unreadable():
    found = numbers(pd.Series(["3", " 4.5 ", "x", None, "-inf", "inf"]), COLUMNS[1], DEFAULT_MISSING)
    np.testing.assert_array_equal(found, [3, 4.5, np.nan, np.nan, -np.inf, np.inf])
    np.testing.assert_array_equal(numbers(pd.Series([1, 2], dtype="Int64"), COLUMNS[1], ()), [1, 2])


def test_booleans_in_all_their_spellings():
    found = booleans(pd.Series(["True", "f", "YES", "n", "1", 0.0, None, "maybe"]), DEFAULT_MISSING)
    np.testing.assert_array_equal(found, [1, 0, 1, 0, 1, 0, np.nan, np.nan])


@pytest.mark.parametrize(
    ("names", "match"),
    [(["a", "a"], "two columns named 'a'"), (["a"], "lacks column 'b'"), (["a", "b", "c"], "has column 'c'")],
)
def test_headers_must_match(names, match):
    with pytest.raises(InputError, match=match):
        check_header(names, Schema(columns=(Column(name="a"), Column(name="b"))))


def test_conform_gives_one_dtype_per_kind(frame, declared):
    out = conform(frame.astype(str), declared)
    assert tuple(out.columns) == declared.names
    assert [out[n].dtype.kind for n in declared.names] == ["f", "f", "f", "O", "O", "O", "f"]
    assert set(out["member"]) == {"True", "False"}
    assert np.isnan(conform(frame.assign(score=np.inf), declared)["score"]).all()


ROWWISE = [
    (pd.Series(pd.to_datetime(["2020-01-01"] * 5)), pd.Timestamp("2020-01-01 12:00")),
    (pd.Series(["2020-01-01"] * 90), "2019-01-01\0x"),
    (pd.Series(["1"] * 5), "1\0x"),
    (pd.Series(["8419470095845901858"] * 3), "0.5"),
    (pd.Series(["-1"] * 3), "18446744073709551615"),
    (pd.Series([1.0, 2.0], dtype=object), "x"),
    (pd.Series([1.0, 2.0], dtype=object), 10**5000),
    (pd.Series([1.0, 2.0], dtype=object), Decimal("sNaN")),
    (pd.Series(["2020-01-01", "2020-01-02"]), "now"),
]


@pytest.mark.parametrize(("cells", "extra"), ROWWISE, ids=[str(i) for i in range(len(ROWWISE))])
@pytest.mark.parametrize("kind", [Kind.INTEGER, Kind.FLOAT, Kind.DATETIME, Kind.CATEGORY, Kind.BOOLEAN])
def test_one_more_row_never_changes_how_the_others_are_read(cells, extra, kind):
    column = Column(name="a", kind=kind)
    more = pd.concat([cells.astype(object), pd.Series([extra], dtype=object)], ignore_index=True)
    n = len(cells)
    assert list(texts(more, ("",)))[:n] == list(texts(cells, ("",)))
    if kind.is_numeric:
        np.testing.assert_array_equal(numbers(more, column, ("",))[:n], numbers(cells, column, ("",)))
    np.testing.assert_array_equal(booleans(more, ("",))[:n], booleans(cells, ("",)))
    gained = exact_value_classes(more, ("",)) - exact_value_classes(cells, ("",))
    assert sorted(gained) == [0] * (len(gained) - 1) + [1]


def test_the_present_time_is_not_a_date():
    assert np.isnan(numbers(pd.Series(["now", "today"]), Column(name="a", kind=Kind.DATETIME), ())).all()


def test_distinct_cells_and_places_give_the_rows_back():
    for series in (
        pd.Series(["b", "a", None, "b"]).astype("category"),
        pd.Series([2.5, -0.0, np.nan, 2.5]),
        pd.Series([True, False, True]),
        pd.Series(pd.to_datetime(["2020-01-02", None, "2020-01-01"])),
        pd.Series([1, True, "1", 1.0, None], dtype=object, index=[3, 3, 1, 0, 9]),
    ):
        found, place = distinct(series)
        again = texts(found, ())[place]
        again[place < 0] = None
        assert again.tolist() == texts(series, ()).tolist()
        assert len(found) <= len(series)
