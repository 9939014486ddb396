import numpy as np
import pytest

from evaluation.audit.scores import gaussian_score
from evaluation.audit.sightings import Sighting, is_contradicted, judge, pooled, thresholds_of
from synth.privacy.events import GaussianEvent

GAUSS = GaussianEvent(what="x", sigma=1.0)


def sighting(noise, canaries=4000, seed=0, **more):
    rng = np.random.default_rng(seed)
    present = rng.random(canaries) < 0.5
    scores = gaussian_score(present + noise * rng.standard_normal(canaries), 1.0)
    return Sighting(scores=scores, present=present, events=(GAUSS,), delta=1e-5, **more)


def test_a_finding_has_every_verdict():
    found = judge("count", "one count", sighting(1.0, one_run=True))
    assert not found.contradicted
    assert 0 < found.at_least_one_run < found.epsilon
    assert 0 < found.at_least_plain < found.epsilon
    assert 0 < found.at_least < found.epsilon
    assert 0 < found.mu < 1
    assert found.canaries == 4000
    assert found.to_dict()["check"] == "count"
    assert judge("count", "one count", sighting(1.0)).at_least_one_run is None


def test_half_the_noise_is_contradicted():
    assert judge("count", "one count", sighting(0.5)).contradicted
    assert is_contradicted(sighting(0.5))
    assert not is_contradicted(sighting(1.0))


def test_runs_are_pooled_but_then_they_are_no_single_run():
    both = pooled([sighting(1.0, one_run=True), sighting(1.0, seed=1, one_run=True)])
    assert len(both.scores) == 8000
    assert not both.one_run
    one = sighting(1.0, one_run=True)
    assert pooled([one]) is one


def test_an_answer_that_was_not_charged_contradicts_the_claim_of_nothing():
    rng = np.random.default_rng(3)
    present = rng.random(4000) < 0.5
    free = Sighting(scores=present + rng.standard_normal(4000), present=present, events=(), delta=1e-5)
    assert is_contradicted(free)
    assert judge("count", "one count", free).epsilon == 0


def test_thresholds_may_be_preset():
    assert thresholds_of(sighting(1.0, thresholds=(0.5,))) == pytest.approx([0.5])
