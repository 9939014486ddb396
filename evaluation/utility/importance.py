"""Which columns matter for a prediction, learnt from synthetic and from real rows: permutation importance.

A column's importance is by how much the loss of the boosted trees on test rows grows when that column's test values
are permuted: log loss for classes, squared error over the variance for numbers. It is kept per test row, so that a
bootstrap of test rows gives intervals without predicting again.

References:
    Breiman (2001), Machine Learning 45(1).
    Fisher, Rudin and Dominici (2019), Journal of Machine Learning Research 20(177).
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import stats

from evaluation.inputs import Tables
from evaluation.intervals import percentile_interval
from evaluation.scores import Score, Section
from evaluation.utility.metrics import SURELY_NOT
from evaluation.utility.models import LEARNERS, Trained
from evaluation.utility.task import FloatArray
from evaluation.utility.trial import HALVES, N_RESAMPLES, REAL, SHUFFLED, SYNTHETIC, Trial

MAX_ROWS = 4_000
N_REPEATS = 2
MIN_FEATURES = 3
_STREAM = 7


def losses(model: Trained, matrix: FloatArray, truth: FloatArray) -> FloatArray:
    """Loss per row: log loss for classes, squared error over the targets' variance for numbers, shape (m,)."""
    guess = model.predict(matrix)
    if model.task.classes is None:
        return np.asarray((truth - guess) ** 2 / max(float(truth.var()), 1e-12), dtype=np.float64)
    shares = guess[np.arange(len(truth)), truth.astype(np.int64)]
    return np.asarray(-np.log(np.maximum(shares, SURELY_NOT)), dtype=np.float64)


def importances(model: Trained, test: pd.DataFrame, truth: FloatArray, rng: np.random.Generator) -> FloatArray:
    """By how much each test row's loss grows when a feature is permuted, shape (m, features).

    Args:
        model: Trained boosted trees.
        test: Conformed rows, shape (m, d).
        truth: Targets, shape (m,).
        rng: Draws the permutations; ``N_REPEATS`` are averaged.
    """
    matrix = model.features.matrix(test)
    base = losses(model, matrix, truth)
    out = np.zeros(matrix.shape)
    for j in range(matrix.shape[1]):
        column = matrix[:, j].copy()
        for _ in range(N_REPEATS):
            matrix[:, j] = rng.permutation(column)
            out[:, j] += (losses(model, matrix, truth) - base) / N_REPEATS
        matrix[:, j] = column
    return out


def spearman(first: FloatArray, second: FloatArray) -> FloatArray:
    """Spearman's rank correlation between the rows of two arrays, shape (b,); 0 where a row is constant.

    Args:
        first: Shape (b, k).
        second: Shape (b, k).
    """
    a, b = (stats.rankdata(x, axis=1) - (x.shape[1] + 1) / 2 for x in (first, second))
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray(np.where(scale > 0, (a * b).sum(axis=1) / np.where(scale > 0, scale, 1.0), 0.0), dtype=np.float64)


def score_importance(trial: Trial, tables: Tables) -> Section:
    """Rank agreement of feature importances of boosted trees trained on synthetic and on real rows.

    Args:
        trial: The finished trial, with the halves of the real rows.
        tables: Conformed tables, for their random streams.

    Returns:
        A score and the table ``Feature importance``; a note where there are fewer than ``MIN_FEATURES`` features.
    """
    names = trial.models[REAL, LEARNERS[0]].features.names
    if len(names) < MIN_FEATURES:
        return Section(notes=("Agreement of feature importances is left out: there are fewer than three features.",))
    chosen = slice(0, MAX_ROWS) if len(trial.test) <= MAX_ROWS else np.sort(
        tables.rng(_STREAM).permutation(len(trial.test))[:MAX_ROWS]
    )  # fmt: skip
    test, truth = trial.test.iloc[chosen], trial.truth[chosen]
    weights = trial.weights[:, chosen].astype(np.float64)
    every = np.concatenate([np.ones((1, len(test))), weights])
    means = {}
    for what in (SYNTHETIC, REAL, SHUFFLED, *HALVES):
        grown = importances(trial.models[what, LEARNERS[0]], test, truth, tables.rng(_STREAM, 1))
        means[what] = every @ grown / every.sum(axis=1, keepdims=True)
    found = spearman(means[SYNTHETIC], means[REAL])
    limits = percentile_interval(float(found[0]), found[1:])
    score = Score(
        name="importance_agreement",
        label="Ranking of feature importances, agreement",
        section="utility",
        value=limits.value,
        low=limits.low,
        high=limits.high,
        better="higher",
        ceiling=float(spearman(means[HALVES[0]][:1], means[HALVES[1]][:1])[0]),
        floor=float(spearman(means[SHUFFLED][:1], means[REAL][:1])[0]),
        unit="Spearman's rho, -1 to 1",
        meaning="Whether trees learnt from synthetic rows find the same columns important as trees learnt from real rows.",
        interval=f"95 %, bootstrap of the test rows ({N_RESAMPLES} resamples); it does not cover refitting.",
        scale="Ceiling: two halves of the real rows against each other. Floor: shuffled columns against the real rows.",
    )
    table = pd.DataFrame({"Feature": names, "Real": means[REAL][0], "Synthetic": means[SYNTHETIC][0]})
    table = table.sort_values("Real", ascending=False, kind="stable").reset_index(drop=True)
    return Section(scores=(score,), tables=MappingProxyType({"Feature importance": table}))
