"""Laplace noise on whole numbers: its law, and the ratio of neighbouring probabilities."""

import math
import os

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from synth.errors import AccountingError
from synth.privacy.geometric import geometric_rate, geometric_std, two_sided_geometric


@given(st.floats(1e-3, 2.0**40))
def test_a_step_never_costs_more_than_the_scale_says(scale):
    rate = geometric_rate(scale)
    with mpmath.workdps(60):
        step = -mpmath.log1p(-mpmath.mpf(rate))
        assert step * mpmath.mpf(scale) <= 1
        if scale > 0.05:
            assert step * mpmath.mpf(scale) > 1 - mpmath.mpf(2) ** -30


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 2.0**41])
def test_no_noise_and_endless_noise_are_refused(scale):
    with pytest.raises(AccountingError, match="scale"):
        geometric_rate(scale)


@pytest.mark.statistical
@pytest.mark.parametrize("scale", [0.4, 1.0, 5.0])
def test_draws_follow_the_law(scale):
    """Chi-square on 200,000 draws; false alarm 1e-8 each."""
    draws, a = two_sided_geometric(200_000, scale, os.urandom), 1 - geometric_rate(scale)
    most = math.ceil(5 * scale)
    cells = np.arange(-most, most + 1)
    chance = (1 - a) / (1 + a) * a ** np.abs(cells)
    chance[[0, -1]] /= 1 - a  # everything beyond
    seen = np.bincount(np.clip(draws, -most, most) + most, minlength=len(cells))
    assert chance.sum() == pytest.approx(1)
    assert ((seen - 200_000 * chance) ** 2 / (200_000 * chance)).sum() < chi2.isf(1e-8, len(cells) - 1)


@pytest.mark.statistical
@pytest.mark.parametrize("scale", [0.5, 1e6])
def test_the_spread_is_as_told(scale):
    """Kurtosis is 6 at most: the standard deviation of n draws has a relative error of sqrt(6 / 4n); twelve are allowed."""
    draws = two_sided_geometric(100_000, scale, os.urandom)
    assert draws.std() == pytest.approx(geometric_std(scale), rel=6 * math.sqrt(6 / 100_000))
