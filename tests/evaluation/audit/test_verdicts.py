import numpy as np
import pytest
from scipy.stats import binom

from evaluation.audit.claims import Family, claim_of
from evaluation.audit.scores import gaussian_score, preset_thresholds, sgd_scores, simulated_scores
from evaluation.audit.verdicts import excess, family_bound, gaussian_dp, lower_limit, plain_epsilon, rates_of
from synth.privacy.events import GaussianEvent, SubsampledGaussianEvent

DELTA = 1e-5
GAUSS = GaussianEvent(what="x", sigma=1.0)
SGD = SubsampledGaussianEvent(what="x", noise_multiplier=0.9, sample_rate=0.1, steps=20)


def direct(event, noise, canaries, rng):
    """Scores of the mechanism itself, with ``noise`` times the noise that is claimed."""
    present = rng.random(canaries) < 0.5
    if isinstance(event, GaussianEvent):
        return gaussian_score(present * event.mu + noise * rng.standard_normal(canaries), event.mu), present
    scores = np.zeros(canaries)
    for _ in range(event.steps):
        taken = present & (rng.random(canaries) < event.sample_rate)
        scores += sgd_scores(taken + noise * event.noise_multiplier * rng.standard_normal(canaries), event)
    return scores, present


def test_limits_are_those_of_clopper_and_pearson():
    low = lower_limit(np.array([0, 7, 20]), 20, 0.01)
    assert low[0] == 0
    assert binom.sf(6, 20, low[1]) == pytest.approx(0.01)
    assert low[2] == pytest.approx(0.01 ** (1 / 20))


@pytest.mark.statistical
@pytest.mark.parametrize("event", [GAUSS, SGD], ids=["gaussian", "sgd"])
def test_false_alarms_are_as_rare_as_stated(event):
    """At significance 0.2, 40 audits of a true claim: more than 20 alarms have a chance below 1e-5 (binomial)."""
    rng = np.random.default_rng(1)
    thresholds, claim = preset_thresholds(*simulated_scores((event,))), claim_of((event,))
    alarms = 0
    for _ in range(40):
        scores, present = direct(event, 1.0, 2000, rng)
        alarms += excess(rates_of(scores, present, thresholds, 0.2), claim) > 0
    assert alarms <= 20


@pytest.mark.statistical
@pytest.mark.parametrize("event", [GAUSS, SGD], ids=["gaussian", "sgd"])
def test_bounds_hold_and_are_of_use(event):
    """Bounds at confidence 1 - 1e-6 stay below the truth, and reach two thirds of it with 40,000 canaries."""
    rng = np.random.default_rng(2)
    family = Family((event,), DELTA)
    scores, present = direct(event, 1.0, 40_000, rng)
    rates = rates_of(scores, present, preset_thresholds(*simulated_scores((event,))), 1e-6)
    truth = family.epsilon(1.0)
    found, scale = family_bound(rates, family)
    mu, epsilon = gaussian_dp(rates, DELTA)
    assert 0.66 * truth < found < truth
    assert 1 < scale < 1.3
    assert 0 < plain_epsilon(rates, DELTA) < truth
    assert 0 < epsilon < truth
    assert mu < 1.0


@pytest.mark.parametrize("event", [GAUSS, SGD], ids=["gaussian", "sgd"])
@pytest.mark.parametrize("noise", [0.5, 0.8])
def test_too_little_noise_is_seen(event, noise):
    scores, present = direct(event, noise, 20_000, np.random.default_rng(3))
    rates = rates_of(scores, present, preset_thresholds(*simulated_scores((event,))), 1e-6)
    assert excess(rates, claim_of((event,))) > 0
    assert family_bound(rates, Family((event,), DELTA))[0] > Family((event,), DELTA).epsilon(1.0)


def test_scores_that_say_nothing_give_no_bound():
    rng = np.random.default_rng(4)
    rates = rates_of(rng.standard_normal(4000), rng.random(4000) < 0.5, np.linspace(-2, 2, 24), 1e-6)
    assert family_bound(rates, Family((GAUSS,), DELTA)) == (0.0, float("inf"))
    assert plain_epsilon(rates, DELTA) == 0.0
    assert gaussian_dp(rates, DELTA) == (0.0, 0.0)
