"""Coarser grids are seen where they are, and not where they are not."""

import numpy as np
import pytest

from synth.encoding.lattice import on_lattice

CELLS, SIGMA = 801, 80.0


def smooth(total=17_000.0):
    shape = np.exp(-0.5 * ((np.arange(CELLS) - 220) / 80) ** 2)
    return total * shape / shape.sum()


def measured(exact, seed):
    return exact + np.random.default_rng(seed).normal(0, SIGMA, len(exact))


@pytest.mark.parametrize(("unit", "first"), [(25, 0), (25, -100), (10, 5), (2, 1)])
def test_values_in_multiples_of_a_unit_are_found(unit, first):
    on = (first + np.arange(CELLS)) % unit == 0
    exact = np.where(on, smooth(40_000), 0) * unit
    found = on_lattice(smooth(40_000), measured(exact, 1), SIGMA / 4, first)
    assert found.sum() == pytest.approx(40_000)
    assert not found[~on].any()
    assert np.abs(found - exact).sum() < 0.1 * exact.sum()


@pytest.mark.parametrize("seed", range(5))
def test_values_that_fill_the_grid_stay(seed):
    """A false alarm takes noise of eight standard deviations."""
    assert np.array_equal(on_lattice(smooth(), measured(smooth(), seed), SIGMA, 0), smooth())


def test_values_of_which_half_are_round_stay():
    exact = smooth() / 2
    exact[::10] += smooth()[::10] * 5
    assert np.array_equal(on_lattice(smooth(), measured(exact, 0), SIGMA, 0), smooth())


def test_too_much_noise_shows_nothing():
    exact = np.where(np.arange(CELLS) % 25 == 0, smooth(), 0) * 25
    assert np.array_equal(on_lattice(smooth(), measured(exact, 0), 20 * SIGMA, 0), smooth())


def test_a_unit_with_few_multiples_is_not_tried():
    masses = np.full(20, 1000.0)
    assert np.array_equal(on_lattice(masses, np.where(np.arange(20) % 5 == 0, 5000.0, 0.0), 10.0, 0), masses)
