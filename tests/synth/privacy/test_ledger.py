"""Write-ahead, tamper evidence, and conservation of the budget."""

import json
import multiprocessing
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import InputError, RefusedError
from synth.privacy.account import read_account
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import Budget, counted_rows, declared_rows, default_delta
from synth.privacy.chain import GENESIS, append, read_ledger
from synth.privacy.events import GaussianEvent, LocalEvent, PartitionSelectionEvent, event_from_dict, event_to_dict
from synth.privacy.ledger import Ledger, LocalLedger, record_asking, set_total

BUDGET = Budget(epsilon=1.0, delta=1e-6)
EVENT = GaussianEvent(what="count", target=("a",), sigma=40.0)


def run_of(path, charges=2):
    book = Ledger(BUDGET, path)
    book.set_rows(declared_rows(1000))
    for _ in range(charges):
        book.charge(EVENT)
    book.close("done")
    return book


def test_a_charge_is_on_disk_when_it_returns(tmp_path):
    book = Ledger(BUDGET, tmp_path / "l")
    book.charge(EVENT)
    last = read_ledger(tmp_path / "l")[-1]
    facts = {k: v for k, v in last.items() if k not in ("record", "run", "time", "previous")}
    assert event_from_dict(facts) == EVENT == book.events[0]
    assert last["run"] == book.run


def test_a_refusal_leaves_no_trace(tmp_path):
    book = Ledger(BUDGET, tmp_path / "l")
    book.charge(EVENT)
    before = (tmp_path / "l").read_bytes()
    with pytest.raises(RefusedError, match="does not fit the budget"):
        book.charge(GaussianEvent(what="too much", sigma=0.1))
    assert (tmp_path / "l").read_bytes() == before
    assert book.events == (EVENT,)


def test_an_event_that_cannot_be_written_is_not_granted(tmp_path):
    book = Ledger(BUDGET, tmp_path / "l")
    os.remove(tmp_path / "l")
    (tmp_path / "l").mkdir()
    with pytest.raises(InputError, match="cannot write the ledger"):
        book.charge(EVENT)
    assert book.events == ()


@given(st.lists(st.tuples(st.floats(3, 60), st.booleans()), max_size=12), st.booleans(), st.sampled_from([0.1, 1.0, 5.0]))
def test_no_sequence_of_requests_exceeds_the_budget(requests, counted, epsilon):
    book = Ledger(Budget(epsilon=epsilon))
    book.set_rows(counted_rows(5000, 9.0) if counted else declared_rows(5000))
    granted = 0
    for sigma, select in requests:
        event = GaussianEvent(what="x", sigma=sigma)
        if select:
            event = PartitionSelectionEvent(what="x", target=("a",), sigma=sigma, threshold=400, delta=book.working_delta / 4)
        try:
            book.charge(event)
            granted += 1
        except RefusedError:
            assert epsilon_of([*book.events, event], book.working_delta) > epsilon
        assert epsilon_of(book.events, book.working_delta) <= epsilon
    assert len(book.events) == granted
    assert book.spent() == (epsilon_of(book.events, book.working_delta) if granted else 0.0)


def test_delta_comes_from_the_rung_unless_it_was_chosen():
    rows = counted_rows(5000, 9.0)
    free = Ledger(Budget(epsilon=1.0))
    assert free.working_delta == free.delta / 4
    free.set_rows(rows)
    assert free.delta == default_delta(rows)
    assert free.working_delta < free.delta / 4
    assert free.rows is rows
    chosen = Ledger(BUDGET)
    chosen.set_rows(rows)
    assert chosen.delta == 1e-6
    assert chosen.working_delta < 1e-6 / 2


def test_delta_that_could_publish_a_row_is_refused():
    book = Ledger(Budget(epsilon=1.0, delta=1e-3))
    with pytest.raises(RefusedError, match=r"not below 1 / rows .* use --delta"):
        book.set_rows(declared_rows(2000))


def test_runs_share_a_file_and_one_chain(tmp_path):
    first, second = run_of(tmp_path / "l"), run_of(tmp_path / "l")
    records = read_ledger(tmp_path / "l")
    assert [r["run"] for r in records] == [first.run] * 5 + [second.run] * 5
    assert [r["record"] for r in records] == ["run", "rows", "event", "event", "end"] * 2
    assert records[0]["previous"] == GENESIS
    assert second.spent() == first.spent()


def test_no_file_is_an_empty_history(tmp_path):
    assert read_ledger(tmp_path / "none") == []
    assert Ledger(BUDGET).events == ()


@pytest.mark.parametrize("line", range(4))
@pytest.mark.parametrize("harm", ["edit", "remove", "cut", "garbage", "list"])
def test_changed_and_removed_lines_show(tmp_path, line, harm):
    path = tmp_path / "l"
    run_of(path)
    lines = path.read_bytes().splitlines(keepends=True)
    if harm == "edit":
        facts = json.loads(lines[line])
        facts["time"] = "2000-01-01"
        lines[line] = json.dumps(facts, sort_keys=True).encode() + b"\n"
    elif harm == "remove":
        del lines[line]
    else:
        lines[line] = {"cut": lines[line][:-20] + b"\n", "garbage": b"\xff\xfe{\n", "list": b"[1]\n"}[harm]
    path.write_bytes(b"".join(lines))
    with pytest.raises(InputError, match=rf"(damaged|altered) at line {line + 1}"):
        read_ledger(path)
    with pytest.raises(InputError, match="restore it from a backup"):
        Ledger(BUDGET, path)


def test_a_last_line_cut_short_by_a_crash_never_took_effect(tmp_path):
    path = tmp_path / "l"
    run_of(path)
    whole = read_ledger(path)
    path.write_bytes(path.read_bytes()[:-30])
    assert read_ledger(path) == whole[:-1]
    run_of(path)  # the next run clears the stump and goes on with the chain
    assert read_ledger(path)[: len(whole) - 1] == whole[:-1]
    assert len(read_ledger(path)) == 2 * len(whole) - 1


def test_several_events_are_charged_together_or_not_at_all(tmp_path):
    path = tmp_path / "l"
    ledger = Ledger(BUDGET, path)
    before = path.read_bytes()
    small, large = GaussianEvent(what="small", sigma=1000.0), GaussianEvent(what="large", sigma=0.001)
    with pytest.raises(RefusedError):
        ledger.charge(small, large)
    assert (ledger.events, path.read_bytes()) == ((), before)
    ledger.charge(small, small)
    assert [r["record"] for r in read_ledger(path)] == ["run", "event", "event"]


def test_swapped_lines_show(tmp_path):
    path = tmp_path / "l"
    run_of(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2], lines[3] = lines[3], lines[2]
    path.write_bytes(b"".join(lines))
    with pytest.raises(InputError, match="altered at line 3"):
        read_ledger(path)


def test_a_directory_is_no_ledger(tmp_path):
    with pytest.raises(InputError, match="cannot write the ledger"):
        Ledger(BUDGET, tmp_path)


def _append(book, count):
    for _ in range(count):
        book._write(("event", {"what": "x" * 3000}))


def test_concurrent_appends_keep_the_chain(tmp_path):
    path = tmp_path / "l"
    book = Ledger(BUDGET, path)
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_append, args=(book, 12)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(read_ledger(path)) == 1 + 4 * 12


@pytest.mark.parametrize("line", ['{"hash": 3, "record": "run"}', "[]", "{}", "\\xff", "null"])
def test_lines_that_are_no_records_show(tmp_path, line):
    path = tmp_path / "l"
    run_of(path)
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    with pytest.raises(InputError, match="damaged at line"):
        read_ledger(path)
    with pytest.raises(InputError, match="damaged at line"):
        run_of(path)


def test_askings_join_the_chain_and_are_counted(tmp_path):
    path = tmp_path / "l"
    with pytest.raises(InputError, match="there is no ledger"):
        record_asking(path, {})
    run_of(path)
    assert [record_asking(path, {"policy": "abc"}) for _ in range(3)] == [0, 1, 2]
    asked = [record for record in read_ledger(path) if record["record"] == "asked"]
    assert [record["policy"] for record in asked] == ["abc"] * 3
    assert run_of(path).spent() > 0
    assert len(read_ledger(path)) == 13


def test_a_run_says_what_it_is_for(tmp_path):
    Ledger(BUDGET, tmp_path / "l")
    Ledger(BUDGET, tmp_path / "l", purpose="report")
    assert [record["purpose"] for record in read_ledger(tmp_path / "l")] == ["fit", "report"]


CELLS = LocalEvent(what="randomised", target=("a",), epsilon=0.5)


def local_run(path, epsilon=1.0, outcome="done", events=(CELLS, CELLS)):
    book = LocalLedger(epsilon, path, purpose="randomize")
    book.charge(*events)
    if outcome is not None:
        book.close(outcome)
    return book


def test_a_local_run_has_no_delta_and_counts_by_its_events(tmp_path):
    path = tmp_path / "l"
    local_run(path)
    (found,) = read_account(read_ledger(path)).runs
    assert (found.epsilon, found.delta, found.exact, found.purpose) == (1.0, 0.0, True, "randomize")
    assert read_account(read_ledger(path)).spent(1e-9) == pytest.approx(1.0, abs=1e-6)


def test_a_local_run_that_died_counts_as_its_grant(tmp_path):
    path = tmp_path / "l"
    local_run(path, outcome=None, events=(CELLS,))
    (found,) = read_account(read_ledger(path)).runs
    assert not found.exact
    assert read_account(read_ledger(path)).spent(1e-9) == pytest.approx(1.0, abs=1e-6)


def test_a_local_run_charges_local_events_up_to_its_epsilon_and_no_others(tmp_path):
    book = local_run(tmp_path / "l", outcome=None)
    for event in (CELLS, EVENT):
        with pytest.raises(RefusedError, match="does not fit"):
            book.charge(event)
    assert book.events == (CELLS, CELLS)


def test_local_runs_and_runs_that_protect_a_row_share_a_total(tmp_path):
    path = tmp_path / "l"
    set_total(path, epsilon=2.0, delta=1e-5)
    local_run(path)
    with pytest.raises(RefusedError, match=r"at most epsilon = 0.999 is left"):
        local_run(path, epsilon=1.5)
    run_of(path)
    with pytest.raises(RefusedError, match="does not fit the total"):
        local_run(path, epsilon=1.0)


def test_local_runs_do_not_share_a_ledger_with_runs_that_protect_persons(tmp_path):
    Ledger(BUDGET, tmp_path / "l", unit="patient")
    with pytest.raises(InputError, match="another unit"):
        local_run(tmp_path / "l")
    local_run(tmp_path / "m")
    with pytest.raises(InputError, match="another unit"):
        Ledger(BUDGET, tmp_path / "m", unit="patient")


def test_no_other_run_goes_without_a_delta(tmp_path):
    append(tmp_path / "l", "r", [("run", {"epsilon": 1.0, "delta": 0.0})])
    with pytest.raises(InputError, match="no possible figures"):
        read_account(read_ledger(tmp_path / "l"))


def test_endless_local_charges_of_a_forged_ledger_count_as_their_grant(tmp_path):
    path = tmp_path / "l"
    facts = {"epsilon": 1.0, "delta": 0.0, "adjacency": "blank-one-row", "purpose": "x"}
    many = event_to_dict(LocalEvent(what="x", target=("a",), epsilon=1e9))
    append(path, "r", [("run", facts), ("event", many), ("end", {"outcome": "done"})])
    assert not read_account(read_ledger(path)).runs[0].exact
