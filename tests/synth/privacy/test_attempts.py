"""The best of several tries: held to the budget, judged by a paid score, silent about all others."""

import json
import warnings

import numpy as np
import pytest

from synth.errors import AccountingError, RefusedError
from synth.privacy.accounting import epsilon_of
from synth.privacy.attempts import AttemptLedger, Scoring, Try, best_of, expected, planned, planned_part
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.distance import distance_event
from synth.privacy.events import GaussianEvent, SelectionEvent
from synth.privacy.ledger import Ledger
from synth.privacy.repetitions import Repetitions
from synth.privacy.vault import PrivateTable
from synth.table import Domain

DOMAIN, N = Domain(names=("a", "b"), sizes=(2, 2)), 1000
SCORING = Scoring(groups=(np.arange(2), np.arange(2)), subsets=(("a", "b"),), weights=(1.0,))
RUNS = Repetitions(gamma=0.05)
RIGHT, WRONG = np.array([[N, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, N]])


def table_of(epsilon=1.0, path=None):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-5), path, purpose="tune")
    book.set_rows(declared_rows(N))
    return PrivateTable(np.zeros((N, 2), dtype=np.int64), DOMAIN, declared_rows(N), book)


def way(guess, seen=None, spend=True):
    def go(table):
        if seen is not None:
            seen.append(table.ledger)
        if spend:
            table.noisy_marginals_with_rest([("a", "b")])
        return Try(result=guess, guesses=((("a", "b"), guess),))

    return go


class Draws:
    """A fixed number of tries."""

    def __init__(self, number):
        self.number = number

    def __get__(self, instance, owner):
        return lambda entropy: self.number


def test_the_better_way_wins(monkeypatch):
    """In 24 tries both ways occur but for 1.2e-7; the gap of 2000 rows is more than eight standard deviations."""
    monkeypatch.setattr(Repetitions, "draw", Draws(24))
    found = best_of(table_of(), [way(WRONG), way(RIGHT)], SCORING, RUNS)
    assert found.place == 1
    assert found.result is RIGHT


def test_every_try_and_all_before_it_stay_within_what_the_event_says(monkeypatch):
    monkeypatch.setattr(Repetitions, "draw", Draws(3))
    table, seen = table_of(), []
    table.noisy_marginals([("a",)], share=0.1)
    best_of(table, [way(WRONG, seen), way(RIGHT, seen)], SCORING, RUNS)
    event = table.ledger.events[-1]
    for book in seen:
        own = book.events[1:]
        assert book.events[0].mu == pytest.approx(table.ledger.events[0].mu)
        assert epsilon_of(book.events, event.run_delta) <= event.run_epsilon
        assert epsilon_of(book.events, event.run_delta) >= 0.999 * event.run_epsilon
        assert epsilon_of(own, event.near_delta) <= event.near_epsilon
        assert [e.what for e in own] == ["distance of tables", "table"]
    assert len({id(book) for book in seen}) == 3
    assert epsilon_of(table.ledger.events, table.ledger.working_delta) <= 1.0


def test_nothing_tells_how_many_tries_there_were(tmp_path, monkeypatch):
    kept = []
    for number in (1, 40):
        monkeypatch.setattr(Repetitions, "draw", Draws(number))
        path = tmp_path / f"{number}.jsonl"
        table = table_of(path=path)
        with table.ledger.settled():
            best_of(table, [way(RIGHT), way(RIGHT)], SCORING, RUNS)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        kept.append([{k: v for k, v in r.items() if k not in ("hash", "previous", "run")} for r in lines])
    for one, other in zip(*kept, strict=True):
        assert one.keys() == other.keys()
        assert {**one, "time": 0} == {**other, "time": 0}
    assert kept[0][-1]["time"] == "not told"


def test_a_try_that_fails_is_the_worst_and_how_it_fails_is_not_told(monkeypatch):
    monkeypatch.setattr(Repetitions, "draw", Draws(24))

    def broken(table):
        raise ValueError("row 17 holds a secret")

    assert best_of(table_of(), [broken, way(WRONG)], SCORING, RUNS).place == 1
    with pytest.raises(RefusedError) as caught:
        best_of(table_of(), [broken, broken], SCORING, RUNS)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_warnings_of_tries_are_not_told(monkeypatch, recwarn):
    """They are decided by noisy answers of tries that do not leave."""
    monkeypatch.setattr(Repetitions, "draw", Draws(20))

    def loud(table):
        (found,) = table.noisy_marginals_with_rest([("a", "b")])
        warnings.warn(f"noise was {found.counts[0, 0]}", stacklevel=1)
        np.log(-np.abs(found.counts) - 1)
        return Try(result=WRONG, guesses=((("a", "b"), WRONG),))

    assert best_of(table_of(), [loud, way(RIGHT)], SCORING, RUNS).place == 1
    assert len(recwarn) == 0


def test_tries_are_charged_once_and_nothing_afterwards():
    table = table_of()
    best_of(table, [way(RIGHT), way(WRONG)], SCORING, RUNS)
    with pytest.raises(AccountingError):
        best_of(table, [way(RIGHT), way(WRONG)], SCORING, RUNS)
    with pytest.raises(RefusedError):
        table.noisy_marginals([("a",)], share=1e-6)
    with pytest.raises(RefusedError):
        table.noisy_marginals_with_rest([("a",)])


def test_a_score_is_paid_for_first_and_drawn_once():
    table = table_of()
    event = planned(table.ledger, RUNS)
    with pytest.raises(AccountingError, match="when they are charged"):
        AttemptLedger(table.ledger, event)
    table.ledger.charge(event)
    book, score = AttemptLedger(table.ledger, event), distance_event([1.0], 30.0)
    book.pay_for_score(score)
    assert book.ask(score, draw=lambda: [1]) == [1]
    assert book.events == (score,)
    book.ask(score, draw=lambda: [1])
    assert book.events == (score, score)


def test_a_try_is_held_to_both_points_of_its_curve():
    table = table_of()
    event = planned(table.ledger, RUNS)
    table.ledger.charge(event)
    book = AttemptLedger(table.ledger, event)
    rough = SelectionEvent(what="choice", epsilon=0.3)
    assert epsilon_of([rough], event.run_delta) < event.run_epsilon
    with pytest.raises(RefusedError, match="one of several tries"):
        book.charge(rough)
    with pytest.raises(RefusedError):
        book.charge(GaussianEvent(what="count", sigma=1.0))


def test_too_little_is_refused_before_anything_is_charged():
    table = table_of()
    table.ledger.charge(GaussianEvent(what="most", sigma=1 / 0.26))
    with pytest.raises(RefusedError, match="too little is left"):
        best_of(table, [way(RIGHT), way(WRONG)], SCORING, RUNS)
    assert len(table.ledger.events) == 1
    with pytest.raises(RefusedError, match="too little"):
        expected(Budget(epsilon=1.0, delta=1e-12), RUNS)
    mixed = Ledger(Budget(epsilon=1.0, delta=1e-5))
    mixed.charge(SelectionEvent(what="s", epsilon=0.01))
    with pytest.raises(AccountingError, match="only counts"):
        planned(mixed, RUNS)


def test_earlier_phases_plan_for_what_a_try_has():
    part = planned_part(Budget(epsilon=1.0), RUNS)
    assert 0.5 < part < 0.8
    assert planned_part(Budget(epsilon=1.0, delta=1e-5), Repetitions(gamma=0.5)) > part
