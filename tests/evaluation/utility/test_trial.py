from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.inputs import overlap, prepare
from evaluation.utility.trial import HALVES, REAL, SHUFFLED, SYNTHETIC, apart, prepare_trial
from synth.schema import Schema


def test_tables_are_tested_on_the_same_rows(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    trial, notes = prepare_trial(prepare(real, holdout, fresh, schema), ("trees",), halves=True)
    assert trial is not None
    assert notes == []
    assert {what for what, _ in trial.models} == {SYNTHETIC, REAL, SHUFFLED, *HALVES}
    area = {what: trial.results[what, "trees"]["auc"][0] for what in (SYNTHETIC, REAL, SHUFFLED)}
    assert area[SYNTHETIC] > 0.85
    assert abs(area[SYNTHETIC] - area[REAL]) < 0.04
    assert area[SHUFFLED] < 0.65
    assert all(len(shares) == len(trial.truth) == len(trial.test) for shares in trial.predictions.values())


def test_shared_rows_are_on_one_side_only(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, holdout, holdout, schema)
    train, test, notes = apart(tables.synthetic, tables.holdout, tables.real)
    assert overlap(test, train) == 0.0
    assert len(train) + len(test) == len(holdout)
    assert min(len(train), len(test)) > 0.4 * len(holdout)
    assert "never both" in notes[0]


def test_rows_that_match_by_chance_stay(schema: Schema) -> None:
    rng = np.random.default_rng(0)
    train, test, real = (pd.DataFrame({"c": rng.choice(["a", "b"], 100)}) for _ in range(3))
    kept = apart(train, test, real)
    assert kept[0] is train
    assert kept[1] is test
    assert kept[2] == []


def test_without_holdout_test_rows_are_not_trained_on(real: pd.DataFrame, fresh: pd.DataFrame, schema: Schema) -> None:
    trial, notes = prepare_trial(prepare(real, None, fresh, schema), ("constant",), halves=True)
    assert trial is not None
    assert len(trial.test) == round(0.3 * len(real))
    assert "30 %" in notes[0]
