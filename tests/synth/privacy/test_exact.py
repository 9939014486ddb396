"""Sensitivity of every exact count: one row adds one to one cell, whatever the row holds."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.axis import apply_policy, cell_index, make_axis
from synth.encoding.values import numbers, texts
from synth.errors import AccountingError
from synth.privacy.codes import Codes
from synth.privacy.exact import (
    VALUE_CLASSES,
    bucket_edges,
    exact_gap,
    exact_histogram,
    exact_number_counts,
    exact_products,
    exact_signed_tables,
    exact_sum,
    exact_table,
    exact_tables,
    exact_value_classes,
    exact_value_counts,
)
from synth.privacy.signs import SignProduct
from synth.schema import DEFAULT_MISSING, Column, Kind, Outside

TEXTS = st.text(st.characters(blacklist_characters="\0"), max_size=8)
SPELLED = st.sampled_from(
    [
        "",
        " ",
        "NA",
        "nan",
        "1",
        "-0",
        "+7.",
        "1.50",
        ".5",
        "1e5",
        "1e400",
        "inf",
        "true",
        "FALSE",
        "2019-03-07",
        "2019-03-07 10:00:00Z",
        "2019-13-45",
        "0x1F",
        "1_000",
        "٣",
        "9" * 15,
        "1,5",
        "$3",
        "0" * 30,
        "None",
        "a\nb",
        '"',
    ]
)
CELLS = st.one_of(
    TEXTS,
    SPELLED,
    st.none(),
    st.integers(-(10**14), 10**14),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2250, 1, 1)),
    st.decimals(allow_nan=False, places=3, min_value=-1000, max_value=1000),
    st.sampled_from([b"bytes", (1, 2), pd.NaT, np.float32(2.5), np.int8(3), decimal.Decimal("NaN")]),
)
TABLES = st.lists(CELLS, max_size=8)


def column_of(cells):
    series = pd.Series([None] * len(cells), dtype=object)
    for i, cell in enumerate(cells):
        series.iat[i] = cell
    return series


def one_hot(difference):
    assert np.abs(difference).sum() == difference.sum() == 1


@given(TABLES, CELLS, st.data())
def test_one_row_is_one_value_class(cells, extra, data):
    at = data.draw(st.integers(0, len(cells)))
    before = exact_value_classes(column_of(cells), DEFAULT_MISSING)
    after = exact_value_classes(column_of([*cells[:at], extra, *cells[at:]]), DEFAULT_MISSING)
    assert before.sum() == len(cells)
    one_hot(after - before)


@given(TABLES, CELLS, st.sampled_from([Kind.FLOAT, Kind.DATETIME, Kind.INTEGER]))
def test_one_row_is_at_most_one_bucket(cells, extra, kind):
    column = Column(name="x", kind=kind)
    edges = bucket_edges(column)
    found = [exact_histogram(numbers(column_of(c), column, DEFAULT_MISSING), edges) for c in (cells, [*cells, extra])]
    moved = np.abs(found[1] - found[0]).sum()
    assert moved == 1 - np.isnan(numbers(column_of([extra]), column, DEFAULT_MISSING)[0])


@given(TABLES, CELLS, st.sampled_from(list(Outside)[:2]))
def test_one_row_is_one_fine_cell(cells, extra, policy):
    column = Column(name="x", kind=Kind.FLOAT, bounds=(-5.0, 1e6), outside=policy)
    axis = make_axis(column, (-5.0, 1e6))

    def counted(values):
        cell = cell_index(apply_policy(numbers(column_of(values), column, DEFAULT_MISSING), axis, policy), axis)
        return np.bincount(np.where(cell < 0, axis.cells, cell), minlength=axis.cells + 1)

    one_hot(counted([*cells, extra]) - counted(cells))


@given(TABLES, CELLS)
def test_one_row_is_at_most_one_named_value(cells, extra):
    before, after = (
        dict(zip(*exact_value_counts([(texts(column_of(c), DEFAULT_MISSING), np.arange(len(c)), None)]), strict=True))
        for c in (cells, [extra, *cells])
    )
    changed = {v: after.get(v, 0) - before.get(v, 0) for v in before.keys() | after.keys()}
    assert sorted(v for v in changed.values() if v) == [1] * (texts(column_of([extra]), DEFAULT_MISSING)[0] is not None)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 1)), max_size=9), st.integers(0, 2))
def test_one_row_is_one_cell_of_a_table(rows, first):
    sizes = (3, 4, 2)
    found = [exact_table(np.array(r, dtype=np.uint16).reshape(-1, 3).T, sizes) for r in (rows, [(first, 3, 1), *rows])]
    assert found[0].shape == sizes
    one_hot(found[1] - found[0])
    assert found[1][first, 3, 1] - found[0][first, 3, 1] == 1


def test_values_sit_in_the_cell_of_their_codes():
    table = exact_table(np.array([[2, 1], [0, 0], [2, 1]]).T, (3, 2))
    assert table.tolist() == [[1, 0], [0, 0], [0, 2]]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("", "missing"),
        ("NA", "missing"),
        (None, "missing"),
        ("12", "integer"),
        ("-3.0", "integer"),
        ("1.50", "decimal_1"),
        (".25", "decimal_2"),
        ("0.123456", "decimal_6"),
        ("0.1234567", "float"),
        ("1e-3", "float"),
        ("9" * 20, "float"),
        ("TRUE", "boolean"),
        ("2019-03-07", "date"),
        ("2019-03-07T10:00:00.5+02:00", "datetime"),
        ("Ulm", "text"),
        ("12 km", "text"),
    ],
)
def test_classes_are_what_cells_look_like(cell, kind):
    counts = exact_value_classes(pd.Series([cell], dtype=object), DEFAULT_MISSING)
    assert {n for n, c in zip(VALUE_CLASSES, counts, strict=True) if c} == {kind}


@pytest.mark.parametrize(("cells", "kind"), [(["2019-03-07", None], "date"), (["2019-03-07 12:00"], "datetime")])
def test_typed_datetimes_are_classed_like_their_texts(cells, kind):
    counts = dict(zip(VALUE_CLASSES, exact_value_classes(pd.Series(pd.to_datetime(cells)), DEFAULT_MISSING), strict=True))
    assert (counts[kind], counts["missing"]) == (1, len(cells) - 1)


@pytest.mark.parametrize("kind", [Kind.FLOAT, Kind.DATETIME])
def test_buckets_are_increasing_and_catch_everything(kind):
    edges = bucket_edges(Column(name="x", kind=kind))
    assert (np.diff(edges) > 0).all()
    counts = exact_histogram(np.array([-np.inf, -1e300, np.nan, 0.0, edges[-1], 1e300, np.inf]), edges)
    assert (counts[0], counts[-1], counts.sum()) == (2, 3, 6)


def test_a_leading_zero_makes_a_code_not_a_number():
    cells = pd.Series(["00501", "-07", "00.5", "0", "0.5", "-0.25", "10", "1e3", ".5"])
    found = dict(zip(VALUE_CLASSES, exact_value_classes(cells, ()), strict=True))
    assert found["text"] == 3
    assert found["integer"] == 2
    assert (found["decimal_1"], found["decimal_2"], found["float"]) == (2, 1, 1)


@given(st.integers(0, 2**31), st.integers(0, 3), st.integers(0, 2))
def test_a_gap_is_exact_on_the_grid_and_moves_by_at_most_one(seed, a, b):
    rng = np.random.default_rng(seed)
    codes, guess = rng.integers(0, (4, 3), (20, 2)), rng.uniform(0, 5, (4, 3))
    gap = exact_gap(exact_table(codes.T, (4, 3)), guess)
    assert float(gap) == pytest.approx(np.abs(exact_table(codes.T, (4, 3)) - guess).sum(), abs=12 / 1024)
    assert abs(exact_gap(exact_table(np.vstack([codes, [[a, b]]]).T, (4, 3)), guess) - gap) <= 1


@given(st.lists(st.floats(-50, 50) | st.just(float("nan")), max_size=8), st.floats(-50, 50), st.sampled_from([0.0, 0.25, 1.0]))
def test_one_more_number_adds_one_to_one_value(values, extra, step):
    before, after = (
        dict(zip(*exact_number_counts([(np.array(rows, dtype=float), None)], -50.0, step), strict=True))
        for rows in (values, [*values, extra])
    )
    moved = {v: after.get(v, 0) - before.get(v, 0) for v in {*before, *after}}
    assert sum(moved.values()) == sum(map(abs, moved.values())) == 1
    (value,) = [v for v, by in moved.items() if by]
    assert abs(value - extra) <= step / 2
    assert str(value) != "-0.0"


def test_missing_numbers_are_not_counted():
    assert exact_number_counts([(np.array([np.nan, 2.0, -0.0, 0.0]), None)], 0.0, 0.0)[0] == [0.0, 2.0]


SIZES = (3, 4, 2)
CODED = st.tuples(*(st.integers(0, size - 1) for size in SIZES))


@st.composite
def products_of_signs(draw):
    """Any sound product on columns of ``SIZES``."""
    columns = draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
    signs = (draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=SIZES[j], max_size=SIZES[j])) for j in columns)
    return SignProduct(tuple(columns), tuple(np.array(s, dtype=np.int8) for s in signs))


def coded(rows):
    return Codes.of(np.array(rows, dtype=np.int64).reshape(-1, 3), SIZES)


def exact_signed_table(codes, product, column):
    return exact_signed_tables(codes, [(product, column)])[0]


def value_of(product, row):
    return int(np.prod([int(s[row[j]]) for j, s in zip(product.columns, product.signs, strict=True)]))


@given(st.lists(CODED, max_size=9), CODED, st.integers(0, 9), st.lists(products_of_signs(), min_size=1, max_size=4))
def test_one_row_moves_a_product_of_signs_by_its_sign(rows, extra, at, products):
    more = [*rows[:at], extra, *rows[at:]]
    moved = exact_products(coded(more), products) - exact_products(coded(rows), products)
    assert moved.tolist() == [value_of(p, extra) for p in products]
    assert (np.abs(moved) <= 1).all()
    assert (moved**2).sum() <= len(products)  # what the ledger is told, squared


@given(st.lists(CODED, max_size=9), CODED, st.integers(0, 9), products_of_signs(), st.integers(0, 2))
def test_one_row_moves_one_cell_of_a_signed_table_by_its_sign(rows, extra, at, product, column):
    more = [*rows[:at], extra, *rows[at:]]
    moved = exact_signed_table(coded(more), product, column)
    moved = moved - exact_signed_table(coded(rows), product, column)
    wanted = np.zeros(SIZES[column], dtype=int)
    wanted[extra[column]] = value_of(product, extra)
    assert moved.tolist() == wanted.tolist()


@given(st.lists(CODED, max_size=9), products_of_signs(), st.integers(0, 2))
def test_a_signed_table_splits_its_product(rows, product, column):
    split = exact_signed_table(coded(rows), product, column)
    assert split.sum() == exact_products(coded(rows), [product])[0]
    assert split.dtype == np.int64


def test_many_rows_do_not_overflow_the_signs():
    """Signs are bytes; their sum over rows is not."""
    codes = coded([[0, 0, 0]] * 1000)
    product = SignProduct((0,), (np.array([1, -1, 0], dtype=np.int8),))
    assert exact_products(codes, [product]).tolist() == [1000]
    assert exact_signed_table(codes, product, 2).tolist() == [1000, 0]


def chunked(values, cuts):
    """The same values in consecutive parts, some of them empty."""
    return np.split(values, np.sort(np.minimum(cuts, len(values))))


@given(TABLES, st.lists(st.integers(0, 8), max_size=3))
def test_counts_of_cells_do_not_depend_on_where_the_rows_are_cut(cells, cuts):
    whole, parts = column_of(cells), [column_of(list(p)) for p in chunked(column_of(cells).to_numpy(), cuts)]
    classes = exact_sum(exact_value_classes(p, DEFAULT_MISSING) for p in parts)
    assert classes.tolist() == exact_value_classes(whole, DEFAULT_MISSING).tolist()
    found = [exact_value_counts([(texts(p, DEFAULT_MISSING), np.arange(len(p)), None) for p in ps]) for ps in ([whole], parts)]
    assert found[0][0] == found[1][0]
    assert found[0][1].tolist() == found[1][1].tolist()


@given(st.lists(st.floats(-50, 50), max_size=9), st.lists(st.integers(0, 9), max_size=3), st.sampled_from([0.0, 0.25]))
def test_counts_of_numbers_do_not_depend_on_where_the_rows_are_cut(values, cuts, step):
    values = np.array(values, dtype=float)
    whole, parts = (exact_number_counts([(v, None) for v in vs], -50.0, step) for vs in ([values], chunked(values, cuts)))
    assert whole[0] == parts[0]
    assert whole[1].tolist() == parts[1].tolist()


@given(st.lists(st.integers(-50, 50), max_size=30), st.sampled_from([0.0, 1.0]))
def test_parts_of_the_numbers_hold_each_value_once(values, step):
    values = np.array(values, dtype=float)
    whole = dict(zip(*exact_number_counts([(values, None)], -50.0, step), strict=True))
    parts = [dict(zip(*exact_number_counts([(values, None)], -50.0, step, (k, 3)), strict=True)) for k in range(3)]
    assert sum(map(len, parts)) == len(whole)
    assert {v: c for part in parts for v, c in part.items()} == whole


def test_a_sum_over_no_chunk_is_refused():
    with pytest.raises(AccountingError):
        exact_sum([])


def test_counts_and_products_run_over_blocks_of_rows(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, SIZES, (200, 3))
    product = SignProduct((0, 2), (np.array([1, -1, 0], dtype=np.int8), np.array([1, -1], dtype=np.int8)))
    whole = [exact_products(coded(rows), [product]), exact_signed_table(coded(rows), product, 1)]
    monkeypatch.setattr(Codes.blocks, "__defaults__", (7,))
    assert np.array_equal(exact_products(coded(rows), [product]), whole[0])
    assert np.array_equal(exact_signed_table(coded(rows), product, 1), whole[1])
    (table,) = exact_tables(coded(rows), [(1, 0)])
    assert np.array_equal(table, exact_table(rows.T[[1, 0]], (4, 3)))
