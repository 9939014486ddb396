import numpy as np
import pytest

from evaluation.audit.minimum import CANARY, PLAN, ROWS, minimizer, trained
from evaluation.audit.sightings import judge


def test_the_attackers_minimiser_is_one_and_the_canary_moves_it_far():
    moved = np.linalg.norm(trained(np.concatenate([ROWS, CANARY])) - trained(ROWS))
    assert 0.5 * PLAN.sensitivity < moved < PLAN.sensitivity


@pytest.mark.statistical
def test_correct_weights_are_not_contradicted_and_a_part_of_the_claim_is_reached():
    found = judge("minimizer", "weights", minimizer(np.random.default_rng(), runs=1200))
    assert not found.contradicted
    assert found.at_least > 0  # of 1,200 runs; seven standard errors below what they show on average
