"""Pure mechanisms: composed as randomized response, against its closed form; what the continuous Laplace would miss."""

import math

import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.optimize import brentq
from scipy.stats import binom

from synth.privacy.accounting import COARSE, FINE, epsilon_of, gaussian_epsilon, group_epsilon, replace_one_epsilon
from synth.privacy.events import GaussianEvent, LaplaceEvent, LocalEvent, SubsampledGaussianEvent
from synth.privacy.pure import pure_epsilons, pure_pld
from synth.privacy.renyi import rho_of

COUNT = GaussianEvent(what="count", sigma=20.0)
SGD = SubsampledGaussianEvent(what="DP-SGD", noise_multiplier=2.0, sample_rate=0.05, steps=20)


def laplace(scale, times=1):
    return [LaplaceEvent(what="table", scale=scale)] * times


def closed_form(epsilon, times, delta):
    """Kairouz, Oh and Viswanath (2015), Theorem 3.3, by its definition: losses (2 i - k) epsilon of k responses."""
    p = math.exp(epsilon) / (1 + math.exp(epsilon))

    def over(x):
        return sum(max(binom.pmf(i, times, p) - math.exp(x) * binom.pmf(i, times, 1 - p), 0) for i in range(times + 1)) - delta

    return 0.0 if over(0.0) <= 0 else brentq(over, 0.0, times * epsilon)


@pytest.mark.parametrize(("scale", "times"), [(2.0, 1), (12.5, 8), (21.883, 30), (100.0, 200)])
@pytest.mark.parametrize("delta", [1e-9, 1e-5])
@pytest.mark.parametrize("interval", [FINE, COARSE])
def test_composition_is_that_of_randomized_response(scale, times, delta, interval):
    """Never below; above by one step of the grid, however many there are: a coarse grid shows no release over its budget."""
    found, known = epsilon_of(laplace(scale, times), delta, interval=interval), closed_form(1 / scale, times, delta)
    assert known * (1 - 1e-6) <= found <= known + interval * (1 + 1e-6)


def test_one_count_moved_by_one_has_the_loss_of_randomized_response_and_of_nothing_smaller():
    """The figure for the continuous Laplace is smaller, and would be wrong for noise on whole numbers."""
    continuous = pld.from_laplace_mechanism(1.0, value_discretization_interval=1e-4)
    discrete = pld.from_discrete_laplace_mechanism(1.0, sensitivity=1, value_discretization_interval=1e-4)
    for delta in (0.01, 0.1):
        ours = pure_pld((1.0,), 1e-4).get_epsilon_for_delta(delta)
        assert ours == pytest.approx(discrete.get_epsilon_for_delta(delta), abs=2e-4)
        assert ours > continuous.get_epsilon_for_delta(delta) + 0.005


def test_plain_addition_is_never_exceeded_and_mechanisms_mix():
    assert epsilon_of(laplace(3.0), 1e-9) <= 1 / 3
    both = epsilon_of([COUNT, *laplace(10.0, 3)], 1e-6)
    assert max(gaussian_epsilon(COUNT.mu, 1e-6), 0.3) < both <= gaussian_epsilon(COUNT.mu, 1e-6) + 0.3
    assert both < epsilon_of([COUNT, *laplace(10.0, 3), SGD], 1e-6)


def test_other_neighbours_and_groups_cost_more():
    events = [COUNT, *laplace(10.0, 3)]
    one = epsilon_of(events, 1e-6)
    assert one < replace_one_epsilon(events, 1e-6) == group_epsilon(events, 1e-6, 2)
    assert replace_one_epsilon([*events, SGD], 1e-6) > replace_one_epsilon([*laplace(10.0, 3), SGD], 1e-6)
    assert group_epsilon([*events, SGD], 1e-6, 2) > group_epsilon([*events, SGD], 1e-6, 1) > one


def test_pure_events_are_told_by_their_type():
    events = [COUNT, *laplace(4.0), LocalEvent(what="randomised", target=("a",), epsilon=0.5)]
    assert pure_epsilons(events) == (0.25, 0.5)
    assert pure_epsilons(events, rows=2) == (0.5, 1.0)
    assert rho_of(events[1:]) == pytest.approx((0.25**2 + 0.5**2) / 2)
    assert [e.mu for e in events[1:]] == [0.25, 0.5]
