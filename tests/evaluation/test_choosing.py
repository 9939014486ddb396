"""A free choice: the best of the scores wins, records are kept, rows stand in for as many as are declared."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from evaluation.choosing import DEFAULT, FIDELITY, Choice, key_of, run_choice, stand_in, standings
from evaluation.sweep.runs import Material, read_records
from synth.candidates import parse_candidates
from synth.errors import InputError
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="a", kind=Kind.CATEGORY, categories=("0", "1", "2"), nullable=False),
        Column(name="b", kind=Kind.INTEGER, bounds=(0, 9), nullable=False),
        Column(name="y", kind=Kind.CATEGORY, categories=("0", "1"), nullable=False),
    ),
    target="y",
    public_rows=600,
)
TWO = parse_candidates(["independent", "marginal"])


def material():
    rng = np.random.default_rng(0)

    def rows(n):
        a = rng.integers(0, 3, n)
        return pd.DataFrame({"a": a.astype(str), "b": rng.integers(0, 10, n), "y": (a > 0).astype(int).astype(str)})

    return Material(train=rows(600), test=rows(300), declared=SCHEMA, facts=SCHEMA)


def record(label, seed, fidelity, utility=0.8, ceiling=0.9):
    scores = {FIDELITY: {"value": fidelity, "ceiling": None}, "tstr_auc": {"value": utility, "ceiling": ceiling}}
    return {"candidate": label, "seed": seed, "scores": scores}


def test_the_model_that_knows_how_columns_hang_together_wins_and_nothing_is_run_twice(tmp_path):
    choice, file, said = Choice(candidates=TWO, epsilon=5.0, delta=1e-5, rows=3000, seeds=1), tmp_path / "r.jsonl", []
    made = list(run_choice(choice, material(), file, said.append))
    assert [r["candidate"] for r in made] == ["independent", "marginal"]
    assert len(said) == 2
    assert list(run_choice(choice, material(), file)) == []
    found = standings(choice, read_records(file, key_of(choice, material())))
    assert found[0].candidate.label == "marginal"
    assert found[0].loss < found[1].loss
    other = dataclasses.replace(choice, epsilon=1.0)
    assert read_records(file, key_of(other, material())) == []


def test_the_loss_is_distance_and_what_models_lack():
    choice = Choice(candidates=TWO, epsilon=1.0, delta=1e-5, seeds=2)
    records = [record("independent", s, 0.1, 0.95) for s in (0, 1, 2)] + [
        record("marginal", 0, 0.02),
        record("marginal", 1, 0.04),
    ]
    best, last = standings(choice, records)
    assert best.candidate.label == "independent"
    assert (best.loss, best.lacks, best.utility) == pytest.approx((0.1, 0.0, 0.95))
    assert (last.loss, last.spread) == pytest.approx((0.13, 0.02 / math.sqrt(2)))


def test_a_refused_candidate_is_last_and_says_why():
    choice = Choice(candidates=TWO, epsilon=1.0, delta=1e-5, seeds=1)
    found = standings(choice, [{"candidate": "independent", "seed": 0, "scores": {}, "failed": "too little"}])
    assert [s.failed for s in found] == ["too little", "it has not run"]
    assert all(math.isinf(s.loss) for s in found)
    plain = [{**record("marginal", 0, 0.2), "scores": {FIDELITY: {"value": 0.2, "ceiling": None}}}]
    assert standings(choice, plain)[0].utility is None


def test_rows_stand_in_for_as_many_as_are_declared():
    rows = material().train
    assert stand_in(rows, None, 0) is rows
    assert stand_in(rows, 600, 0) is rows
    more = stand_in(rows, 2000, 1)
    assert len(more) == 2000
    assert set(map(tuple, more.to_numpy())) <= set(map(tuple, rows.to_numpy()))
    assert not more.equals(stand_in(rows, 2000, 2))


@pytest.mark.parametrize("facts", [{"seeds": 0}, {"rows": 3}, {"epsilon": -1.0}])
def test_what_makes_no_sense_is_refused(facts):
    with pytest.raises(InputError):
        Choice(**{"candidates": TWO, "epsilon": 1.0, "delta": 1e-5, **facts})
    assert len(parse_candidates(DEFAULT)) == len(DEFAULT)
