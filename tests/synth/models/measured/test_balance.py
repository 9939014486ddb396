"""Rows chosen so that their tables are those of all drawn rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.models.measured.balance import MAX_TABLES, chosen_rows
from synth.models.measured.balance import _subsets as subsets
from synth.table import Domain

SIZES = (5, 4, 3, 2)
DOMAIN = Domain(names=tuple("abcd"), sizes=SIZES)


def drawn(rng, rows):
    """Rows whose second column hangs on the first."""
    codes = np.column_stack([rng.integers(size, size=rows) for size in SIZES])
    codes[:, 1] = np.where(rng.random(rows) < 0.6, codes[:, 0] % 4, codes[:, 1])
    return codes


def gap(codes, weights, kept, columns):
    """Total variation of a table between the weighted rows and those kept."""
    cell = np.ravel_multi_index([codes[:, j] for j in columns], [SIZES[j] for j in columns])
    cells = int(np.prod([SIZES[j] for j in columns]))
    return 0.5 * np.abs(np.bincount(cell, weights, cells) - np.bincount(cell[kept], minlength=cells) / len(kept)).sum()


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(1, 50), st.integers(0, 200))
def test_each_row_is_kept_about_as_often_as_its_weight_says(seed, rows, wanted):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(rows, 0.5))
    kept = chosen_rows(drawn(rng, rows), weights, wanted, DOMAIN, rng)
    assert kept.shape == (wanted,)
    counts = np.bincount(kept, minlength=rows)
    assert len(counts) == rows
    assert (np.abs(counts - wanted * weights) <= 1 + 1e-9).all()


@pytest.mark.parametrize("part", [1, 2, 4])
def test_tables_of_what_is_kept_and_of_its_first_rows_are_closer_than_chance_would_bring_them(part):
    rng = np.random.default_rng(0)
    codes = drawn(rng, 8192)
    weights = rng.dirichlet(np.full(len(codes), 20.0))
    kept = chosen_rows(codes, weights, 4096, DOMAIN, rng)[: 4096 // part]
    chance = rng.choice(len(codes), size=len(kept), p=weights)
    for columns in ([0], [0, 1], [2, 3]):
        assert gap(codes, weights, kept, columns) < 0.5 * gap(codes, weights, chance, columns)


def test_heavy_rows_are_kept_several_times():
    weights = np.array([0.75, 0.125, 0.125])
    kept = chosen_rows(drawn(np.random.default_rng(0), 3), weights, 8, DOMAIN, np.random.default_rng(0))
    assert np.bincount(kept).tolist() == [6, 1, 1]


def test_tables_are_few_small_and_begin_with_single_columns():
    found = subsets((9,) * 200, 65_536, np.random.default_rng(0))
    assert len(found) == len(set(found)) == MAX_TABLES
    assert sorted(found[1:201]) == [(j,) for j in range(200)]
    assert subsets((1000, 1000), 100, np.random.default_rng(0)) == [()]
    assert (0, 1) not in subsets((1000, 1000), 8192, np.random.default_rng(0))
