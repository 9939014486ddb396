"""Processes that begin alike, and a run that goes on in all of them."""

import sys

import numpy as np
import pytest

from synth.errors import InputError, WorkerError
from synth.privacy import together
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.chain import read_ledger
from synth.privacy.checkpoint import read_checkpoint
from synth.privacy.events import SubsampledGaussianEvent
from synth.privacy.kept import KeptLedger
from synth.privacy.ledger import Ledger
from synth.privacy.together import check_alike, follow, tell
from synth.privacy.vault import PrivateTable
from synth.table import Domain

BUDGET = Budget(epsilon=1.0, delta=1e-6)
DOMAIN = Domain(names=("a",), sizes=(2,))
TRAINING = SubsampledGaussianEvent(what="training", noise_multiplier=50.0, sample_rate=0.01, steps=40)


def asked(data="t.csv", *, entity=False, keyed=False, own_rows=False):
    return together.crew(data, entity=entity, keyed=keyed, own_rows=own_rows)


def test_one_process_has_no_crew(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert asked(keyed=True) is None
    monkeypatch.delitem(sys.modules, "torch.distributed")
    assert asked() is None


def test_what_cannot_be_shared_out(monkeypatch):
    crew = object()
    monkeypatch.setattr("synth.privacy.workers.join", lambda: crew)
    assert asked() is asked(entity=True) is asked([], own_rows=True) is crew
    with pytest.raises(InputError, match="noise key"):
        asked(keyed=True)
    with pytest.raises(InputError, match="own_rows=True"):
        asked([])
    with pytest.raises(InputError, match="rows of one entity must lie in one process"):
        asked([], entity=True, own_rows=True)


@pytest.mark.parametrize("me", [0, 1])
def test_workers_that_were_started_alike_go_on(crew, tmp_path, me):
    (tmp_path / "t.csv").write_text("a")

    def task(crew):
        check_alike(crew, {"epsilon": 1.0, "seed": None, "options": {"sizes": (1, 2)}}, tmp_path / "t.csv")
        return 1

    assert [int(found) for found in crew(task, me=me)] == [1, 1, 1]


@pytest.mark.parametrize("me", [0, 1])
@pytest.mark.parametrize(("what", "match"), [
    ("option", "worker 1 was started with another options than the first one; start all of them by one command"),
    ("version", r"worker 1 has torch 0\.1, the first one 0\.0; "),
    ("file", "do not see the same files"),
])  # fmt: skip
def test_all_stop_where_one_would_do_something_else(crew, tmp_path, monkeypatch, me, what, match):
    def task(crew):
        other = crew.rank == 1
        around = {"python": "3", "program": "p", "versions": {"torch": f"0.{int(other and what == 'version')}"}}
        monkeypatch.setattr(together, "surroundings", lambda: around)
        (tmp_path / f"{crew.rank}.csv").write_text("a")
        path = tmp_path / f"{crew.rank}.csv" if what == "file" else tmp_path / "none.csv"
        with pytest.raises(InputError, match=match):
            check_alike(crew, {"epsilon": 1.0, "options": {"steps": int(other and what == "option")}}, path)
        return 1

    assert [int(found) for found in crew(task, size=2, me=me)] == [1, 1]


@pytest.mark.parametrize("me", [0, 1])
def test_frames_have_no_files_to_compare(crew, me):
    def task(crew):
        check_alike(crew, {}, [crew.rank])
        return 1

    assert [int(found) for found in crew(task, size=2, me=me)] == [1, 1]


@pytest.mark.parametrize("me", [0, 1])
def test_the_others_follow_a_plain_ledger(crew, tmp_path, me):
    def task(crew):
        if crew.leads:
            book, seed = Ledger(BUDGET, tmp_path / "l"), 7
            tell(crew, book, seed)
        else:
            book, seed = follow(crew)
        return [seed, book.budget.epsilon, isinstance(book, KeptLedger)]

    assert [found.tolist() for found in crew(task, size=2, me=me)] == [[7, 1, 0]] * 2


def opened(crew, folder, *, resume):
    """The run's ledger in this process."""
    if not crew.leads:
        return follow(crew)[0]
    if resume:
        book = KeptLedger.going_on(folder / "l", folder / "c", read_checkpoint(folder / "c"))
    else:
        book = KeptLedger(BUDGET, folder / "l", folder / "c", {}, 3)
    tell(crew, book, 3)
    return book


def table_of(crew, book):
    book.set_rows(declared_rows(90))
    book.watch(crew)
    return PrivateTable(np.zeros((5, 1), int), DOMAIN, declared_rows(90), book, entropy=crew)


@pytest.mark.parametrize("me", [0, 1])
def test_a_run_of_several_goes_on_with_the_answers_it_was_given(crew, tmp_path, me):
    """The first part answers a question, trains a while and stops; in the second both workers get the same answers again."""

    def part(crew, *, resume):
        book = opened(crew, tmp_path, resume=resume)
        table = table_of(crew, book)
        (table_a,) = table.noisy_marginals([("a",)], share=0.2)
        book.announce(TRAINING)
        steps = book.count_steps()
        drawn = steps.drawn
        for _ in range(3 - drawn):
            steps.take()
        return [drawn, len(book.events), *table_a.counts]

    first = crew(lambda crew: part(crew, resume=False), size=2, me=me)
    before = read_ledger(tmp_path / "l")
    second = crew(lambda crew: part(crew, resume=True), size=2, me=me)
    assert all(f[0] == 0 for f in first)
    assert all(s[0] == 4 for s in second)  # steps are counted two at a time
    assert len({tuple(f[1:]) for f in [*first, *second]}) == 1
    assert [r["record"] for r in read_ledger(tmp_path / "l")[len(before) :]] == ["resumed"]


def test_a_question_that_a_lost_worker_broke_off_is_asked_on_the_same_charge(crew, tmp_path):
    """No noise was drawn for it: the ledger says so, and the run goes on without another charge."""

    def first(crew, *, resume):
        book = opened(crew, tmp_path, resume=resume)
        table = table_of(crew, book)
        return book, table, table.noisy_marginals([("a",)], share=0.2)[0]

    def broken(crew):
        book, table, _ = first(crew, resume=False)
        with pytest.raises(WorkerError), book.settled():
            table.noisy_marginals([("a",)], share=0.3)
        return len(book.events)

    def whole(crew):
        book, table, _ = first(crew, resume=True)
        with book.settled():
            table.noisy_marginals([("a",)], share=0.3)
        return len(book.events)

    assert int(crew(broken, size=2, dies=(1,), last_words=lambda c: first(c, resume=False))[0]) == 1
    assert [int(found) for found in crew(whole, size=2)] == [2, 2]
    records = [r["record"] for r in read_ledger(tmp_path / "l")]
    assert records == ["run", "rows", "event", "event", "undrawn", "end", "resumed", "event", "end"]
