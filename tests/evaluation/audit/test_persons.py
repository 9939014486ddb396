import numpy as np

from evaluation.audit.persons import person_gradients, person_tables
from evaluation.audit.probes import ProbePlan


def test_a_person_with_many_rows_counts_as_one_and_can_be_told_from_none():
    found = person_tables(np.random.default_rng(0), epsilon=9.0, cells=256)
    gap = found.scores[found.present].mean() - found.scores[~found.present].mean()
    (event,) = found.events
    assert abs(gap / event.mu**2 - 1) < 0.5  # a shift of one unit, in log-likelihood ratios


def test_gradients_of_a_persons_rows_are_scored_as_one():
    """Their mean moves by eight standard errors."""
    plan = ProbePlan(epsilon=9.0, delta=1e-5, sample_rate=0.5, steps=3, side=16, ordinary=20)
    found = person_gradients(plan, np.random.default_rng(1))
    assert found.scores.shape == (256,)
    assert found.scores[found.present].mean() > found.scores[~found.present].mean()
