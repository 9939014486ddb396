import json

import pytest

from synth.errors import InputError, RefusedError
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.chain import append, read_ledger
from synth.privacy.events import GaussianEvent
from synth.privacy.ledger import Ledger, set_total
from synth.privacy.past import STEPS, UNDRAWN, Past, read_past

BUDGET = Budget(epsilon=1.0, delta=1e-6)
EVENT = GaussianEvent(what="a", sigma=60.0)


def begun(path, outcome=None):
    book = Ledger(BUDGET, path)
    book.set_rows(declared_rows(100))
    book.charge(EVENT)
    if outcome is not None:
        book.close(outcome)
    return book.run


def test_the_ledger_says_what_was_granted_charged_and_drawn(tmp_path):
    run = begun(tmp_path / "l")
    begun(tmp_path / "l", "done")
    append(tmp_path / "l", run, [(STEPS, {"training": 0, "drawn": drawn}) for drawn in (5, 9, 7)])
    budget, past = read_past(read_ledger(tmp_path / "l"), run)
    assert budget == BUDGET
    assert past == Past(events=(EVENT,), rows={"rung": 100, "public": True, "delta": 1e-6}, drawn={0: 9})


def test_what_met_no_noise_does_not_count_as_charged(tmp_path):
    book = Ledger(BUDGET, tmp_path / "l")
    events = [GaussianEvent(what=what, sigma=90.0) for what in "abcd"]
    book.charge(*events[:3])
    append(tmp_path / "l", book.run, [(UNDRAWN, {"events": 2})])
    book.charge(events[3])
    assert read_past(read_ledger(tmp_path / "l"), book.run)[1].events == (events[0], events[3])


@pytest.mark.parametrize("count", [0, 2, "many"])
def test_no_more_is_taken_back_than_was_charged(tmp_path, count):
    run = begun(tmp_path / "l")
    append(tmp_path / "l", run, [(UNDRAWN, {"events": count})])
    with pytest.raises(InputError, match="no possible count of steps or charges"):
        read_past(read_ledger(tmp_path / "l"), run)


def test_a_past_is_told_in_plain_types():
    past = Past(events=(EVENT,), rows={"rung": 100, "public": True, "delta": 1e-6}, drawn={0: 9})
    assert Past.from_dict(json.loads(json.dumps(past.to_dict()))) == past


def test_a_run_that_has_only_begun(tmp_path):
    run = Ledger(Budget(epsilon=1.0), tmp_path / "l").run
    assert read_past(read_ledger(tmp_path / "l"), run) == (Budget(epsilon=1.0), Past())


def test_an_unknown_run_and_impossible_counts(tmp_path):
    run = begun(tmp_path / "l")
    with pytest.raises(InputError, match="does not know the run"):
        read_past(read_ledger(tmp_path / "l"), "0123")
    append(tmp_path / "l", run, [(STEPS, {"training": "x"})])
    with pytest.raises(InputError, match="no possible count of steps"):
        read_past(read_ledger(tmp_path / "l"), run)


def test_what_a_run_left_over_when_it_ended_may_be_gone(tmp_path):
    """An interrupted run counts as what it charged; others may have had the rest since."""
    path = tmp_path / "l"
    set_total(path, epsilon=1.2, delta=1e-5)
    run = begun(path, "interrupted")
    read_past(read_ledger(path), run)
    Ledger(Budget(epsilon=0.8, delta=1e-6), path)
    with pytest.raises(RefusedError, match="does not fit the total"):
        read_past(read_ledger(path), run)
