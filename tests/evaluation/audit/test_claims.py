import math

import numpy as np
import pytest
from scipy.stats import norm

from evaluation.audit.claims import DELTAS, NOTHING, Family, bounded_range_claim, claim_of
from synth.privacy.accounting import gaussian_delta
from synth.privacy.events import GaussianEvent, PartitionSelectionEvent, SelectionEvent, SubsampledGaussianEvent

GAUSS = GaussianEvent(what="x", sigma=1.5)
SGD = SubsampledGaussianEvent(what="x", noise_multiplier=1.0, sample_rate=0.1, steps=20)


def test_the_curve_of_a_gaussian_is_the_closed_form():
    claim = claim_of((GAUSS,))
    for epsilon, delta in zip(claim.epsilons, claim.deltas, strict=True):
        if epsilon > 0:
            assert gaussian_delta(1 / 1.5, epsilon) == pytest.approx(delta, rel=1e-6)


@pytest.mark.parametrize("event", [GAUSS, SGD], ids=["gaussian", "sgd"])
def test_less_noise_claims_more(event):
    family = Family((event,), 1e-5)
    found = [family.epsilon(s) for s in (2.0, 1.0, 0.6)]
    assert found == sorted(found)
    assert len(set(found)) == 3
    assert family.epsilon(1.0) == pytest.approx(
        np.interp(math.log(1e-5), np.log(DELTAS[:20]), family.claim(1.0).epsilons[:20]), rel=0.02
    )


def test_true_rates_of_the_optimal_test_touch_the_curve_and_stay_inside():
    thresholds = np.linspace(-3, 3, 30)
    alarm, hit = norm.sf(thresholds), norm.sf(thresholds - 1 / 1.5)
    over = claim_of((GAUSS,)).excess(hit, alarm)
    assert over.max() < 1e-9
    assert over.max() > -2e-3
    assert claim_of((GaussianEvent(what="x", sigma=1.8),)).excess(hit, alarm).max() > 0.01


def test_no_event_claims_that_neighbours_look_alike():
    assert claim_of(()) is NOTHING
    assert NOTHING.excess(np.array([0.5]), np.array([0.4]))[0] == pytest.approx(0.1)


def test_selections_claim_their_delta():
    event = PartitionSelectionEvent(what="x", target=("a",), sigma=1.0, threshold=3, delta=0.004)
    assert claim_of((event,)).deltas.min() > 0.004


def test_the_least_probability_is_that_of_the_trade_off_curve():
    claim = claim_of((GAUSS,))
    for x in (0.05, 0.4, 0.9):
        exact = norm.cdf(norm.ppf(x) - 1 / 1.5)
        assert exact * 0.97 - 1e-3 < claim.at_least(x) <= exact + 1e-9


def test_a_choice_between_two_options_stays_inside_its_curve():
    claim = bounded_range_claim(SelectionEvent(what="x", epsilon=1.0))
    for t in np.linspace(0.05, 0.95, 19):  # losses t and t - 1
        q = (1 - math.exp(t - 1)) / (math.exp(t) - math.exp(t - 1))
        p = q * math.exp(t)
        assert claim.excess(np.array([p, 1 - q]), np.array([q, 1 - p])).max() <= 1e-4
    assert claim_of((SelectionEvent(what="x", epsilon=1.0),)).epsilons[-1] == 1.0
    assert Family((SelectionEvent(what="x", epsilon=1.0),), 1e-5).epsilon(0.5) == 2.0
