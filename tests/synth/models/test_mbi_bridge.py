"""Potentials that reproduce noisy tables."""

import numpy as np
import pytest

from synth.models.junction import Junction, Marginals
from synth.models.mbi_bridge import Estimator, Table

SIZES = (3, 2, 4)


def table(counts, sigma=1.0):
    return Table(np.asarray(counts, dtype=np.float64), np.asarray(sigma))


def test_joining_weighs_by_precision():
    both = table([10.0, 0.0], 1.0).joined(table([20.0, 0.0], [2.0, 1.0]))
    assert both.counts == pytest.approx([12.0, 0.0])
    assert both.sigma == pytest.approx([np.sqrt(0.8), np.sqrt(0.5)])


def test_consistent_tables_are_reproduced_and_a_later_fit_starts_from_the_earlier():
    rng = np.random.default_rng(0)
    whole = rng.dirichlet(np.ones(24)).reshape(SIZES) * 5000
    estimator = Estimator(SIZES, 5000)
    tables = {(v,): table(whole.sum(axis=tuple(u for u in range(3) if u != v)), np.full(SIZES[v], 2.0)) for v in range(3)}
    first = Marginals(Junction.of(SIZES, estimator.fit(tables, 300)))
    for v in range(3):
        assert 5000 * first.of((v,)) == pytest.approx(tables[(v,)].counts, abs=2)
    assert first.of((0, 1)) == pytest.approx(np.outer(first.of((0,)), first.of((1,))))
    tables |= {(1, 0): table(whole.sum(axis=2).T), (2, 1): table(whole.sum(axis=0).T)}
    tables[(0,)] = Table(tables[(0,)].counts, np.full(3, 1.0))  # a cell's noise may change between fits
    second = Marginals(Junction.of(SIZES, estimator.fit(tables, 1000)))
    assert 5000 * second.of((0, 1)) == pytest.approx(whole.sum(axis=2), abs=5)
    assert 5000 * second.of((2, 1)) == pytest.approx(whole.sum(axis=0).T, abs=5)


def test_noise_below_zero_and_no_rows_still_make_a_distribution():
    found = Estimator((3, 2), 0).fit({(0,): table([-5.0, 3.0, -1.0]), (0, 1): table(np.full((3, 2), -2.0))}, 50)
    assert all(np.isfinite(values).all() for values in found.values())
    assert Marginals(Junction.of((3, 2), found)).of((0, 1)).sum() == pytest.approx(1.0)
