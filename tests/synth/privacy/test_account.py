"""Runs of a data set together: composition, reservations, refusals, and many processes at one ledger."""

import math
import multiprocessing
import os
import signal

import pytest

from synth.errors import AccountingError, InputError, RefusedError
from synth.privacy import composed
from synth.privacy.account import read_account, rounded_down
from synth.privacy.accounting import epsilon_of, gaussian_epsilon, gaussian_mu
from synth.privacy.budget import Budget, counted_rows, declared_rows
from synth.privacy.chain import append, read_ledger
from synth.privacy.events import (
    BURNT_TRAINING,
    GaussianEvent,
    PartitionSelectionEvent,
    SelectionEvent,
    SubsampledGaussianEvent,
    event_to_dict,
)
from synth.privacy.ledger import Ledger, check_admission, set_total

SGD = SubsampledGaussianEvent(what="DP-SGD", noise_multiplier=1.5, sample_rate=0.02, steps=200)


ROWS = declared_rows(1000)


def full(book, share=0.99):
    """A count that spends nearly the whole budget."""
    return GaussianEvent(what="all", sigma=1 / (gaussian_mu(book.budget.epsilon, book.working_delta) * share))


def run_of(path, epsilon=1.0, delta=1e-6, *, rows=ROWS, events=None, outcome="done"):
    book = Ledger(Budget(epsilon=epsilon, delta=delta), path)
    if rows is not None:
        book.set_rows(rows)
    book.charge(*([full(book)] if events is None else events))
    if outcome is not None:
        book.close(outcome)
    return book


def read(path):
    return read_account(read_ledger(path))


def test_finished_runs_compose_exactly(tmp_path):
    path = tmp_path / "l"
    books = [run_of(path, delta=1e-6) for _ in range(4)]
    found = read(path)
    assert [r.exact for r in found.runs] == [True] * 4
    mu = math.sqrt(sum(e.mu**2 for b in books for e in b.events))
    assert found.spent(1e-5) == pytest.approx(gaussian_epsilon(mu, 1e-5), rel=1e-3)
    assert found.spent(1e-5) < 2 < found.sums()[0] == 4


def test_a_run_that_was_led_past_its_training_counts_as_its_grant(tmp_path):
    """A neighbouring table might have had DP-SGD, with another privacy curve: its events stand for one path only."""
    path = tmp_path / "l"
    book = Ledger(Budget(epsilon=1.0, delta=1e-6), path)
    book.set_rows(ROWS)
    book.charge(GaussianEvent(what=BURNT_TRAINING, sigma=full(book).sigma))
    book.close("done")
    assert not read(path).runs[0].exact


def test_training_and_counts_of_several_runs_are_one_distribution(tmp_path):
    path = tmp_path / "l"
    first = run_of(path, epsilon=3.0, events=[SGD, GaussianEvent(what="x", sigma=20.0)], outcome="interrupted")
    second = run_of(path, epsilon=3.0, events=[SGD], outcome="failed")
    expected = epsilon_of([*first.events, *second.events], 1e-5)
    assert read(path).spent(1e-5) == pytest.approx(expected, rel=1e-2)
    assert read(path).spent(1e-5) >= expected


@pytest.mark.parametrize(
    "odd",
    [
        {"outcome": None},
        {"rows": counted_rows(5000, 9.0)},
        {"events": [SelectionEvent(what="choice", epsilon=0.1)]},
        {"events": [GaussianEvent(what="little", sigma=500.0)]},
        {"events": [GaussianEvent(what="little", sigma=500.0)], "outcome": "refused"},
        {"outcome": "refused"},
        {"events": []},
    ],
    ids=["died", "row count paid", "choice", "ended early", "refused early", "refused late", "nothing charged"],
)
def test_what_is_not_sure_counts_as_its_grant(tmp_path, odd):
    """A single (1, 1e-6) grant, and never less than what was charged."""
    if odd.get("events") == []:
        book = Ledger(Budget(epsilon=1.0, delta=1e-6), tmp_path / "l")
        book.set_rows(declared_rows(1000))
        book.close("done")
    else:
        run_of(tmp_path / "l", **odd)
    (past,) = read(tmp_path / "l").runs
    assert not past.exact
    assert read(tmp_path / "l").spent(1e-6) == 1.0
    assert read(tmp_path / "l").spent(0.9e-6) == math.inf
    assert 0.99 < read(tmp_path / "l").spent(1e-5) <= 1.0


def test_a_run_that_ended_before_its_row_count_costs_its_charges_alone(tmp_path):
    run_of(tmp_path / "l", rows=None, events=[GaussianEvent(what="row count", sigma=60.0)], outcome="refused")
    assert read(tmp_path / "l").spent(1e-6) == pytest.approx(gaussian_epsilon(1 / 60, 1e-6), rel=1e-3)


def test_nothing_charged_and_nothing_reserved_is_nothing(tmp_path):
    Ledger(Budget(epsilon=1.0), tmp_path / "l").close("failed")
    assert read(tmp_path / "l").spent(1e-6) == 0.0
    assert read(tmp_path / "l").spent(1e-6, more=Budget(epsilon=0.5, delta=1e-6)) == 0.5
    assert read(tmp_path / "l").sums() == (0, 0)


def test_selection_deltas_are_charged(tmp_path):
    event = PartitionSelectionEvent(what="names", target=("a",), sigma=10.0, threshold=50, delta=4e-7)
    run_of(tmp_path / "l", events=[event], outcome="interrupted")
    assert read(tmp_path / "l").spent(4.1e-7) == pytest.approx(epsilon_of([event], 4.1e-7), rel=1e-3)
    run_of(tmp_path / "l", events=[event], outcome="interrupted")
    assert read(tmp_path / "l").spent(7.9e-7) == math.inf


def test_delta_of_a_run_that_named_none_is_the_one_it_derived_or_the_largest_possible(tmp_path):
    run_of(tmp_path / "a", delta=None, rows=declared_rows(50_000))
    assert read(tmp_path / "a").runs[0].delta == 6.8e-7
    Ledger(Budget(epsilon=1.0), tmp_path / "b")
    assert read(tmp_path / "b").runs[0].delta == 1e-5


def test_a_total_is_enforced_and_the_largest_epsilon_named_really_fits(tmp_path):
    path = tmp_path / "l"
    set_total(path, epsilon=2.0, delta=1e-5, name="patients")
    run_of(path)
    run_of(path)
    before = path.read_bytes()
    with pytest.raises(RefusedError, match=r"total of 'patients' .* 2 earlier run\(s\) .* use --epsilon ([\d.]+)") as refusal:
        Ledger(Budget(epsilon=1.5, delta=1e-6), path)
    assert path.read_bytes() == before
    room = float(str(refusal.value).partition("use --epsilon ")[2].partition(",")[0])
    assert 0.5 < room < 1.5
    with pytest.raises(RefusedError):
        check_admission(path, Budget(epsilon=room * 1.01, delta=1e-6))
    check_admission(path, Budget(epsilon=room, delta=1e-6))
    assert path.read_bytes() == before
    run_of(path, epsilon=room)
    assert read(path).spent(1e-5) <= 2.0


def test_a_whole_total_can_be_spent_in_one_run_and_then_nothing_is_left(tmp_path):
    path = tmp_path / "l"
    found = set_total(path, epsilon=1.0, delta=1e-6)
    assert found.room(found.total, 1e-6) == 1.0
    run_of(path, epsilon=1.0, delta=1e-6, outcome=None)
    with pytest.raises(RefusedError, match=r"does not fit the total .epsilon.* nothing is left .* smaller --delta"):
        Ledger(Budget(epsilon=0.01), path)


def test_delta_defaults_to_a_tenth_of_the_total(tmp_path):
    set_total(tmp_path / "l", epsilon=5.0, delta=1e-5)
    book = Ledger(Budget(epsilon=1.0), tmp_path / "l")
    assert book.budget.delta == book.delta == 1e-6
    book.set_rows(declared_rows(100))
    assert book.delta == 1e-6


def test_the_last_total_counts_and_keeps_the_data_sets_name(tmp_path):
    path = tmp_path / "l"
    run_of(path)
    first = set_total(path, epsilon=1.0, delta=1e-5, name="a").total
    second = set_total(path, epsilon=3.0, delta=1e-5).total
    assert (first.dataset, "a", 3.0) == (second.dataset, second.name, read(path).total.epsilon)
    assert len(first.dataset) == 32
    assert set_total(tmp_path / "m", epsilon=1.0, delta=1e-5).total.dataset != first.dataset


@pytest.mark.parametrize(
    "wrong",
    [{"epsilon": 0.0}, {"epsilon": math.nan}, {"epsilon": 101.0}, {"delta": 0.0}, {"delta": 0.5}, {"name": "a\nb"}],
)
def test_impossible_totals_are_refused(tmp_path, wrong):
    with pytest.raises(InputError, match=r"total|name"):
        set_total(tmp_path / "l", **({"epsilon": 1.0, "delta": 1e-5, "name": ""} | wrong))


@pytest.mark.parametrize(
    "facts",
    [
        ("run", {"epsilon": 1.0}),
        ("run", {"epsilon": "1", "delta": None}),
        ("run", {"epsilon": -1.0, "delta": None}),
        ("budget", {"epsilon": 1.0, "delta": 1e-5, "dataset": 5, "name": ""}),
        ("budget", {"epsilon": True, "delta": 1e-5, "dataset": "", "name": ""}),
        ("end", {"outcome": "done"}),
    ],
)
def test_impossible_figures_with_a_right_chain_are_refused(tmp_path, facts):
    append(tmp_path / "l", "r", [facts])
    with pytest.raises(InputError, match="line 1 of the ledger holds no possible figures"):
        Ledger(Budget(epsilon=1.0), tmp_path / "l")


def test_an_unknown_event_is_no_free_event(tmp_path):
    append(tmp_path / "l", "r", [("run", {"epsilon": 1.0, "delta": 1e-6}), ("event", {"type": "magic"})])
    with pytest.raises(AccountingError, match="unknown type"):
        check_admission(tmp_path / "l", Budget(epsilon=1.0))


@pytest.mark.parametrize(
    "wild",
    [
        SubsampledGaussianEvent(what="x", noise_multiplier=1e-6, sample_rate=0.1, steps=5),
        SubsampledGaussianEvent(what="x", noise_multiplier=1.0, sample_rate=0.1, steps=10**12),
        GaussianEvent(what="x", sigma=1e-9),
    ],
)
def test_a_forged_event_does_not_blow_up_the_accountant(tmp_path, wild):
    begun = ("run", {"epsilon": 1.0, "delta": 1e-6})
    append(tmp_path / "l", "r", [begun, ("event", event_to_dict(wild)), ("end", {"outcome": "failed"})])
    assert not read(tmp_path / "l").runs[0].exact
    assert read(tmp_path / "l").spent(1e-6) == 1.0


def test_a_strange_delta_of_a_row_count_is_not_trusted(tmp_path):
    begun = ("run", {"epsilon": 1.0, "delta": None})
    append(tmp_path / "l", "r", [begun, ("rows", {"public": True, "delta": 0.0}), ("asked", {})])
    assert read(tmp_path / "l").runs[0].delta == 1e-5


def test_a_figure_that_is_none_gives_no_guarantee(tmp_path, monkeypatch):
    class Lost:
        def compose(self, other):
            return self

        def get_epsilon_for_delta(self, delta):
            return math.nan

    run_of(tmp_path / "l", outcome=None)
    monkeypatch.setattr(composed, "_past", lambda events, grants: Lost())
    with pytest.raises(AccountingError, match="no figure"):
        read(tmp_path / "l").spent(1e-5)


def test_rounding_is_downwards():
    assert [rounded_down(v) for v in (0.123456, 0.99999, 1.0, 12.39, 0.5)] == [0.123, 0.999, 1.0, 12.3, 0.5]


def _fit(path, ready, done):
    ready.wait()
    try:
        book = Ledger(Budget(epsilon=0.5, delta=1e-7), path)
        book.set_rows(declared_rows(1000))
        book.charge(full(book))
        done.put("in")
    except RefusedError:
        done.put("refused")


def test_processes_at_one_ledger_never_exceed_the_total_together(tmp_path):
    """Eight at once ask for 0.5 of a total of 2: reserved grants add up, so exactly four get in."""
    path = tmp_path / "l"
    set_total(path, epsilon=2.0, delta=1e-6)
    fork = multiprocessing.get_context("fork")
    ready, done = fork.Event(), fork.Queue()
    workers = [fork.Process(target=_fit, args=(path, ready, done)) for _ in range(8)]
    for worker in workers:
        worker.start()
    ready.set()
    said = sorted(done.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert said == ["in"] * 4 + ["refused"] * 4
    assert read(path).spent(1e-6) <= 2.0


def _hang(path, ready):
    book = Ledger(Budget(epsilon=0.7, delta=1e-7), path)
    book.charge(GaussianEvent(what="row count", sigma=60.0))
    ready.set()
    signal.pause()


def test_a_killed_run_keeps_its_reservation(tmp_path):
    path = tmp_path / "l"
    set_total(path, epsilon=1.0, delta=1e-6)
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()
    worker = fork.Process(target=_hang, args=(path, ready))
    worker.start()
    assert ready.wait(60)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    found = read(path)
    assert [r.outcome for r in found.runs] == [None]
    assert found.spent(1e-6) == pytest.approx(0.7, rel=1e-5)
    assert 0.29 < found.room(found.total, 1e-7) <= 0.3
