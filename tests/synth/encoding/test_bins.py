"""Bins: even mass, heavy values on their own, as many as the budget carries."""

import numpy as np
import pytest

from synth.encoding.axis import make_axis, split_axis
from synth.encoding.bins import BINS, TARGET_BINS, coarse_bins, make_cells, wanted_bins
from synth.encoding.hierarchy import estimate, level_counts
from synth.schema import Column, Kind


def test_bins_have_even_mass_and_atoms_stand_alone():
    masses = np.full(100, 10.0)
    masses[40] = 5000
    starts = coarse_bins(masses, sigma=1.0, n_bins=10)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert {40, 41} <= set(starts.tolist())
    assert 8 <= len(starts) <= 14
    assert coarse_bins(np.zeros(5), sigma=1.0, n_bins=10).tolist() == [0]
    assert len(coarse_bins(masses, sigma=1e5, n_bins=10)) == 1


def test_zero_starts_a_bin_where_enough_lies_on_either_side():
    masses = np.full(100, 10.0)
    assert 37 in coarse_bins(masses, sigma=1.0, n_bins=3, zero=37)
    assert 37 not in coarse_bins(masses, sigma=1.0, n_bins=3)
    assert 2 not in coarse_bins(masses, sigma=10.0, n_bins=3, zero=2)


def test_more_rows_or_budget_carry_more_bins_and_more_columns_fewer():
    for target in (False, True):
        at = [wanted_bins(mu, 30_000, 15, target=target) for mu in (0.01, 0.1, 0.3, 1.0, 100.0)]
        assert at == sorted(at)
        assert (at[0], at[-1]) == (TARGET_BINS if target else BINS)
        assert wanted_bins(0.3, 30_000, 100, target=target) <= at[2]
    assert wanted_bins(1e-3, 10, 1, target=False) == BINS[0]


@pytest.mark.parametrize(("kind", "bounds"), [(Kind.INTEGER, (0.0, 70_000.0)), (Kind.FLOAT, (0.0, 1.0))])
def test_cells_put_single_values_and_the_rest_together(kind, bounds):
    axis = make_axis(Column(name="x", kind=kind), bounds)
    at = np.array([0.25, 0.5]) if kind is Kind.FLOAT else np.array([10.0, 700.0, 50_123.0])
    split = split_axis(axis, at)
    rest = np.random.default_rng(0).integers(0, 9, axis.cells)
    found = estimate([level.astype(float) for level in level_counts(rest)], 2.0)
    np.testing.assert_allclose(found.counts, rest, atol=1e-9)
    cells = make_cells(split, found, rest.astype(float), np.arange(len(at)) + 100.0, 3.0)
    assert cells.counts[split.owner < 0].tolist() == (np.arange(len(at)) + 100.0).tolist()
    whole = rest * np.array([(split.owner == i).any() for i in range(axis.cells)])  # a cell of one value has no rest
    np.testing.assert_allclose(np.bincount(split.owner[split.owner >= 0], cells.masses[split.owner >= 0]), whole)
    alone = int(np.flatnonzero(split.owner < 0)[0])
    assert cells.range_sigma(alone, alone + 1) == 3.0
    assert np.hypot(3.0, 2.0) <= cells.range_sigma(alone, alone + 2) < 6.0
