"""Persons made of drawn rows: right numbers, one value of each constant, distributions as drawn."""

import numpy as np
import pytest

from synth.persons import by_relevance, draw_persons, gather, match_persons, persons_per

SIZES = (4, 3, 5, 2)  # rows per person, a constant, an open column, a noise column
ALPHA = 1e-7


def drawn(n=6000, seed=0):
    rng = np.random.default_rng(seed)
    m = rng.choice(4, n, p=[0.6, 0.2, 0.15, 0.05])
    constant = np.where(rng.random(n) < 0.8, m % 3, rng.integers(0, 3, n))
    column = np.where(rng.random(n) < 0.7, constant, rng.integers(0, 5, n))
    return np.column_stack([m, constant, column, rng.integers(0, 2, n)]).astype(np.int32)


def test_persons_have_their_number_of_rows_and_one_value_of_each_constant():
    codes = drawn()
    found = draw_persons(codes, SIZES, [1], np.random.default_rng(1))
    assert len(found.anchors) == persons_per(6000, 4) == 2000
    assert np.array_equal(np.bincount(found.owner, minlength=2000), found.anchors[:, 0] + 1)
    assert np.array_equal(found.rows[:, :2], found.anchors[found.owner][:, :2])
    assert np.array_equal(found.owner, np.sort(found.owner))


def test_persons_are_those_that_were_drawn_and_rows_depend_on_their_constants_as_drawn():
    codes = drawn()
    found = draw_persons(codes, SIZES, [1], np.random.default_rng(1))
    for j in (0, 1):  # anchors stand at even distances: counts are exact up to rounding
        shares = [np.bincount(c[:, j], minlength=SIZES[j]) / len(c) for c in (codes, found.anchors)]
        assert np.abs(shares[0] - shares[1]).max() < 2 / 2000
    for m, constant in ((0, 0), (1, 1), (2, 2)):
        conditional = []
        for c in (codes, found.rows):
            part = c[(c[:, 0] == m) & (c[:, 1] == constant)]
            conditional.append(np.bincount(part[:, 2], minlength=5) / len(part))
        assert np.abs(conditional[0] - conditional[1]).max() < 0.12  # groups of 250 rows and more: six standard deviations


def test_a_person_has_each_drawn_row_at_most_once_and_up_to_three_rows_are_nobody_elses():
    codes = drawn()[:, :3]
    codes = np.column_stack([codes, np.arange(len(codes))])
    found = draw_persons(codes, (*SIZES[:3], len(codes)), [1], np.random.default_rng(2))
    pairs = np.column_stack([found.owner, found.rows[:, 3]])
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    few = found.rows[found.anchors[found.owner, 0] < 2]
    assert len(np.unique(few[:, 3])) > 0.99 * len(few)


def test_where_few_rows_are_alike_neighbours_take_the_constants_of_the_anchor():
    pool = np.array([[2, 0], [0, 1], [0, 2]])
    found = gather(pool, [1, 0], np.array([0, 2]), np.array([3, 1]))
    assert found.rows.tolist() == [[2, 0], [2, 0], [2, 0], [0, 2]]
    assert found.owner.tolist() == [0, 0, 0, 1]


def test_more_rows_than_were_drawn_and_none_at_all():
    pool = np.array([[1, 0], [1, 0]])
    found = gather(pool, [1, 0], np.array([0, 1]), np.array([5, 0]))
    assert len(found.rows) == 5
    assert found.anchors.tolist() == pool.tolist()


@pytest.mark.parametrize("constant", [[], [1], [3, 1]])
def test_constants_that_tell_most_come_first(constant):
    order = by_relevance(drawn(), SIZES, constant)
    assert order == sorted(constant)  # column 1 steers column 2, column 3 is noise


def test_wide_tables_are_not_looked_at():
    assert by_relevance(drawn(), (4, 3, 1 << 21, 2), [3, 1]) == [1, 3]


def test_one_row_makes_one_person():
    found = draw_persons(np.array([[0, 2, 1, 1]]), SIZES, [1], np.random.default_rng(0))
    assert found.rows.tolist() == [[0, 2, 1, 1]]


def test_the_first_persons_are_no_special_ones():
    """Were they still sorted by their constants, the first hundred would share one."""
    found = draw_persons(drawn(), SIZES, [1], np.random.default_rng(3))
    assert len(np.unique(found.anchors[:100, 1])) == 3  # errs with a chance below 3 * 0.8^100


def test_given_persons_get_rows_of_drawn_persons_with_their_constants():
    codes = drawn()
    given = np.array([[0], [1], [2]] * 500)
    found = match_persons(codes, SIZES, [1], given, np.random.default_rng(4))
    counts = np.bincount(found.owner, minlength=1500)
    assert np.array_equal(found.rows[:, 1], given[found.owner, 0])
    for constant in range(3):
        known = codes[codes[:, 1] == constant, 0].mean()  # here the first code is the number of rows, from none on
        assert abs(counts[given[:, 0] == constant].mean() - known) < 0.3  # five hundred persons: seven standard deviations


def test_given_persons_without_constants_or_with_ones_that_were_not_drawn():
    codes = drawn(60)
    found = match_persons(codes, SIZES, [], np.empty((10, 0), dtype=np.int64), np.random.default_rng(5))
    assert len(found.anchors) == 10
    found = match_persons(codes, (4, 9, 5, 2), [1], np.array([[8]]), np.random.default_rng(5))
    assert found.anchors[0, 1] == 2  # the nearest in order
    wide = match_persons(codes, (4, 1 << 40, 1 << 40, 2), [1, 2], codes[:5, 1:3], np.random.default_rng(6))
    assert len(wide.anchors) == 5
