from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.attacks import refits
from evaluation.attacks.bounds import bound_of
from evaluation.attacks.refits import Job, Synthesizer, run_fits
from evaluation.attacks.shadow import Targets, choose_targets, judge, membership_plan
from evaluation.inputs import prepare
from synth.errors import InputError
from synth.schema import Schema


@dataclass(frozen=True)
class Memoriser:
    """A planted generator: fresh rows, and a share of what it was fitted on word for word."""

    share: float = 1.0
    fresh: int = 400

    def __call__(self, rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
        kept = rows.iloc[: round(self.share * len(rows))]
        noise = rows.apply(lambda column: column.sample(frac=1, random_state=len(rows)).to_numpy())
        return pd.concat([kept, noise.iloc[: self.fresh]], ignore_index=True)


@pytest.fixture(scope="module")
def job(real: pd.DataFrame, schema: Schema) -> Job:
    rows = real.iloc[:300]
    targets = choose_targets(prepare(rows, None, rows, schema).real, schema, 6)
    return Job(rows=rows, schema=schema, targets=targets, fits=12, seed=0, generator=Memoriser())


def result(job: Job, features: np.ndarray, epsilon: float = 1.0):
    members = membership_plan(job.fits, len(job.targets.rows), job.seed)
    return judge(features, members, job.targets.vulnerable, bound_of({"epsilon": epsilon, "delta": 1e-5}))


def test_a_generator_that_remembers_is_caught(job: Job) -> None:
    outcome = result(job, run_fits(job, None)).outcomes["all"]
    assert outcome.auc is not None
    assert outcome.auc.value > 0.95
    assert outcome.auc.low > 0.9
    assert outcome.broken
    assert outcome.tprs[0].value > 0.9


def test_a_private_generator_stays_within_its_claim(job: Job, schema: Schema) -> None:
    """``independent`` at epsilon 1 among 300 rows, 40 fits: the bound of the AUC is 0.73."""
    private = replace(job, generator=Synthesizer(model="independent", epsilon=1.0, delta=1e-5, declared=schema), fits=8)
    found = result(private, run_fits(private, None)).outcomes["all"]
    assert not found.broken
    assert found.bound is not None
    assert found.bound.advantage == pytest.approx(np.tanh(0.5), abs=1e-4)


def test_fits_are_resumed_and_not_repeated(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "shadow.jsonl"
    first = run_fits(replace(job, fits=8), file)
    assert len(file.read_text().splitlines()) == 8
    with file.open("a") as lines:
        lines.write('{"key": "' + job.key() + '", "fit": 8, "feat')  # a crash in the middle of a line
    calls: list[int] = []
    plain = refits.run_fit

    def counted(asked: Job, number: int) -> np.ndarray:
        calls.append(number)
        return plain(asked, number)

    monkeypatch.setattr(refits, "run_fit", counted)
    done: list[int] = []
    again = run_fits(job, file, advance=done.append)
    assert calls == [8, 9, 10, 11]
    assert done == [8, 1, 1, 1, 1]
    np.testing.assert_allclose(again[:8], first)
    np.testing.assert_allclose(run_fits(job, file), again)
    assert calls == [8, 9, 10, 11]


def test_records_of_something_else_are_passed_over(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "shadow.jsonl"
    run_fits(replace(job, fits=8), file)
    other = replace(job, generator=Memoriser(share=0.5))
    assert other.key() != job.key()
    lines = file.read_text().splitlines()
    assert {json.loads(line)["key"] for line in lines} == {job.key()}
    assert job.key() == replace(job, fits=100).key()
    assert replace(job, seed=1).key() != job.key()
    run_fits(replace(other, fits=8), file)
    assert len(file.read_text().splitlines()) == 16


def test_files_that_cannot_be_used_are_one_sentence(job: Job, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        run_fits(job, tmp_path)
    with pytest.raises(InputError, match="cannot write"):
        run_fits(replace(job, fits=8), tmp_path / "no" / "file.jsonl")


def test_processes_side_by_side_do_the_same_fits(real: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    rows = real.iloc[:200]
    targets = Targets(rows=np.array([3, 5]), vulnerable=np.array([False, True]))
    generator = Synthesizer(model="independent", epsilon=5.0, delta=1e-5, declared=schema)
    both = Job(rows=rows, schema=schema, targets=targets, fits=4, seed=0, generator=generator)
    features = run_fits(both, tmp_path / "f.jsonl", workers=2)
    assert np.isfinite(features).all()
    assert features.shape == (4, 2, 3)
    assert sorted(json.loads(line)["fit"] for line in (tmp_path / "f.jsonl").read_text().splitlines()) == [0, 1, 2, 3]
