"""Cells inside bins follow their weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.alias import aliases_of, cells_inside

WEIGHTS = st.lists(st.floats(0, 1e6), min_size=1, max_size=30)


@given(WEIGHTS, st.integers(0, 99))
def test_tables_hold_exactly_the_weights(weights, seed):
    cuts = np.random.default_rng(seed).random(len(weights) - 1) < 0.3
    starts = (0, *(np.flatnonzero(cuts) + 1).tolist())
    tables = aliases_of(starts, tuple(weights))
    held = tables.kept.copy()
    np.add.at(held, tables.other, 1 - tables.kept)
    for first, width in zip(tables.first, tables.width, strict=True):
        mine = slice(first, first + width)
        wanted = np.maximum(weights[mine], 1e-12)
        assert held[mine] / width == pytest.approx(wanted / wanted.sum(), abs=1e-12)
        assert ((tables.other[mine] >= first) & (tables.other[mine] < first + width)).all()


@pytest.mark.statistical
def test_rows_get_cells_of_their_bins_by_weight():
    """200,000 rows: within 0.008 (over five standard errors)."""
    bins = np.tile([0, 1, 2], 200_000 // 3 + 1)[:200_000]
    cells = cells_inside(bins, aliases_of((0, 1, 4), (5.0, 1.0, 2.0, 1.0, 0.0, 3.0)), np.random.default_rng(0))
    assert (cells[bins == 0] == 0).all()
    for mine, first, shares in ((1, 1, (0.25, 0.5, 0.25)), (2, 4, (0.0, 1.0))):
        found = np.bincount(cells[bins == mine] - first, minlength=len(shares)) / (bins == mine).sum()
        assert found == pytest.approx(np.array(shares), abs=0.008)


def test_no_rows():
    assert cells_inside(np.zeros(0, dtype=int), aliases_of((0,), (1.0,)), np.random.default_rng(0)).shape == (0,)
