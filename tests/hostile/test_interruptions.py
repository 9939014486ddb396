"""What goes wrong around an interrupted run: clocks that jump, folders that refuse, two processes at one place."""

import os
import stat
import time
import traceback
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import synth.privacy.chain as chain
import synth.receipt
from synth.api import fit
from synth.atomic import atomic_path
from synth.errors import InputError, SynthError
from synth.privacy.account import read_account
from synth.privacy.chain import read_ledger
from synth.privacy.events import SubsampledGaussianEvent
from synth.privacy.journal import KeptStepCount
from synth.privacy.ledger import set_total
from synth.privacy.past import read_past
from synth.release import load
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="n", kind=Kind.INTEGER, bounds=(0, 30), nullable=False),
        Column(name="sex", kind=Kind.CATEGORY, categories=("f", "m"), nullable=False),
    ),
    public_rows=400,
)
OPTIONS = {"warm_start": False, "steps": 20, "latent": 1, "components": 2}
NOBODY = 65534
WORKED, SAID = 0, 2


@pytest.fixture
def places():
    """Two empty folders of somebody who is not root, whom no folder refuses; the test runs as that somebody."""
    root = os.geteuid() == 0
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folders = Path(name) / "one", Path(name) / "other"
        for folder in folders:
            folder.mkdir(0o755)
            os.chown(folder, NOBODY if root else -1, -1)
        if root:
            os.setresuid(NOBODY, NOBODY, 0)
        try:
            yield folders
        finally:
            if root:
                os.setresuid(0, 0, 0)
            for folder in folders:
                folder.chmod(0o755)


def go(folder, *, resume=False, ledger=None):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"n": rng.integers(0, 30, 400).astype(str), "sex": rng.choice(["f", "m"], 400)})
    return fit(
        frame, epsilon=20.0, delta=1e-6, schema=SCHEMA, model="dpvae", options=OPTIONS, ledger=ledger or folder / "l",
        checkpoint=folder / "c", resume=resume,
    )  # fmt: skip


def stopped(monkeypatch, do, error, folder, ledger=None):
    """A run in which something happens in front of a step, and that ends by it."""
    take, taken = KeptStepCount.take, []

    def here(self):
        taken.append(self)
        if len(taken) == 8:
            do()
        take(self)

    with monkeypatch.context() as patch:
        patch.setattr(KeptStepCount, "take", here)
        with pytest.raises(error):
            go(folder, ledger=ledger)


def interrupted():
    raise KeyboardInterrupt


def at(when):
    return SimpleNamespace(now=lambda zone: datetime.fromisoformat(when).replace(tzinfo=UTC))


@pytest.mark.parametrize(("before", "after"), [("2026-01-01", "1970-01-01"), ("2026-01-01", "9999-12-31")])
def test_a_clock_that_jumps_changes_dates_and_nothing_else(tmp_path, monkeypatch, before, after):
    set_total(tmp_path / "l", epsilon=30.0, delta=1e-5)
    monkeypatch.setattr(chain, "datetime", at(before))

    def jump():
        monkeypatch.setattr(chain, "datetime", at(after))
        raise KeyboardInterrupt

    stopped(monkeypatch, jump, KeyboardInterrupt, tmp_path)
    monkeypatch.setattr(synth.receipt, "datetime", at(after))
    release = go(tmp_path, resume=True)
    records = read_ledger(tmp_path / "l")
    assert {r["time"][:10] for r in records[1:]} == {before, after}
    (run,) = read_account(records).runs
    assert run.epsilon == 20.0
    assert [type(e).__name__ for e in run.events].count("SubsampledGaussianEvent") == 1
    assert len(release.receipt.events) == len(run.events)
    with pytest.raises(SynthError, match="budget"):
        go(tmp_path / "none", ledger=tmp_path / "l")


def test_a_folder_that_refuses_checkpoint_or_ledger_refuses_the_run(places):
    free, closed = places
    closed.chmod(0o555)
    with pytest.raises(InputError, match=r"cannot write the checkpoint .*Permission denied"):
        go(closed, ledger=free / "l")
    with pytest.raises(InputError, match=r"cannot write the ledger .*Permission denied"):
        go(free, ledger=closed / "l")
    assert [*free.iterdir(), *closed.iterdir()] == []


def test_a_folder_that_begins_to_refuse_stops_the_run_which_goes_on_later(places, monkeypatch):
    home, other = places
    stopped(monkeypatch, lambda: home.chmod(0o555), InputError, home, other / "l")
    records = read_ledger(other / "l")
    drawn = read_past(records, records[0]["run"])[1].drawn[0]
    assert records[-1]["outcome"] == "failed"
    assert [p.name for p in home.iterdir()] == ["c"]
    home.chmod(0o755)
    go(home, ledger=other / "l", resume=True)
    budget, past = read_past(read_ledger(other / "l"), records[0]["run"])
    assert drawn < past.drawn[0] == OPTIONS["steps"]
    assert sum(isinstance(e, SubsampledGaussianEvent) for e in past.events) == 1
    assert budget.epsilon == 20.0


def together(*works):
    """Each in a process of its own, all of which begin at once; how each ended, and what it said."""
    reading, writing = os.pipe()
    children = []
    for number, work in enumerate(works):
        answer, said = os.pipe()
        child = os.fork()
        if child == 0:
            status = 9
            try:
                torch.set_num_threads(1)
                os.close(writing)
                os.read(reading, 1)  # until the parent closes its end
                work(number)
                status = WORKED
            except SynthError as error:
                os.write(said, str(error).encode())
                status = SAID
            finally:
                if status == 9:
                    traceback.print_exc()
                os._exit(status)
        os.close(said)
        children.append((child, answer))
    os.close(writing)
    os.close(reading)
    ends = []
    for child, answer in children:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with os.fdopen(answer) as file:
            ends.append((status, file.read()))
    return ends


def test_two_processes_that_begin_at_one_checkpoint(tmp_path):
    """One gets it; the other says so, and has no line in the ledger."""

    def begin(number):
        go(tmp_path).save(tmp_path / f"{number}.synth")

    ends = sorted(together(begin, begin))
    assert [status for status, _ in ends] == [WORKED, SAID]
    assert "belongs to one that is still going on" in ends[1][1]
    assert [r["record"] for r in read_ledger(tmp_path / "l")].count("run") == 1
    assert sorted(p.suffix for p in tmp_path.iterdir()) == ["", "", ".synth"]


def test_two_processes_that_go_on_with_one_checkpoint(tmp_path, monkeypatch):
    """Whoever took the run over last goes on; whoever is in its way stops before it draws. No step is drawn by both."""
    stopped(monkeypatch, interrupted, KeyboardInterrupt, tmp_path)
    drawn = tmp_path / "drawn"
    take = KeptStepCount.take

    def noted(self):
        take(self)
        with drawn.open("a") as file:
            file.write(f"{self._taken}\n")
        time.sleep(0.02)  # so that they meet

    monkeypatch.setattr(KeptStepCount, "take", noted)

    def on(number):
        go(tmp_path, resume=True).save(tmp_path / f"{number}.synth")

    ends = together(on, on)
    words = [said for status, said in ends if status == SAID]
    assert len(words) <= 1  # none, where one ended before the other began
    assert all("another process goes on" in said for said in words)
    steps = drawn.read_text().split()
    assert len(steps) == len(set(steps))
    records = read_ledger(tmp_path / "l")
    assert len({r["run"] for r in records}) == 1
    assert sum(r["record"] == "event" and "steps" in r for r in records) == 1
    for path in tmp_path.glob("*.synth"):
        assert load(path).receipt.epsilon_spent <= 20.0


def test_two_processes_that_write_one_output(tmp_path, monkeypatch):
    """Both found the place free; the second leaves the first one's file alone, and its own is not half there."""
    release = fit(
        pd.DataFrame({"sex": ["f", "m"] * 200}), epsilon=1.0, model="independent",
        schema=Schema(columns=(SCHEMA.columns[1],), public_rows=400),
    )  # fmt: skip
    target = tmp_path / "m.synth"

    both, move = get_context("fork").Barrier(2), atomic_path._move

    def late(self):
        both.wait(120)
        move(self)

    monkeypatch.setattr(atomic_path, "_move", late)

    def save(number):
        release.save(target, force=False)

    ends = sorted(together(save, save))
    assert [status for status, _ in ends] == [WORKED, SAID]
    assert "already exists" in ends[1][1]
    assert [p.name for p in tmp_path.iterdir()] == ["m.synth"]
    assert load(target).model == "independent"
    assert stat.S_IMODE(target.stat().st_mode) & 0o600 == 0o600
