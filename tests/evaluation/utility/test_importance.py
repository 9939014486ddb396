from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluation.inputs import prepare
from evaluation.utility.importance import score_importance, spearman
from evaluation.utility.trial import prepare_trial
from synth.schema import Column, Kind, Schema


def simulate(seed: int, broken: bool = False) -> pd.DataFrame:
    """``y`` follows ``strong`` and a little ``weak``; where broken, the other way round."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.normal(size=1200) for name in ("strong", "weak", "none", "noise")})
    first, second = ("weak", "strong") if broken else ("strong", "weak")
    frame["y"] = 3 * frame[first] + frame[second] + rng.normal(size=1200)
    return frame


SCHEMA = Schema(columns=tuple(Column(name=n, kind=Kind.FLOAT) for n in simulate(0)), target="y")


def test_spearman_matches_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 8)), np.round(rng.normal(size=(3, 8)))
    for found, x, y in zip(spearman(a, b), a, b, strict=True):
        assert found == pytest.approx(stats.spearmanr(x, y).statistic)
    assert spearman(np.ones((1, 4)), a[:1, :4])[0] == 0.0


def test_columns_that_matter_are_found_and_a_broken_relation_shows() -> None:
    kept, broken = (score_importance(*_trial(simulate(0), simulate(1), simulate(2, broken=flag))) for flag in (False, True))
    table = kept.tables["Feature importance"]
    assert table["Feature"].tolist()[:2] == ["strong", "weak"]
    assert table["Real"].iloc[0] > 0.5 > 0.05 > abs(table["Real"].iloc[3])
    wrong = broken.tables["Feature importance"].set_index("Feature")["Synthetic"]
    assert wrong["weak"] > wrong["strong"]
    assert kept.scores[0].low <= kept.scores[0].value <= kept.scores[0].high


def _trial(real: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame):
    tables = prepare(real, holdout, synthetic, SCHEMA)
    return prepare_trial(tables, ("trees",), halves=True)[0], tables


def test_two_features_are_too_few() -> None:
    names = ["strong", "weak", "y"]
    schema = Schema(columns=tuple(Column(name=n, kind=Kind.FLOAT) for n in names), target="y")
    tables = prepare(simulate(0)[names], simulate(1)[names], simulate(2)[names], schema)
    section = score_importance(prepare_trial(tables, ("trees",), halves=True)[0], tables)
    assert "fewer than three features" in section.notes[0]
