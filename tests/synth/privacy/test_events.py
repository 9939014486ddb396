"""Events as data: round trips, and nothing unknown counts as zero."""

import json

import pytest

from synth.errors import AccountingError
from synth.privacy.events import (
    GaussianEvent,
    LaplaceEvent,
    LocalEvent,
    PartitionSelectionEvent,
    SelectionEvent,
    SubsampledGaussianEvent,
    event_from_dict,
    event_to_dict,
)

EVENTS = (
    GaussianEvent(what="row count", sigma=3.0),
    GaussianEvent(what="table", target=("a", "b"), sigma=3.0, l2_sensitivity=2.0),
    PartitionSelectionEvent(what="domain", target=("a",), sigma=2.0, threshold=9, delta=1e-8),
    SubsampledGaussianEvent(what="DP-SGD", noise_multiplier=1.0, sample_rate=0.1, steps=10),
    SelectionEvent(what="choice", target=("a",), epsilon=0.2),
    LaplaceEvent(what="table", target=("a",), scale=4.0, l1_sensitivity=2.0),
    LocalEvent(what="randomised", target=("a",), epsilon=0.2),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.what)
def test_events_survive_json(event):
    assert event_from_dict(json.loads(json.dumps(event_to_dict(event)))) == event


def test_mu_is_sensitivity_over_noise():
    assert [e.mu for e in EVENTS[:3]] == [1 / 3, 2 / 3, 1 / 2]


def test_a_choice_counts_as_an_eighth_of_its_squared_epsilon():
    event = SelectionEvent(what="choice", epsilon=0.4)
    assert event.rho == pytest.approx(0.02)
    assert event.mu**2 / 2 == pytest.approx(event.rho)


def test_pure_events_have_an_epsilon():
    assert (EVENTS[5].epsilon, EVENTS[6].epsilon) == (0.5, 0.2)
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(AccountingError):
            LocalEvent(what="x", target=("a",), epsilon=bad)
        with pytest.raises(AccountingError):
            LaplaceEvent(what="x", scale=bad)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"type": "exponential", "what": "x"},
        {"type": None},
        {"type": "gaussian", "what": "x", "sigma": 1.0, "free": True},
        {"type": "gaussian"},
        {"type": "gaussian", "what": "x", "sigma": True},
        {"type": "gaussian", "what": "x", "sigma": 1e-320},
        {"type": "gaussian", "what": "x", "sigma": 10**200},
        {"type": "gaussian", "what": ["x"], "sigma": 1.0},
        {"type": "gaussian", "what": "x", "target": [["a"]], "sigma": 1.0},
        {"type": "gaussian", "what": "x", "target": 5, "sigma": 1.0},
    ],
)
def test_unknown_events_and_fields_are_refused(facts):
    with pytest.raises(AccountingError):
        event_from_dict(facts)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussianEvent(what="x", sigma=float("nan")),
        lambda: GaussianEvent(what="x", sigma=float("inf")),
        lambda: GaussianEvent(what="x", sigma=0.0),
        lambda: GaussianEvent(what="x", sigma=1.0, l2_sensitivity=0.0),
        lambda: PartitionSelectionEvent(what="x", target=("a",), sigma=1.0, threshold=3, delta=-1.0),
        lambda: PartitionSelectionEvent(what="x", target=("a",), sigma=1.0, threshold=3, delta=0.0),
        *(lambda e=e: SelectionEvent(what="x", epsilon=e) for e in (0.0, -1.0, float("nan"), float("inf"))),
        lambda: SubsampledGaussianEvent(what="x", noise_multiplier=float("nan"), sample_rate=0.1, steps=1),
        lambda: SubsampledGaussianEvent(what="x", noise_multiplier=1.0, sample_rate=0.0, steps=1),
        lambda: SubsampledGaussianEvent(what="x", noise_multiplier=1.0, sample_rate=0.1, steps=0),
    ],
)
def test_parameters_that_would_read_as_free_are_refused(make):
    with pytest.raises(AccountingError, match="outside their range"):
        make()
