"""One Gaussian in closed form: the three readings of its curve agree."""

import pytest
from scipy.stats import norm

from synth.privacy.gaussian import gaussian_delta, gaussian_epsilon, gaussian_mu


@pytest.mark.parametrize(("mu", "epsilon"), [(0.1, 0.2), (1.0, 3.0), (3.0, 5.0)])
def test_readings_of_one_curve_agree_with_the_textbook(mu, epsilon):
    delta = norm.cdf(-epsilon / mu + mu / 2) - pytest.importorskip("math").exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)
    assert gaussian_delta(mu, epsilon) == pytest.approx(delta, rel=1e-9)
    assert gaussian_epsilon(mu, delta) == pytest.approx(epsilon)
    assert gaussian_mu(epsilon, delta) == pytest.approx(mu)


def test_nothing_costs_nothing():
    assert gaussian_delta(0.0, 1.0) == gaussian_epsilon(0.0, 1e-6) == gaussian_epsilon(1e-9, 0.5) == 0.0
    assert gaussian_delta(1e-3, 50.0) == 0.0
