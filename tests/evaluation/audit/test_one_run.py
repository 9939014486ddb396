import numpy as np
import pytest
from scipy.stats import binom

from evaluation.audit.claims import Claim, Family, claim_of
from evaluation.audit.one_run import contradicts, correct_guesses, one_run_bound, preset_guesses
from evaluation.audit.scores import gaussian_score
from synth.privacy.events import GaussianEvent

GAUSS = GaussianEvent(what="x", sigma=1.0)


def test_pure_privacy_gives_the_binomial_tail():
    """Under pure epsilon a guess is right with at most e^eps / (1 + e^eps): no test may ask for less than its tail."""
    epsilon, guesses = 1.0, 200
    claim = Claim(np.array([epsilon]), np.array([0.0]))
    least = next(c for c in range(guesses + 1) if contradicts(c, guesses, guesses, claim, 0.05))
    right = np.exp(epsilon) / (1 + np.exp(epsilon))
    exact = int(binom.isf(0.05, guesses, right)) + 1
    assert exact <= least <= exact + 10


def test_more_right_guesses_contradict_more():
    claim = claim_of((GAUSS,))
    found = [contradicts(c, 200, 4000, claim, 0.05) for c in range(100, 201, 5)]
    assert found == sorted(found)
    assert found[-1]
    assert not found[0]


def test_guesses_are_the_highest_scores():
    present = np.array([True, False, True, False])
    assert correct_guesses(np.array([3.0, 2.0, 1.0, 0.0]), present, 1) == 1
    assert correct_guesses(np.array([3.0, 2.0, 1.0, 0.0]), present, 2) == 1
    assert preset_guesses(4000) == 379
    assert preset_guesses(4) == 4


@pytest.mark.statistical
def test_one_run_is_right_and_reaches_half_of_the_claim():
    """One run of 160,000 canaries: valid at confidence 1 - 1e-6, and of use at 95 %."""
    rng, canaries = np.random.default_rng(5), 160_000
    family = Family((GAUSS,), 1e-5)
    present = rng.random(canaries) < 0.5
    scores = gaussian_score(present + rng.standard_normal(canaries), 1.0)
    guesses = preset_guesses(canaries)
    correct, truth = correct_guesses(scores, present, guesses), family.epsilon(1.0)
    found, scale = one_run_bound(correct, guesses, canaries, family, 1e-6)
    assert 0 < found < truth
    assert scale > 1
    assert one_run_bound(correct, guesses, canaries, family, 0.05)[0] > truth / 2


@pytest.mark.statistical
def test_false_alarms_are_as_rare_as_stated():
    """At significance 0.2, 60 runs of a true claim: more than 28 alarms have a chance below 1e-5 (binomial)."""
    rng, claim, alarms = np.random.default_rng(6), claim_of((GAUSS,)), 0
    for _ in range(60):
        present = rng.random(3000) < 0.5
        scores = gaussian_score(present + rng.standard_normal(3000), 1.0)
        guesses = preset_guesses(3000)
        alarms += contradicts(correct_guesses(scores, present, guesses), guesses, 3000, claim, 0.2)
    assert alarms <= 28


@pytest.mark.statistical
def test_canaries_that_depend_on_each_other_are_no_false_alarm():
    """A mechanism that tells everything in one of a hundred runs is (0, 0.01)-DP, and every canary is told at once.

    At significance 0.05, 200 runs: more than 26 alarms have a chance below 1e-5 (binomial).
    """
    rng, claim, alarms = np.random.default_rng(7), Claim(np.zeros(1), np.full(1, 0.01)), 0
    for _ in range(200):
        present = rng.random(1000) < 0.5
        scores = present + 0.0 if rng.random() < 0.01 else rng.random(1000)
        alarms += contradicts(correct_guesses(scores, present, 100), 100, 1000, claim, 0.05)
    assert alarms <= 26
