"""Epsilon of events: known values, independent accountants, calibration, other neighbours."""

import math

import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from synth.errors import AccountingError, RefusedError
from synth.privacy import accounting
from synth.privacy.accounting import (
    COARSE,
    calibrate_noise,
    epsilon_of,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_mu,
    group_epsilon,
    replace_one_epsilon,
    rho_left,
    selection_delta,
    total_mu,
)
from synth.privacy.crosscheck import cross_check
from synth.privacy.events import GaussianEvent, PartitionSelectionEvent, SelectionEvent, SubsampledGaussianEvent


def counts(*sigmas):
    return [GaussianEvent(what="count", sigma=s) for s in sigmas]


def sgd(noise=1.0, rate=0.0314, steps=1000):
    return SubsampledGaussianEvent(what="DP-SGD", noise_multiplier=noise, sample_rate=rate, steps=steps)


def choice(epsilon=0.2):
    return SelectionEvent(what="choice", epsilon=epsilon)


def selection(delta=1e-8, sigma=10.0):
    return PartitionSelectionEvent(what="domain", target=("a",), sigma=sigma, threshold=60, delta=delta)


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "known"), [(1.0, 0.0314, 1000, 7.2822), (2.0, 0.1, 500, 6.2167), (0.8, 0.005, 4000, 3.3112)]
)
def test_known_values_of_dp_sgd(noise, rate, steps, known):
    assert epsilon_of([sgd(noise, rate, steps)], 1e-6, interval=COARSE) == pytest.approx(known, rel=2e-3)


@given(st.floats(0.05, 8), st.floats(1e-9, 1e-3))
def test_gaussian_formula_is_the_exact_privacy_profile(mu, delta):
    epsilon = gaussian_epsilon(mu, delta)
    exact = norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)
    assert exact <= delta * (1 + 1e-6)
    if epsilon > 0:
        assert exact == pytest.approx(delta, rel=1e-4)
        assert gaussian_mu(epsilon, delta) == pytest.approx(mu, rel=1e-6)


@pytest.mark.parametrize("mu", [0.05, 0.5, 3.0])
def test_gaussian_formula_agrees_with_a_privacy_loss_distribution(mu):
    theirs = pld.from_gaussian_mechanism(1 / mu, value_discretization_interval=1e-4).get_epsilon_for_delta(1e-6)
    assert gaussian_epsilon(mu, 1e-6) == pytest.approx(theirs, rel=1e-3)


def test_nothing_asked_costs_nothing():
    assert epsilon_of([], 1e-6) == 0
    assert gaussian_delta(0.0, 1.0) == 0
    assert gaussian_epsilon(0.0, 1e-6) == 0
    assert gaussian_epsilon(1e-9, 1e-6) == 0
    assert gaussian_delta(0.01, 50.0) == 0


@given(st.lists(st.floats(1, 50), min_size=1, max_size=5), st.floats(1, 50), st.floats(1e-9, 1e-3))
def test_more_events_never_cost_less_and_more_delta_never_costs_more(sigmas, extra, delta):
    events = counts(*sigmas)
    spent = epsilon_of(events, delta)
    assert epsilon_of([*events, *counts(extra)], delta) >= spent
    assert epsilon_of(events, delta * 1.5) <= spent
    assert epsilon_of([*events, selection(delta / 10)], delta) >= spent
    assert epsilon_of(list(reversed(events)), delta) == pytest.approx(spent, rel=1e-12)


def test_steps_rate_and_noise_are_monotone():
    base = epsilon_of([sgd(steps=100)], 1e-6, interval=COARSE)
    assert epsilon_of([sgd(steps=101)], 1e-6, interval=COARSE) > base
    assert epsilon_of([sgd(steps=100, rate=0.032)], 1e-6, interval=COARSE) > base
    assert epsilon_of([sgd(steps=100, noise=1.01)], 1e-6, interval=COARSE) < base
    assert epsilon_of([sgd(steps=100), *counts(20)], 1e-6, interval=COARSE) > base
    assert epsilon_of([sgd(steps=100), sgd(noise=9, steps=5)], 1e-6, interval=COARSE) > base


def test_splitting_a_count_over_queries_costs_the_same():
    assert total_mu(counts(*[5 * math.sqrt(7)] * 7)) == pytest.approx(1 / 5)


def test_selections_spend_delta_and_may_spend_it_all():
    events = [selection(4e-7), selection(4e-7)]
    assert selection_delta(events) == 8e-7
    assert epsilon_of(events, 1e-6) == pytest.approx(gaussian_epsilon(math.sqrt(0.02), 2e-7))
    assert epsilon_of(events, 8e-7) == math.inf
    assert replace_one_epsilon(events, 1.6e-6) == math.inf
    assert group_epsilon(events, 1e-6, 2) == math.inf


def test_an_event_of_unknown_type_is_not_free():
    with pytest.raises(AccountingError, match="no accounting"):
        epsilon_of([*counts(5), "exponential mechanism"], 1e-6)


GRID = [(e, q, t) for e in (0.1, 0.3, 1.0, 3.0, 10.0, 20.0) for q, t in ((0.06, 200), (0.01, 500), (1.0, 20))]
QUICK = {(0.1, 0.06, 200), (1.0, 1.0, 20), (1.0, 0.06, 200), (10.0, 1.0, 20), (0.3, 0.01, 500)}


@pytest.mark.parametrize(
    ("epsilon", "rate", "steps"), [pytest.param(*g, marks=[] if g in QUICK else pytest.mark.slow) for g in GRID]
)
def test_calibration_meets_epsilon_from_below_and_three_accountants_agree(epsilon, rate, steps):
    prefix = [*counts(1 / (gaussian_mu(epsilon, 1e-6) * math.sqrt(0.1))), selection(5e-8, 1e4)]
    event = calibrate_noise(prefix, sample_rate=rate, steps=steps, epsilon=epsilon, delta=1e-6)
    found = cross_check([*prefix, event], 1e-6)
    assert epsilon * 0.995 <= found["pld"] <= epsilon
    assert found["pld"] == epsilon_of([*prefix, event], 1e-6)
    assert found["rdp"] > found["pld"]


def test_calibration_refuses_when_nothing_is_left():
    full = counts(1 / gaussian_mu(1.0, 1e-6))
    for prefix in (full, counts(1 / (gaussian_mu(1.0, 1e-6) * math.sqrt(1 - 1e-12)))):
        with pytest.raises(RefusedError, match="whole budget"):
            calibrate_noise(prefix, sample_rate=0.1, steps=10, epsilon=1.0, delta=1e-6)


def test_calibration_stops_lowering_the_noise_somewhere(monkeypatch):
    monkeypatch.setattr(accounting, "epsilon_of", lambda events, delta, interval=COARSE: 0.5)
    event = calibrate_noise([], sample_rate=1e-6, steps=1, epsilon=50.0, delta=1e-5)
    assert 0 < event.noise_multiplier < 2 * accounting.LEAST_NOISE


def test_calibration_raises_the_noise_until_the_fine_grid_agrees(monkeypatch):
    def fake(events, delta, interval=accounting.FINE):
        coarse = interval == COARSE
        return sum(1.0 / e.noise_multiplier if coarse else (2.5 if e.noise_multiplier < 1.0 else 1.9) for e in events)

    monkeypatch.setattr(accounting, "epsilon_of", fake)
    event = calibrate_noise([], sample_rate=0.1, steps=1, epsilon=2.0, delta=1e-5)
    assert fake([event], 1e-5) <= 2.0
    assert 1.0 <= event.noise_multiplier < 1.01


def test_calibration_gains_what_the_fine_grid_leaves(monkeypatch):
    def fake(events, delta, interval=accounting.FINE):
        return sum((2.4 if interval == COARSE else 2.0) / e.noise_multiplier for e in events)

    monkeypatch.setattr(accounting, "epsilon_of", fake)
    event = calibrate_noise([], sample_rate=0.1, steps=1, epsilon=2.0, delta=1e-5)
    assert 1.0 <= event.noise_multiplier < 1.005


def test_replacing_costs_more_than_adding_and_at_most_two_rows():
    events = [*counts(20, 20), selection(1e-8, 50)]
    assert epsilon_of(events, 1e-6) < replace_one_epsilon(events, 1e-6) <= group_epsilon(events, 1e-6, 2) * (1 + 1e-9)
    mixed = [*counts(20), sgd(steps=100), sgd(noise=5.0, rate=0.1, steps=10)]
    assert replace_one_epsilon(mixed, 1e-6) > epsilon_of(mixed, 1e-6)
    assert replace_one_epsilon(mixed[1:], 1e-6) < replace_one_epsilon(mixed, 1e-6)


def test_replace_one_of_dp_sgd_is_the_known_value():
    assert replace_one_epsilon([sgd()], 1e-6) == pytest.approx(11.71, rel=2e-3)


def test_group_of_one_is_one_and_groups_grow():
    events = [*counts(20), sgd(noise=2.0, steps=10), sgd(noise=5.0, rate=0.1, steps=2)]
    one = group_epsilon(events, 1e-6, 1)
    assert one == pytest.approx(epsilon_of(events, 1e-6, interval=COARSE), rel=2e-3)
    assert one < group_epsilon(events, 1e-6, 2) < group_epsilon(events, 1e-6, 5)
    assert group_epsilon(events[1:], 1e-6, 2) < group_epsilon(events, 1e-6, 2)
    everyone = SubsampledGaussianEvent(what="x", noise_multiplier=4.0, sample_rate=1.0, steps=9)
    assert group_epsilon([everyone], 1e-6, 2) == pytest.approx(gaussian_epsilon(2 * 3 / 4, 1e-6))
    assert group_epsilon([*events, everyone], 1e-6, 2) > group_epsilon(events, 1e-6, 2)
    assert group_epsilon(counts(20), 1e-6, 5) == gaussian_epsilon(5 / 20, 1e-6)


def test_group_of_counts_is_the_gaussian_with_a_larger_shift():
    assert group_epsilon(counts(30), 1e-6, 3) == epsilon_of(counts(10), 1e-6)


def test_accounting_uses_the_delta_that_selections_leave(monkeypatch):
    asked = []
    monkeypatch.setattr(accounting, "gaussian_epsilon", lambda mu, delta: asked.append(delta) or 1.0)
    epsilon_of([selection(1e-7)], 1e-6)
    assert asked == [pytest.approx(9e-7)]


def test_a_group_that_shares_a_new_value_passes_the_threshold_together():
    event = PartitionSelectionEvent(what="domain", target=("a",), sigma=2.42, threshold=14, delta=1e-7)
    together = [norm.sf((14.5 - k) / 2.42) for k in (1, 2, 5)]
    found = [accounting.group_selection_delta([event], k) for k in (1, 2, 5)]
    assert found[2] >= together[2] > 5 * event.delta
    assert all(f >= t for f, t in zip(found, together, strict=True))
    assert math.isinf(accounting.group_epsilon([event], 1e-6, 5))


def test_no_figure_is_no_guarantee(monkeypatch):
    monkeypatch.setattr(accounting, "_whole_epsilon", lambda *_: float("nan"))
    event = SubsampledGaussianEvent(what="s", noise_multiplier=2.0, sample_rate=0.1, steps=3)
    with pytest.raises(AccountingError, match="no figure"):
        accounting.epsilon_of([event], 1e-6)


def test_choices_bring_an_upper_bound_and_nothing_changes_without_them():
    events = [*counts(10), selection()]
    assert epsilon_of([*events, choice(1e-6)], 1e-6) >= epsilon_of(events, 1e-6)
    assert epsilon_of([*events, choice(0.2), choice(0.2)], 1e-6) > epsilon_of([*events, choice(0.2)], 1e-6)
    assert epsilon_of([choice(), selection(1e-6)], 1e-6) == math.inf
    assert total_mu([*events, choice()]) == total_mu(events)


def test_a_choice_costs_no_more_than_its_pure_epsilon_in_the_long_run():
    """Forty choices of 0.1: basic composition says 4."""
    assert epsilon_of([choice(0.1)] * 40, 1e-6) < 2


def test_choices_of_groups_grow_with_the_rows():
    events = [*counts(30), choice(0.1)]
    assert replace_one_epsilon(events, 1e-6) == group_epsilon(events, 1e-6, 2)
    assert group_epsilon(events, 1e-6, 2) == epsilon_of([*counts(15), choice(0.2)], 1e-6)
    mixed = [*events, sgd(steps=5)]
    assert epsilon_of(mixed, 1e-6) < math.inf
    assert replace_one_epsilon(mixed, 1e-6) == group_epsilon(mixed, 1e-6, 2) == math.inf


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 20.0])
def test_the_rest_in_zcdp_fits_and_no_more(epsilon):
    prefix = [*counts(1 / (gaussian_mu(epsilon, 1e-6) * math.sqrt(0.2))), selection(5e-8, 1e4)]
    rho = rho_left(prefix, epsilon, 1e-6)
    assert epsilon * 0.9999 <= epsilon_of([*prefix, choice(math.sqrt(8 * rho))], 1e-6) <= epsilon
    assert epsilon_of([*prefix, choice(math.sqrt(8 * rho * 1.0001))], 1e-6) > epsilon


def test_there_may_be_no_rest():
    for events in (counts(1 / gaussian_mu(1.0, 1e-6)), [selection(1e-6)]):
        with pytest.raises(RefusedError, match="nothing is left"):
            rho_left(events, 1.0, 1e-6)


def test_noise_of_dp_sgd_can_be_calibrated_after_a_choice():
    event = calibrate_noise([choice(0.1)], sample_rate=0.05, steps=20, epsilon=1.0, delta=1e-6)
    assert 0.97 <= epsilon_of([choice(0.1), event], 1e-6) <= 1.0
