"""The models that are trained on synthetic and on real rows alike: scikit-learn's, at its defaults where they serve."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from evaluation.features import TreeFeatures, fit_trees, one_thread, tree_classifier
from evaluation.utility.task import FloatArray, Task
from synth.schema import Schema

LEARNERS = ("trees", "linear", "forest")
LABELS = {"trees": "boosted trees", "linear": "linear model", "forest": "random forest"}
MAX_FOREST_ROWS = 20_000
FOREST = {"n_estimators": 100, "min_samples_leaf": 5, "n_jobs": 1}
MAX_ONE_HOT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained model: probabilities of classes, or numbers, for conformed rows.

    Attributes:
        features: How rows become numbers.
        task: What is predicted.
        model: A fitted scikit-learn estimator; ``None`` where there was nothing to learn.
        present: Class numbers the training rows held.
        constant: What is predicted without a model: class shares, shape (k,), or the mean, shape (1,).
    """

    features: TreeFeatures
    task: Task
    model: Any
    present: npt.NDArray[np.int64]
    constant: FloatArray

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Predictions from features as ``features.matrix`` gives them.

        Args:
            matrix: Shape (m, k).

        Returns:
            Class probabilities, shape (m, classes), 0 for classes that the training rows lack; or numbers, shape (m,).
        """
        with one_thread(), warnings.catch_warnings(action="ignore"):
            if self.task.classes is None:
                known = np.repeat(self.constant, len(matrix)) if self.model is None else self.model.predict(matrix)
                return np.asarray(known, dtype=np.float64)
            shares = np.zeros((len(matrix), len(self.task.classes)))
            if self.model is None:
                shares[:] = self.constant
            else:
                shares[:, self.present] = self.model.predict_proba(matrix)
        return shares


def train(learner: str, rows: pd.DataFrame, labels: FloatArray, schema: Schema, task: Task, seed: int = 0) -> Trained:
    """Train one model.

    Args:
        learner: One of ``LEARNERS``, or ``constant``: the class shares or the mean.
        rows: Conformed rows with a known target, shape (n, d).
        labels: Their targets, shape (n,).
        schema: Public facts.
        task: What to predict.
        seed: Seed of binning and of the forest.

    Returns:
        The model. Rows with one class (or none), or a table without other columns, train a constant.
    """
    features = TreeFeatures.learn(rows, schema, without=task.target)
    present = np.unique(labels).astype(np.int64) if task.classes is not None else np.empty(0, dtype=np.int64)
    if task.classes is None:
        constant = np.array([labels.mean() if len(labels) else 0.0])
        learnable = len(labels) >= 2
    else:
        counts = np.bincount(labels.astype(np.int64), minlength=len(task.classes))
        constant = counts / max(1, counts.sum())
        learnable = len(present) >= 2
    model = None
    if learner != "constant" and learnable and features.names:
        targets = labels if task.classes is None else labels.astype(np.int64)
        if learner == "forest" and len(rows) > MAX_FOREST_ROWS:
            kept = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MAX_FOREST_ROWS])
            rows, targets = rows.iloc[kept], targets[kept]
            present = np.unique(targets).astype(np.int64) if task.classes is not None else present
        with one_thread(), warnings.catch_warnings(action="ignore"):  # the linear model may stop before it converges
            model = fit_trees(_estimator(learner, features, len(present), task, seed), features.matrix(rows), targets)
    return Trained(features=features, task=task, model=model, present=present, constant=constant)


def _estimator(learner: str, features: TreeFeatures, n_classes: int, task: Task, seed: int) -> Any:
    regression = task.classes is None
    if learner == "trees":
        if regression:
            return HistGradientBoostingRegressor(
                categorical_features=features.categorical, early_stopping=False, random_state=seed
            )
        return tree_classifier(features, seed, 100 if n_classes <= 5 else max(20, 500 // n_classes))
    if learner == "forest":
        kind = RandomForestRegressor if regression else RandomForestClassifier
        return kind(random_state=seed, max_features="sqrt", **FOREST)
    return make_pipeline(_columns(features), Ridge() if regression else LogisticRegression(max_iter=300))


def _columns(features: TreeFeatures) -> ColumnTransformer:
    """Numbers imputed, flagged and standardised; categories one-hot, the rare ones together."""
    categories = [j for j, flag in enumerate(features.categorical) if flag]
    numbers = [j for j, flag in enumerate(features.categorical) if not flag]
    filled = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_ONE_HOT)
    return ColumnTransformer(
        [("numbers", make_pipeline(filled, StandardScaler()), numbers), ("categories", encoder, categories)]
    )
