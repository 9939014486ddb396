"""Runs of a data set as one distribution: Laplace noise and randomised cells beside Gaussian counts and grants."""

import pytest

from synth.privacy.composed import composed_epsilon
from synth.privacy.events import GaussianEvent, LaplaceEvent, LocalEvent

COUNT = GaussianEvent(what="count", sigma=10.0)
LOCAL = LocalEvent(what="randomised", target=("a",), epsilon=0.5)
LAPLACE = LaplaceEvent(what="table", scale=4.0)


def test_pure_events_add_to_what_else_ran():
    alone = composed_epsilon((COUNT,), (), (), 1e-6)
    assert composed_epsilon((LOCAL,), (), (), 1e-6) == pytest.approx(0.5, abs=2e-3)
    both = composed_epsilon((COUNT, LOCAL, LAPLACE), (), (), 1e-6)
    assert max(alone, 0.75) < both < alone + 0.76
    assert both < composed_epsilon((COUNT, LOCAL, LAPLACE), ((0.5, 1e-7),), ((0.5, 0.0),), 1e-6) < both + 1.01


def test_a_pure_grant_is_the_plain_sum_with_another_one():
    assert composed_epsilon((), ((1.0, 0.0),), ((2.0, 0.0),), 1e-9) == pytest.approx(3.0, abs=3e-3)
