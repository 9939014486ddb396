import numpy as np

from evaluation.audit.interruption import STEPS, interruption


def test_correct_code_draws_no_more_than_it_charged():
    found = interruption(np.random.default_rng())
    assert not found.contradicted
    assert 0.8 * STEPS < found.canaries <= STEPS
    assert "answered alike" in found.detail
