"""Runs that end with the best of several tries: what they are told to cost, and by which other bound."""

import dataclasses
import math

import pytest

from synth.errors import AccountingError
from synth.privacy.accounting import epsilon_of, group_epsilon, replace_one_epsilon
from synth.privacy.attempts import planned
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.crosscheck import cross_check
from synth.privacy.events import (
    GaussianEvent,
    PartitionSelectionEvent,
    SelectionEvent,
    event_from_dict,
    event_to_dict,
)
from synth.privacy.gaussian import gaussian_mu
from synth.privacy.ledger import Ledger
from synth.privacy.repeated import adaptive, cross_check_repeated, repeated_epsilon, repeated_renyi_epsilon, repeats
from synth.privacy.repetitions import Repetitions

COUNT = GaussianEvent(what="count", sigma=50.0)
NAMES = PartitionSelectionEvent(what="names", target=("x",), sigma=80.0, threshold=400.0, delta=1e-7)


def run(epsilon=1.0, runs=None, before=(COUNT, NAMES)):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(10_000))
    book.charge(*before)
    event = planned(book, runs or Repetitions(gamma=0.05))
    book.charge(event)
    return book, event


@pytest.mark.parametrize("epsilon", [0.3, 1.0, 5.0])
def test_the_whole_is_what_was_granted(epsilon):
    book, event = run(epsilon)
    found = epsilon_of(book.events, book.working_delta)
    assert epsilon * 0.999 < found <= epsilon
    assert found == event.epsilon == event.run_epsilon + Repetitions(gamma=0.05).shift(event.near_epsilon, event.near_delta)
    assert event_from_dict(event_to_dict(event)) == event


def test_nothing_fits_beside_the_tries():
    book, event = run()
    delta = book.working_delta
    for events in ([event, COUNT], [event, event], [SelectionEvent(what="s", epsilon=1e-3), event]):
        assert repeated_epsilon(events, delta) == math.inf
        with pytest.raises(AccountingError, match="beside the tries"):
            cross_check_repeated(events, delta)
    assert repeated_epsilon([GaussianEvent(what="much", sigma=1.0), event], delta) == math.inf
    assert repeated_epsilon(book.events, delta / 2) == math.inf
    assert event.mu == math.inf


def test_other_readings_have_no_finite_figure():
    book, _ = run()
    assert replace_one_epsilon(book.events, 1e-6) == group_epsilon(book.events, 1e-6, 2) == math.inf
    assert adaptive(book.events)
    assert adaptive([SelectionEvent(what="s", epsilon=1.0)])
    assert not adaptive([COUNT])
    assert not repeats([COUNT])


def theorem_2(event, own, before, delta):
    """Papernot and Steinke (2022), Theorem 2, for a Gaussian base, and the usual conversion; by brute force over orders."""
    orders = [1 + 10 ** (x / 40) for x in range(-40, 120)]
    flat = min((1 - 1 / a) * a * own**2 / 2 + math.log(1 / event.gamma) / a for a in orders)
    eps = []
    for a in orders:
        rdp = a * (own**2 + before**2) / 2 + (1 + event.shape) * flat + math.log(event.mean) / (a - 1)
        eps.append(rdp + math.log1p(-1 / a) - math.log(delta * a) / (a - 1))
    return min(eps)


@pytest.mark.parametrize("shape", [0.0, 1.0])
def test_the_second_accountant_is_the_papers_theorem(shape):
    book, event = run(runs=Repetitions(shape=shape, gamma=0.05), before=(COUNT,))
    own = math.sqrt(gaussian_mu(event.run_epsilon, event.run_delta) ** 2 - COUNT.mu**2)
    theirs = repeated_renyi_epsilon(event, COUNT.mu, 1e-6)
    assert theirs == pytest.approx(theorem_2(event, own, COUNT.mu, 1e-6), rel=0.01)
    checked = cross_check(book.events, book.working_delta)
    assert checked["privacy profile"] <= checked["rdp"] * 1.01


def test_accountants_that_disagree_give_no_guarantee(monkeypatch):
    from synth.privacy import repeated

    book, _ = run()
    monkeypatch.setattr(repeated, "repeated_renyi_epsilon", lambda *_: 0.1)
    with pytest.raises(AccountingError, match="disagree"):
        cross_check(book.events, book.working_delta)


@pytest.mark.parametrize("change", [{"gamma": 2.0}, {"run_delta": 0.0}, {"near_epsilon": math.nan}, {"shape": -1.0}])
def test_impossible_events_are_refused(change):
    _, event = run()
    with pytest.raises(AccountingError):
        dataclasses.replace(event, **change)
