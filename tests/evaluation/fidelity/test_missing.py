from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.fidelity.missing import NOTHING, patterns, score_missing
from evaluation.inputs import prepare
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(columns=(Column(name="a", kind=Kind.FLOAT), Column(name="b", kind=Kind.CATEGORY)))


def together(n_rows: int, seed: int) -> pd.DataFrame:
    """Both values are missing, or none."""
    gone = np.random.default_rng(seed).random(n_rows) < 0.4
    return pd.DataFrame({"a": np.where(gone, np.nan, 1.0), "b": np.where(gone, None, "x")})


def test_patterns_mean_the_same_in_every_table() -> None:
    first = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None]})
    second = pd.DataFrame({"a": [np.nan, 1.0], "b": ["x", "y"]})
    codes, texts = patterns([first, second])
    named = [[texts[code] for code in part[:, 0]] for part in codes]
    assert named == [[NOTHING, "a, b"], ["a", NOTHING]]


def test_gaps_that_fall_independently_score_the_floor() -> None:
    real = together(3000, 0)
    rng = np.random.default_rng(1)
    apart = pd.DataFrame({name: rng.permutation(real[name].to_numpy()) for name in real})
    (score,) = score_missing(prepare(real, together(3000, 2), apart, SCHEMA)).scores
    assert score.value == pytest.approx(2 * 0.4 * 0.6, abs=0.06)
    assert score.floor == pytest.approx(score.value, abs=0.06)
    assert score.ceiling < 0.06
    assert score.low < score.value < score.high


def test_copy_scores_nothing_and_the_table_lists_patterns() -> None:
    section = score_missing(prepare(together(500, 0), None, together(500, 0), SCHEMA))
    assert section.scores[0].value == 0.0
    assert section.tables["Missing patterns"]["Missing columns"].tolist() == [NOTHING, "a, b"]


def test_no_missing_value_is_a_note() -> None:
    frame = pd.DataFrame({"a": [1.0] * 30, "b": ["x"] * 30})
    assert "no value is missing" in score_missing(prepare(frame, None, frame, SCHEMA)).notes[0]
