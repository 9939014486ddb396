"""Fits that are killed, again and again, at instants of a seeded schedule, and go on; every draw is witnessed.

The witness is a file beside the ledger. Every draw adds a line to it before it happens, saying which charge of the ledger it is
for. A part of a run is a fork, and the system kills it: in front of a draw, in the middle of writing a file, or anywhere.
Instants are counted in draws and writes, or in processor time of the fork: how busy the machine is changes nothing.
"""

import os
import signal
import traceback

import numpy as np
import pandas as pd
import pytest
import torch

from synth.api import fit
from synth.errors import RefusedError
from synth.privacy.accounting import epsilon_of
from synth.privacy.chain import read_ledger
from synth.privacy.dpsgd import NoisyGradient
from synth.privacy.events import SubsampledGaussianEvent, event_to_dict
from synth.privacy.ledger import Ledger
from synth.privacy.past import read_past
from synth.release import load
from synth.schema import Column, Kind, Schema

EPSILON, STEPS = 20.0, 24
SCHEMA = Schema(
    columns=(
        Column(name="n", kind=Kind.INTEGER, bounds=(0, 30), nullable=False),
        Column(name="word", kind=Kind.CATEGORY),
        Column(name="sex", kind=Kind.CATEGORY, categories=("f", "m"), nullable=False),
    ),
    public_rows=400,
)
OPTIONS = {"warm_start": False, "steps": STEPS, "latent": 1, "components": 2}
DONE, REFUSED, CRASHED, KILLED = 0, 3, 9, -9
SECONDS = 0.25  # of processor time; about what a part takes


def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"n": rng.integers(0, 30, 400).astype(str), "word": rng.choice(["a", "b"], 400), "sex": rng.choice(["f", "m"], 400)}
    )


def go(folder, *, resume):
    return fit(
        table(), epsilon=EPSILON, delta=1e-6, schema=SCHEMA, model="dpvae", options=OPTIONS, ledger=folder / "l",
        checkpoint=folder / "c", resume=resume,
    )  # fmt: skip


def witnessed(folder, patch, instant, before):
    """Note every draw; kill this process at an instant, counted in draws and writes, or in front of a draw."""
    passed = 0

    def here():
        nonlocal passed
        passed += 1
        if passed == instant:
            os.kill(os.getpid(), signal.SIGKILL)

    def note(text):
        here()
        if text == before:
            os.kill(os.getpid(), signal.SIGKILL)
        with (folder / "witness").open("a") as file:
            file.write(text + "\n")
        here()

    ask, step, sync = Ledger.ask, NoisyGradient.step, os.fsync

    def noted_ask(self, *events, draw, about=""):
        def noted():
            charged = [r for r in read_ledger(folder / "l") if r["run"] == self.run and r["record"] == "event"]
            note(f"answer {len(charged) - len(events)} {len(events)}")
            return draw()

        return ask(self, *events, draw=noted, about=about)

    def noted_step(self):
        batch, number = self._exact_batch, self._plan.steps - self.steps_left

        def noted():
            note(f"step {number}")
            return batch()

        self._exact_batch = noted
        step(self)
        self._exact_batch = batch

    def noted_sync(handle):
        here()
        sync(handle)
        here()

    patch.setattr(Ledger, "ask", noted_ask)
    patch.setattr(NoisyGradient, "step", noted_step)
    patch.setattr(os, "fsync", noted_sync)


def part(folder, patch, *, resume, instant=None, before=None, seconds=0.0):
    """One part of a run in a process of its own; how it ended.

    Args:
        folder: Ledger, checkpoint, witness and release of the run.
        patch: For the fork alone.
        resume: Whether it goes on.
        instant: When to die, in draws and writes.
        before: The draw to die in front of.
        seconds: Of processor time, after which to die; 0 for never.
    """
    child = os.fork()
    if child == 0:
        status = CRASHED
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF has no handler: it kills like SIGKILL, at any instruction
            torch.set_num_threads(1)
            witnessed(folder, patch, instant, before)
            go(folder, resume=resume).save(folder / "out.synth", force=True)  # a part may die just after it saved
            status = DONE
        except RefusedError:
            status = REFUSED
        finally:
            if status == CRASHED:
                traceback.print_exc()  # what a failed test should show
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return KILLED if status in (-signal.SIGKILL, -signal.SIGPROF) else status


def check(folder):
    """No charge is drawn on twice, no step twice, and nothing that was drawn is missing in the ledger."""
    lines = [line.split() for line in (folder / "witness").read_text().splitlines()] if (folder / "witness").exists() else []
    records = read_ledger(folder / "l")
    run = records[0]["run"]
    assert {r["run"] for r in records} == {run}
    budget, past = read_past(records, run)
    assert budget.epsilon == EPSILON
    assert epsilon_of(past.events, 1e-6 - 1e-13) <= EPSILON
    used = [k for word, *rest in lines if word == "answer" for k in range(int(rest[0]), int(rest[0]) + int(rest[1]))]
    assert len(used) == len(set(used))
    assert set(used) <= set(range(len(past.events)))
    assert not any(isinstance(past.events[k], SubsampledGaussianEvent) for k in used)
    steps = [int(rest[0]) for word, *rest in lines if word == "step"]
    assert len(steps) == len(set(steps))
    assert sum(isinstance(e, SubsampledGaussianEvent) for e in past.events) <= 1
    assert all(number < past.drawn[0] <= STEPS for number in steps)
    return past


def killed_again_and_again(folder, patch, rng, kills, share_timed):
    """One run with at most ``kills`` kills, ``share_timed`` of them by processor time; how many there were, how it ended."""
    taken, status = 0, KILLED
    while status == KILLED:
        at = {}
        if taken < kills:
            timed = rng.random() < share_timed
            at = {"seconds": float(rng.uniform(0.001, SECONDS))} if timed else {"instant": int(rng.integers(1, 120))}
        status = part(folder, patch, resume=(folder / "c").exists(), **at)
        assert status in (DONE, REFUSED, KILLED)
        taken += status == KILLED
        if status == KILLED and not (folder / "witness").exists():  # nothing was asked yet: a run of another name
            (folder / "l").unlink(missing_ok=True)
            (folder / "c").unlink(missing_ok=True)
        elif not (folder / "c").exists():  # refused runs leave none
            assert read_ledger(folder / "l")[-1]["outcome"] == "refused"
            status = REFUSED
        if (folder / "l").exists():
            check(folder)
    return taken, status


def many(tmp_path, patch, kills, seed, share_timed):
    """Runs one after another until there were so many kills; how each ended."""
    rng, taken, ends = np.random.default_rng(seed), 0, []
    warm = tmp_path / "warm"
    warm.mkdir()
    go(warm, resume=False)  # forks find this process' search for the noise level done
    while taken < kills:
        folder = tmp_path / str(len(ends))
        folder.mkdir()
        more, status = killed_again_and_again(folder, patch, rng, min(int(rng.integers(1, 8)), kills - taken), share_timed)
        taken += more
        ends.append(status)
        if status == DONE:
            check_release(folder)
    return ends


def check_release(folder):
    """The receipt lists what the ledger charged, and the claim is what was asked for."""
    receipt, past = load(folder / "out.synth").receipt, check(folder)
    facts = [{k: v for k, v in e.items() if k != "share_of_counts"} for e in receipt.events]
    assert facts == [event_to_dict(e) for e in past.events]
    assert (receipt.epsilon, receipt.delta) == (EPSILON, 1e-6)
    assert receipt.epsilon_spent <= EPSILON


def test_a_run_killed_in_its_training_goes_on_to_its_end(tmp_path, monkeypatch):
    assert part(tmp_path, monkeypatch, resume=False, before="step 5") == KILLED
    assert check(tmp_path).drawn == {0: 6}  # in blocks of two; the sixth is lost with the fifth
    assert part(tmp_path, monkeypatch, resume=True) == DONE
    check_release(tmp_path)
    steps = [line for line in (tmp_path / "witness").read_text().splitlines() if line.startswith("step")]
    assert steps == [f"step {k}" for k in range(STEPS) if k != 5]


def test_kills_lose_no_spend_and_repeat_no_step(tmp_path, monkeypatch):
    many(tmp_path, monkeypatch, 6, seed=1, share_timed=0.0)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path, monkeypatch):
    assert DONE in many(tmp_path, monkeypatch, 200, seed=2, share_timed=0.3)
