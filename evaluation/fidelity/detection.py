"""Can a classifier tell synthetic rows from real ones: the classifier two-sample test.

References:
    Lopez-Paz and Oquab (2017), arXiv:1610.06545.
    Nadeau and Bengio (2003), Machine Learning 52 (the correction of a cross-validated variance).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.features import TreeFeatures, fit_trees, one_thread, tree_classifier
from evaluation.inputs import Tables, row_hashes
from evaluation.intervals import Interval, auc_delong
from evaluation.scores import Score, Section
from synth.schema import Schema

MAX_ROWS = 10_000
N_FOLDS = 3
_STREAM = 2


def detection_auc(real: pd.DataFrame, other: pd.DataFrame, schema: Schema, rng: np.random.Generator) -> Interval:
    """Cross-validated AUC of boosted trees that tell ``other`` from ``real``.

    Both sides give the same number of rows, ``MAX_ROWS`` at most. Equal rows stay in one fold, so that a copied row
    can neither be looked up nor held against its twin.

    Args:
        real: Conformed rows, shape (n, d).
        other: Conformed rows, shape (m, d).
        schema: Public facts.
        rng: Generator of the evaluation.

    Returns:
        AUC with a 95 % interval over rows; 0.5 is chance, 1 is told apart always. DeLong's variance takes the trees as
        given; training rows vary too, for which Nadeau and Bengio add test over train rows to one over the folds.
    """
    size = min(len(real), len(other), MAX_ROWS)
    halves = [frame.iloc[np.sort(rng.permutation(len(frame))[:size])] for frame in (real, other)]
    rows = pd.concat(halves, ignore_index=True)
    labels = np.repeat([0, 1], size)
    folds = (row_hashes(rows) % np.uint64(N_FOLDS)).astype(np.int64)
    features = TreeFeatures.learn(rows, schema)
    matrix = features.matrix(rows)
    scores = out_of_fold(matrix, labels, folds, features, int(rng.integers(2**31)))
    area = auc_delong(scores[labels == 1], scores[labels == 0])
    wider = np.sqrt(1.0 + N_FOLDS / (N_FOLDS - 1))
    low, high = (area.value + wider * (limit - area.value) for limit in (area.low, area.high))
    return Interval(area.value, max(0.0, low), min(1.0, high))


def out_of_fold(
    matrix: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
    features: TreeFeatures,
    seed: int,
) -> npt.NDArray[np.float64]:
    """Log-odds of label 1 for each row, from trees that saw the other folds only, shape (n,).

    A fold whose training part holds one class only gives 0 (no opinion).
    """
    scores = np.zeros(len(labels))
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        if len(np.unique(labels[train])) < 2:
            continue
        with one_thread():
            trees = fit_trees(tree_classifier(features, seed), matrix[train], labels[train])
            scores[test] = trees.decision_function(matrix[test])
    return scores


def score_detection(tables: Tables) -> Section:
    """How well synthetic rows are told from the real rows, beside fresh real rows and shuffled columns."""
    found = detection_auc(tables.real, tables.synthetic, tables.schema, tables.rng(_STREAM, 0))
    floor = detection_auc(tables.real, tables.permuted, tables.schema, tables.rng(_STREAM, 1)).value
    ceiling = None
    if tables.holdout is not None:
        ceiling = detection_auc(tables.real, tables.holdout, tables.schema, tables.rng(_STREAM, 2)).value
    score = Score(
        name="detection_auc",
        label="Detection by a classifier (AUC)",
        section="fidelity",
        value=found.value,
        low=found.low,
        high=found.high,
        better="lower",
        ceiling=ceiling,
        floor=floor,
        unit="AUC",
        meaning="How well boosted trees tell synthetic rows from real ones: 0.5 is a coin toss, 1 is always.",
        interval=f"95 %, DeLong with Nadeau and Bengio's correction for one {N_FOLDS}-fold cross-validation.",
    )
    return Section(scores=(score,))
