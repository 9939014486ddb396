"""Tables that are summed from fused counts are those of counting each by itself."""

from itertools import combinations, permutations

import numpy as np
import pytest

from synth.privacy.tally import Tally, fused

RNG = np.random.default_rng(0)


def counted(subsets, sizes, rows, cut=50):
    tally = Tally(subsets, sizes)
    for start in range(0, len(rows), cut):
        tally.add([rows[start : start + cut, j].astype(np.uint8 if sizes[j] <= 256 else np.int32) for j in tally.columns])
    return tally.tables()


def plain(subset, sizes, rows):
    table = np.zeros([sizes[j] for j in subset], dtype=np.int64)
    np.add.at(table, tuple(rows[:, j] for j in subset), 1)
    return table


CASES = {
    "one way": ([(0,), (3,)], (3, 5, 2, 7)),
    "pairs": (list(combinations(range(9), 2)), (3, 5, 2, 7, 16, 1, 20, 4, 2)),
    "pairs with a third": ([(*p, 8) for p in combinations(range(8), 2)], (3, 5, 2, 7, 16, 1, 20, 4, 2)),
    "any order of axes": (list(permutations(range(3), 3)), (3, 5, 2)),
    "wide": ([(0, 1), (1, 2), (0,), (2, 0)], (300, 70_000, 3)),
    "twice": ([(0, 1), (0, 1)], (2, 2)),
}


@pytest.mark.parametrize("case", CASES)
def test_tables_are_the_plain_ones(case):
    subsets, sizes = CASES[case]
    rows = RNG.integers(0, sizes, (120, len(sizes)))
    for subset, table in zip(subsets, counted(subsets, sizes, rows), strict=True):
        assert table.dtype == np.int64
        assert np.array_equal(table, plain(subset, sizes, rows))


def test_no_rows_are_empty_tables():
    (table,) = counted([(1, 0)], (2, 3), np.zeros((0, 2), dtype=np.int64))
    assert table.shape == (3, 2)
    assert not table.any()


def test_many_pairs_of_small_columns_take_few_counts():
    tally = Tally(list(combinations(range(16), 2)), (10,) * 16)
    assert len(tally.plan.hosts) == 28  # of pairs of columns
    assert max(len(w) for w in tally._whole) == 10**4


def test_fused_codes_are_wide_where_they_must_be():
    assert fused([np.array([1], dtype=np.uint8), np.array([2], dtype=np.uint8)], (256, 256)).dtype == np.uint16
    found = fused([np.array([299], dtype=np.uint16), np.array([299], dtype=np.uint16)], (300, 300))
    assert found.tolist() == [300 * 300 - 1]


def test_a_pair_of_columns_moves_what_it_says():
    """Two codes of one byte are fused into one of two, which is copied and counted."""
    plan = Tally([(0, 1)], (3, 5)).plan
    assert ([len(g) for g in plan.groups], plan.hosts) == ([2], ((0,),))
    assert plan.bytes_a_row() == (1 + 2) + (2 + 1 + 2 + 2) + (2 + 2) + (2 + 8 + 8 + 8)
