"""Trees grown until their leaves are pure: they generalise where rows are many and remember where they are few.

That is what an attacker wants of a learner: it has no reason to avoid overfitting to the release. Trees are grown one
at a time and thrown away, so that memory stays that of one tree.

References:
    Geurts, Ernst and Wehenkel (2006), Machine Learning 63(1) (extremely randomised trees).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.tree import ExtraTreeClassifier, ExtraTreeRegressor

from evaluation.features import TreeFeatures
from synth.schema import Schema

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def class_shares(rows: FloatArray, labels: IntArray, asked: FloatArray, classes: int, *, trees: int, seed: int) -> FloatArray:
    """Mean leaf shares of each class, shape (q, classes).

    Args:
        rows: Training features, shape (n, k).
        labels: Classes, shape (n,), below ``classes``.
        asked: Features to judge, shape (q, k).
        classes: How many there are.
        trees: How many to grow; two classes weigh the same whatever their numbers.
        seed: Of the splits.
    """
    rows, asked = _ranked(rows, asked)
    total = np.zeros((len(asked), classes))
    for k in range(trees):
        tree = ExtraTreeClassifier(class_weight="balanced" if classes == 2 else None, random_state=seed + k)
        tree.fit(rows, labels)
        total[:, tree.classes_.astype(np.int64)] += tree.predict_proba(asked)
    return total / trees


def number_guesses(rows: FloatArray, values: FloatArray, asked: FloatArray, *, trees: int, seed: int) -> FloatArray:
    """Median over trees of the leaf means, shape (q,): an exact copy of a row is remembered by most trees.

    Args:
        rows: Training features, shape (n, k).
        values: Numbers, shape (n,), finite.
        asked: Features to judge, shape (q, k).
        trees: How many to grow.
        seed: Of the splits.
    """
    rows, asked = _ranked(rows, asked)
    grown = [
        ExtraTreeRegressor(max_features="sqrt", random_state=seed + k).fit(rows, values).predict(asked) for k in range(trees)
    ]
    return np.asarray(np.median(np.stack(grown), axis=0), dtype=np.float64)


def _ranked(rows: FloatArray, asked: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each feature as its rank among the training values, gaps below them all, new values halfway between their neighbours.

    Ranks fit the trees' float32, whatever the numbers; and the trees' own treatment of gaps stops before leaves are pure
    (scikit-learn 1.9).
    """
    out = np.full(rows.shape, -1.0), np.full(asked.shape, -1.0)
    for j in range(rows.shape[1]):
        known = np.unique(rows[~np.isnan(rows[:, j]), j])
        for place, values in zip(out, (rows[:, j], asked[:, j]), strict=True):
            seen = ~np.isnan(values)
            ends = [np.searchsorted(known, values[seen], side=side) for side in ("left", "right")]
            place[seen, j] = (ends[0] + ends[1] - 1) / 2
    return out


def learn_features(frames: list[pd.DataFrame], schema: Schema, names: tuple[str, ...]) -> TreeFeatures:
    """Codes of the categories in all frames, for the named columns alone."""
    if not names:
        return TreeFeatures(names=(), codes={})
    both = pd.concat([frame[list(names)] for frame in frames], ignore_index=True)
    return TreeFeatures.learn(both, Schema(columns=tuple(schema[name] for name in names)))
