from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from evaluation.fidelity.dependence import correlation, matrix, mutual_information, rank_columns, score_dependence
from evaluation.inputs import prepare
from synth.schema import Column, Kind, Schema


def test_correlation_is_spearmans(real: pd.DataFrame, schema: Schema) -> None:
    columns = [schema["age"], schema["income"]]
    plain = prepare(real, None, real, schema).real
    (ranks,) = rank_columns([plain], columns)
    value, influence = correlation(ranks, (0, 1))
    assert value == pytest.approx(stats.spearmanr(plain["age"], plain["income"]).statistic, abs=1e-3)
    assert abs(influence.mean()) < 1e-9


def test_influence_gives_the_error_of_repeated_sampling() -> None:
    """The standard deviation over 400 samples lies within 18 % of the predicted one (5 standard errors)."""
    rng = np.random.default_rng(0)
    values, errors = [], []
    for _ in range(400):
        x = rng.normal(size=300)
        value, influence = correlation(np.column_stack([x, x + rng.normal(size=300)]), (0, 1))
        values.append(value)
        errors.append(influence.std() / np.sqrt(300))
    assert np.std(values) == pytest.approx(np.mean(errors), rel=0.18)


def test_missing_values_are_left_out_in_pairs() -> None:
    ranks = np.array([[0.1, 0.2], [0.2, 0.4], [0.3, 0.6], [np.nan, 0.1], [0.9, np.nan]])
    value, influence = correlation(ranks, (0, 1))
    assert value == pytest.approx(1.0)
    assert influence[3:].tolist() == [0, 0]
    assert correlation(np.ones((5, 2)), (0, 1))[0] == 0.0
    assert correlation(ranks[2:], (0, 1))[0] == 0.0


def test_mutual_information_matches_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, 500)
    y = (x + rng.integers(0, 2, 500)) % 4
    value, influence = mutual_information(np.column_stack([x, y]), np.array([5, 4]), (0, 1))
    entropies = [stats.entropy(np.bincount(z)) for z in (x, y)]
    assert value == pytest.approx(mutual_info_score(x, y) / np.sqrt(np.prod(entropies)))
    assert abs(influence.mean()) < 1e-9
    assert mutual_information(np.column_stack([x, 0 * x]), np.array([5, 1]), (0, 1))[0] == 0.0


def test_shuffled_columns_lose_what_real_ones_have(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    section = score_dependence(prepare(real, holdout, real, schema))
    assert [score.name for score in section.scores] == ["correlation_gap", "mutual_information_gap"]
    for score in section.scores:
        assert score.value == 0.0
        assert 0.0 < score.ceiling < score.floor
    table = section.tables["Correlation"]
    assert len(table) == 6 * 5 / 2  # town has no order
    names, grid = matrix(table, "Real", 1.0)
    assert names == ["age", "income", "gain", "job", "start", "ill"]
    np.testing.assert_array_equal(grid, grid.T)
    assert np.diag(grid).tolist() == [1.0] * 6


def test_one_column_is_explained() -> None:
    frame = pd.DataFrame({"c": ["a", "b"] * 20})
    section = score_dependence(prepare(frame, None, frame, Schema(columns=(Column(name="c", kind=Kind.CATEGORY),))))
    assert section.scores == ()
    assert len(section.notes) == 2
