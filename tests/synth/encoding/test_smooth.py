"""Smooth masses: a distribution, closer to the truth than the histogram, with its spikes and without phantom tails."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from synth.encoding.hierarchy import level_counts
from synth.encoding.smooth import BUMP, FEW, TAIL, public_shape, smooth_masses


def noisy(exact, sigma, seed):
    rng = np.random.default_rng(seed)
    return [level + rng.normal(size=len(level)) * sigma for level in level_counts(exact)]


@given(st.integers(1, 700), st.integers(0, 10**6), st.floats(0.5, 1e4), st.floats(1, 1e7))
def test_masses_are_finite_not_negative_and_sum_to_the_total(cells, seed, sigma, total):
    exact = np.random.default_rng(seed).multinomial(1000, np.random.default_rng(seed).dirichlet(np.full(cells, 0.1)))
    masses = smooth_masses(noisy(exact, sigma, seed), sigma, total)
    assert masses.shape == (cells,)
    assert (masses >= 0).all()
    assert masses.sum() == pytest.approx(total)


def bell(rows, cells=1000, at=300.0, width=60.0):
    return np.rint(rows * np.diff(norm.cdf(np.arange(cells + 1), at, width))).astype(np.int64)


def test_a_faint_bell_is_recovered_without_phantom_tails():
    exact, beyond = bell(2000), []
    for seed in range(8):
        masses = smooth_masses(noisy(exact, 60.0, seed), 60.0, 2000.0)
        assert np.abs(np.cumsum(masses - exact)).max() < 0.15 * 2000  # five standard deviations of a coarse node
        beyond.append(masses[600:].sum())
    assert max(beyond) < (BUMP + TAIL) * 60.0 * 1.5  # what the noise itself would have to show, and rescaling
    assert np.median(beyond) < 1.0


@pytest.mark.parametrize("rows", [20_000, 10**7])
def test_spikes_and_steps_survive(rows):
    exact = bell(rows)
    exact[700] += rows // 10
    exact[900:] = rows // 500
    masses = smooth_masses(noisy(exact, 20.0, 1), 20.0, float(exact.sum()))
    assert masses[700] == pytest.approx(rows / 10, rel=0.1)
    assert masses[901:999].sum() == pytest.approx(98 * (rows // 500), rel=0.1)
    assert np.abs(masses - exact).sum() < 0.06 * exact.sum()


def test_a_second_mode_is_kept_where_it_stands_out_and_left_out_where_not():
    for rows, kept in ((3000, True), (60, False)):
        exact = bell(20_000, width=20.0) + bell(rows, at=800.0, width=10.0)
        masses = smooth_masses(noisy(exact, 60.0, 2), 60.0, float(exact.sum()))
        assert (masses[750:850].sum() > 0.7 * rows) == kept


def test_next_to_nothing_is_put_far_beyond_the_rows():
    """Chance of a false alarm: noise passes for rows in one column of 1000 (``FALSE``, two sides); 6 % for all 60 columns."""
    for rows, sigma in ((2000, 15.0), (2000, 40.0), (20_000, 100.0)):
        exact, far = bell(rows, at=500.0, width=40.0), []
        for seed in range(20):
            masses = smooth_masses(noisy(exact, sigma, seed), sigma, float(rows))
            far.append((masses[:260].sum() + masses[740:].sum()) / rows)  # six standard deviations
        assert max(far) < 0.001


def test_a_heavy_tail_keeps_its_order_of_magnitude():
    exact = np.rint(20_000 * np.diff(-np.exp(-np.arange(401) / 12.0))).astype(np.int64)
    distance = np.maximum(np.arange(400) - 36, 0)  # beyond which a twentieth lies
    for sigma, least, most in ((10.0, 0.7, 1.4), (80.0, 0.4, 2.5)):
        for seed in range(20):
            masses = smooth_masses(noisy(exact, sigma, seed), sigma, float(exact.sum()))
            assert least < (masses @ distance) / (exact @ distance) < most


def test_a_group_far_out_is_kept_only_where_it_is_sure():
    """One and a half standard deviations of a node are not sure, ten are; five would be (chance of either failure: 2e-3)."""
    for rows, kept in ((45, False), (300, True)):
        exact = bell(20_000, at=300.0, width=20.0)
        exact[832:896] += rows // 64 + (np.arange(64) < rows % 64)
        for seed in range(10):
            far = smooth_masses(noisy(exact, 30.0, seed), 30.0, float(exact.sum()))[700:].sum()
            assert far > 0.5 * rows if kept else far < 20


def test_few_cells_and_nothing_to_see():
    assert smooth_masses([np.array([5.0, -3.0, 1.0])], 1.0, 12.0).tolist() == [10.0, 0.0, 2.0]
    assert smooth_masses([np.array([-5.0, -3.0])], 1.0, 12.0).tolist() == [6.0, 6.0]
    empty = smooth_masses(noisy(np.zeros(FEW, dtype=np.int64), 1.0, 3), 1.0, 1.0)
    assert empty.sum() == pytest.approx(1.0)


def combed(rows, seed=0):
    """A bell with teeth: every tenth cell holds as much as its nine neighbours together."""
    teeth = np.where(np.arange(1000) % 10 == 0, 9.0, 1.0) * np.diff(norm.cdf(np.arange(1001), 300, 60))
    return np.random.default_rng(seed).multinomial(rows, teeth / teeth.sum())


def test_public_rows_that_are_alike_show_what_drowns_in_the_noise():
    exact, public = combed(2000), combed(5000, 1).astype(float)
    gaps = np.array(
        [
            [np.abs(smooth_masses(noisy(exact, 40.0, seed), 40.0, 2000.0, b) - exact).sum() for b in (public, None)]
            for seed in range(6)
        ]
    )
    assert gaps[:, 0].max() < 0.6 * gaps[:, 1].min()


@pytest.mark.parametrize(("rows", "sigma"), [(2000, 40.0), (50_000, 20.0)])
def test_misleading_public_rows_are_left_aside(rows, sigma):
    """Public rows lie elsewhere, or are a few cells only."""
    exact = bell(rows)
    for public in (bell(5000, at=700.0), np.where(np.arange(1000) % 100 == 7, 50, 0)):
        for seed in range(4):
            levels = noisy(exact, sigma, seed)
            found, plain = (
                np.abs(np.cumsum(smooth_masses(levels, sigma, float(rows), b) - exact)).max()
                for b in (public.astype(float), None)
            )
            assert found < max(1.5 * plain, 0.06 * rows)


def test_no_public_values_change_nothing():
    levels = noisy(bell(2000), 60.0, 0)
    assert np.array_equal(smooth_masses(levels, 60.0, 2000.0, np.zeros(1000)), smooth_masses(levels, 60.0, 2000.0))


def test_the_shape_of_public_rows_is_smooth_where_chance_alone_makes_them_vary():
    flat = np.random.default_rng(0).poisson(4.0, 1000).astype(float)
    assert public_shape(flat).std() < 0.35 * (flat / flat.sum()).std()
    teeth = combed(50_000).astype(float)
    assert np.abs(public_shape(teeth) - teeth / teeth.sum()).sum() < 0.1
    lonely = public_shape(np.eye(1000)[3])
    assert (lonely > 0).all()
    assert lonely.sum() == pytest.approx(1.0)
