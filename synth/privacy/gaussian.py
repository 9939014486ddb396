"""One Gaussian mechanism in closed form (Dong, Roth and Su 2022, arXiv:1905.02383)."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import log_ndtr


def gaussian_delta(mu: float, epsilon: float) -> float:
    """Delta of a ``mu``-GDP mechanism (Dong, Roth and Su 2022, Corollary 2.13)."""
    if mu <= 0:
        return 0.0
    first, second = log_ndtr(-epsilon / mu + mu / 2), epsilon + log_ndtr(-epsilon / mu - mu / 2)
    return float(math.exp(first) - math.exp(second)) if first > second else 0.0


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The Gaussian budget: the largest ``mu`` whose mechanism is (epsilon, delta)-DP."""
    return float(brentq(lambda mu: gaussian_delta(mu, epsilon) - delta, 1e-9, 1e3, xtol=1e-12, rtol=1e-12))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Epsilon of a ``mu``-GDP mechanism at ``delta``."""
    if mu <= 0 or gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    return float(brentq(lambda e: gaussian_delta(mu, e) - delta, 0.0, mu * mu / 2 + 40 * mu + 1, xtol=1e-12))
