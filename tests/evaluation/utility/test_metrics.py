from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from evaluation.intervals import resample_counts
from evaluation.utility.metrics import class_scores, number_scores


@pytest.mark.parametrize("n_classes", [2, 4])
def test_class_scores_match_scikit_learn(n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    truth = rng.integers(0, n_classes, 300)
    shares = rng.dirichlet(np.ones(n_classes), 300) + 0.3 * np.eye(n_classes)[truth]
    shares /= shares.sum(axis=1, keepdims=True)
    found = class_scores(truth, shares, resample_counts(300, 50, rng))
    auc = metrics.roc_auc_score(truth, shares[:, 1] if n_classes == 2 else shares, multi_class="ovr")
    guess = shares.argmax(axis=1)
    assert found["auc"].value == pytest.approx(auc, abs=1e-6)
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(truth, guess), abs=1e-6)
    assert found["f1"].value == pytest.approx(metrics.f1_score(truth, guess, average="macro"), abs=1e-6)
    assert found["log_loss"].value == pytest.approx(metrics.log_loss(truth, shares), abs=1e-5)
    assert all(i.low < i.value < i.high for i in found.values())


def test_an_impossible_class_costs_a_finite_loss() -> None:
    truth, shares = np.array([0, 1, 1, 0]), np.array([[1.0, 0.0]] * 4)
    found = class_scores(truth, shares, resample_counts(4, 5, np.random.default_rng(0)))
    assert found["log_loss"].value == pytest.approx(-np.log(1e-6) / 2)


def test_number_scores_match_scikit_learn() -> None:
    rng = np.random.default_rng(9)
    truth = rng.normal(1e6, 2, 300)
    guess = truth + rng.normal(0, 1, 300)
    found = number_scores(truth, guess, resample_counts(300, 50, rng))
    assert found["r2"].value == pytest.approx(metrics.r2_score(truth, guess))
    assert found["mae"].value == pytest.approx(metrics.mean_absolute_error(truth, guess))
    assert all(i.low < i.value < i.high for i in found.values())


def test_constant_truth_has_no_r2_to_win() -> None:
    found = number_scores(np.ones(30), np.zeros(30), resample_counts(30, 5, np.random.default_rng(0)))
    assert found["r2"].value == 0.0
