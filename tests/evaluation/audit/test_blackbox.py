import numpy as np
import pytest

from evaluation.audit.blackbox import ODD_WORD, Event, Plan, choose_event, judge_refits, statistics_of, worst_case


def worlds(without, with_odd):
    return [{"x": float(v), "same": 1.0} for v in without], [{"x": float(v), "same": 1.0} for v in with_odd]


def test_the_worlds_differ_in_one_row():
    steady, odd = worst_case()
    assert odd.iloc[:-1].equals(steady)
    assert ODD_WORD in odd.iloc[-1].tolist()
    assert steady["constant"].nunique() == 1


def test_a_release_is_measured_from_outside():
    found = statistics_of(worst_case()[1], Plan())
    assert found["the odd word or number stands in the file"] == 0
    assert found["bytes of the file"] > 1000
    assert found["size of the domain"] > 4
    assert found["seconds"] > 0
    assert 0 <= found["share of missing cells"] < 0.5


def test_the_pilot_chooses_threshold_and_side():
    low, high = np.array([1.0, 2.0, 2.0]), np.array([5.0, 6.0, 2.0])
    assert choose_event(low, high) == Event(threshold=3.5, above=True)
    down = choose_event(high, low)
    assert not down.above
    assert down.hits(low) == 3


def test_what_always_differs_contradicts_and_what_never_does_bounds_nothing():
    plan = Plan(pilot=5, certify=60, epsilon=0.5)
    told = judge_refits(plan, *worlds(np.zeros(65), np.ones(65)))
    assert told.contradicted
    assert told.at_least_plain > 1
    assert "told apart by: x" in told.detail
    same = judge_refits(plan, *worlds(np.zeros(65), np.zeros(65)))
    assert not same.contradicted
    assert same.at_least_plain == 0


@pytest.mark.statistical
def test_a_mechanism_that_keeps_its_claim_passes():
    """Gaussian noise on a count, 50 audits; each errs with at most 1e-6."""
    rng, plan = np.random.default_rng(1), Plan(pilot=10, certify=40, epsilon=1.0)
    for _ in range(50):
        off, on = rng.normal(0, 4, 50), rng.normal(1, 4, 50)  # 0.25-GDP: far inside epsilon 1 at delta 1e-5
        assert not judge_refits(plan, *worlds(off, on)).contradicted
