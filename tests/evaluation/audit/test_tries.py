"""The best of several tries under attack: the claim holds, and the attack is not idle."""

import numpy as np

from evaluation.audit.sightings import is_contradicted
from evaluation.audit.tries import best_of_tries
from synth.privacy.events import RepeatedSelectionEvent


def test_the_claim_stands_and_the_score_tells_something():
    found = best_of_tries(np.random.default_rng(1), epsilon=6.0, runs=150)
    assert not is_contradicted(found)
    assert [type(e) for e in found.events] == [RepeatedSelectionEvent]
    inside, outside = found.scores[found.present], found.scores[~found.present]
    assert inside.mean() > outside.mean()
