"""Levels of a histogram: how far one row moves them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.hierarchy import level_counts, level_sizes


@given(st.integers(1, 1100), st.integers(0, 10**6))
def test_one_row_adds_one_to_one_cell_of_every_level(cells, seed):
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, 9, cells)
    more = fine.copy()
    more[rng.integers(cells)] += 1
    levels = list(zip(level_counts(fine), level_counts(more), strict=True))
    assert tuple(len(before) for before, _ in levels) == level_sizes(cells)
    for before, after in levels:
        assert np.abs(after - before).sum() == (after - before).sum() == 1
        assert before.sum() == fine.sum()
