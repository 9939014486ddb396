"""Bins: even mass, heavy values on their own, nothing drawn where nothing was seen."""

import numpy as np

from synth.encoding.bins import coarse_bins


def test_bins_have_even_mass_and_atoms_stand_alone():
    noisy = np.full(100, 10.0)
    noisy[40] = 5000
    starts = coarse_bins(noisy, sigma=1.0, rows=5990, n_bins=10)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert {40, 41} <= set(starts.tolist())
    assert 8 <= len(starts) <= 14
    assert coarse_bins(np.zeros(5), sigma=1.0, rows=100, n_bins=10).tolist() == [0]
