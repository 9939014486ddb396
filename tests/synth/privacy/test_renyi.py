"""Renyi accounting: an upper bound, near the textbook conversion, and right for several rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.privacy.accounting import gaussian_epsilon
from synth.privacy.events import GaussianEvent, PartitionSelectionEvent, SelectionEvent, SubsampledGaussianEvent
from synth.privacy.renyi import ORDERS, SGD_ORDERS, chosen, orders_of, renyi_epsilon, rho_of

CHOICE = SelectionEvent(what="choice", epsilon=0.4)
COUNT = GaussianEvent(what="count", sigma=5.0)
NAMES = PartitionSelectionEvent(what="domain", target=("a",), sigma=10.0, threshold=60, delta=1e-8)
SGD = SubsampledGaussianEvent(what="DP-SGD", noise_multiplier=2.0, sample_rate=0.05, steps=50)


def textbook(rho, delta):
    """Canonne, Kamath and Steinke 2020 (arXiv:2004.00010), Corollary 13, on a fine grid of orders."""
    a = 1 + np.logspace(-3, 6, 200_000)
    return float((rho * a + np.log1p(-1 / a) - (math.log(delta) + np.log(a)) / (a - 1)).min())


@pytest.mark.parametrize("rho", [1e-5, 1e-3, 0.02, 0.5, 5.0, 40.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5])
def test_it_is_the_conversion_of_zcdp_from_above(rho, delta):
    events = [SelectionEvent(what="choice", epsilon=math.sqrt(8 * rho))]
    assert textbook(rho, delta) * (1 - 1e-9) <= renyi_epsilon(events, delta) <= textbook(rho, delta) * 1.005


def test_counts_and_choices_add_up():
    assert rho_of([CHOICE, COUNT, NAMES, SGD]) == pytest.approx(0.16 / 8 + 1 / 50 + 1 / 200)
    assert chosen([COUNT, CHOICE])
    assert not chosen([COUNT, SGD])
    assert orders_of([CHOICE]) == ORDERS
    assert orders_of([CHOICE, SGD]) == SGD_ORDERS
    assert renyi_epsilon([CHOICE], 1e-6, extra_rho=0.02) == renyi_epsilon([COUNT, CHOICE], 1e-6)


@given(st.floats(0.01, 3), st.floats(1e-10, 1e-4))
def test_it_is_never_below_the_exact_curve_of_counts(mu, delta):
    assert renyi_epsilon([GaussianEvent(what="count", sigma=1 / mu)], delta) >= gaussian_epsilon(mu, delta)


@given(st.floats(0.05, 4), st.integers(1, 6))
def test_a_choice_alone_never_costs_more_than_many_of_its_kind(epsilon, rows):
    one = [SelectionEvent(what="choice", epsilon=epsilon)]
    grown = renyi_epsilon([SelectionEvent(what="choice", epsilon=rows * epsilon)], 1e-6)
    assert renyi_epsilon(one, 1e-6, rows=rows) == pytest.approx(grown)
    assert renyi_epsilon(one * 2, 1e-6) >= renyi_epsilon(one, 1e-6)


def test_the_bound_covers_the_worst_mechanism_of_bounded_range():
    """Two outputs whose log ratios are ``t`` and ``t - epsilon``: its Renyi divergence stays below ``epsilon^2 / 8 a``."""
    epsilon, a = 0.8, 1 + np.logspace(-2, 3, 60)
    for t in np.linspace(0.01, 0.79, 40):
        q = (1 - math.exp(t - epsilon)) / (math.exp(t) - math.exp(t - epsilon))
        p = np.array([q * math.exp(t), (1 - q) * math.exp(t - epsilon)])
        logs = np.log(p), np.log([q, 1 - q])
        divergence = np.logaddexp(*(a * logs[0][i] + (1 - a) * logs[1][i] for i in (0, 1))) / (a - 1)
        assert (divergence <= epsilon**2 / 8 * a * (1 + 1e-9)).all()


def test_dp_sgd_beside_choices_is_composed_for_one_row_only():
    assert renyi_epsilon([CHOICE], 1e-6) < renyi_epsilon([CHOICE, SGD], 1e-6) < math.inf
    assert renyi_epsilon([CHOICE, SGD], 1e-6, rows=2) == math.inf
