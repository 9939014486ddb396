import numpy as np
import pytest

from evaluation.audit.randomised import EPSILON, numbers, words
from evaluation.audit.sightings import judge


@pytest.mark.statistical
@pytest.mark.parametrize("look", [words, numbers])
def test_correct_cells_are_not_contradicted_and_tell_most_of_their_epsilon(look):
    found = judge("cells", "cells", look(np.random.default_rng()))
    assert not found.contradicted
    assert found.epsilon == pytest.approx(EPSILON, abs=2e-3)
    assert found.at_least > EPSILON / 2  # a bound at 95 % may exceed a true claim
