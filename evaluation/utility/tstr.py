"""Train on synthetic, test on real: does a model learnt from the synthetic rows work on real people?

The same boosted trees are trained on the synthetic rows, on the real rows (the ceiling) and on real rows with every
column shuffled (the floor: no relation is left to learn), and all are tested on the same held-out real rows.

References:
    Esteban, Hyland and Ratsch (2017), arXiv:1706.02633.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from evaluation.features import TreeFeatures, fit_trees, one_thread, tree_classifier
from evaluation.inputs import Tables
from evaluation.intervals import Interval, resample_counts
from evaluation.scores import Score, Section
from evaluation.utility.metrics import CLASS_METRICS, NUMBER_METRICS, class_scores, number_scores
from synth.schema import Schema

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MAX_CLASSES = 50
MAX_TRAIN_ROWS = 100_000
MAX_TEST_ROWS = 20_000
N_RESAMPLES = 200
TEST_SHARE = 0.3
REST = "(all other classes)"
_STREAM = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is predicted, fixed by the real training rows.

    Attributes:
        target: Column to predict.
        classes: Class labels in code order; ``None`` for a number.
        merged: Whether rare classes share the last code because there are more than ``MAX_CLASSES``.
    """

    target: str
    classes: tuple[str, ...] | None
    merged: bool = False

    def labels(self, frame: pd.DataFrame) -> FloatArray:
        """Targets of conformed rows, shape (n,): class codes or numbers; NaN where missing or an unknown class."""
        series = frame[self.target]
        if self.classes is None:
            return np.asarray(series, dtype=np.float64)
        codes = pd.Series(as_classes(series).map({label: i for i, label in enumerate(self.classes)}), dtype=float)
        if self.merged:
            codes = codes.fillna(len(self.classes) - 1).where(series.notna())
        return np.asarray(codes, dtype=np.float64)


def as_classes(series: pd.Series) -> pd.Series:
    """Values as class labels (texts), missing ones kept missing."""
    return series.map(str, na_action="ignore").astype(object)


def define_task(real: pd.DataFrame, schema: Schema, target: str) -> Task:
    """Classes for categories, booleans and numbers with two values; a number otherwise.

    Args:
        real: Conformed real training rows.
        schema: Public facts.
        target: Column to predict.
    """
    kind = schema[target].kind
    numeric = kind is not None and kind.is_numeric
    if numeric and real[target].nunique() != 2:
        return Task(target=target, classes=None)
    common = as_classes(real[target]).value_counts().index
    if len(common) > MAX_CLASSES:
        return Task(target=target, classes=(*map(str, common[: MAX_CLASSES - 1]), REST), merged=True)
    return Task(target=target, classes=tuple(str(value) for value in common))


def train_and_test(train: pd.DataFrame, test: pd.DataFrame, schema: Schema, task: Task, seed: int = 0) -> dict[str, Interval]:
    """Train boosted trees on one table and score them on another.

    Args:
        train: Conformed rows, shape (n, d); rows without a usable target are left out.
        test: Conformed real rows, shape (m, d), likewise.
        schema: Public facts.
        task: What to predict.
        seed: Seed of row sampling, trees and bootstrap; the same resamples are drawn for every ``train``.

    Returns:
        Scores with 95 % bootstrap intervals over test rows. Training rows with one class (or no usable row) predict
        without looking: AUC is then 0.5.
    """
    rng = np.random.default_rng(seed)
    test, truth = _usable(test, task, MAX_TEST_ROWS, rng)
    weights = resample_counts(len(test), N_RESAMPLES, rng)
    train, labels = _usable(train, task, MAX_TRAIN_ROWS, rng)
    features = TreeFeatures.learn(train, schema, without=task.target)
    inputs, targets = features.matrix(train), features.matrix(test)
    if task.classes is None:
        return number_scores(truth, _predict_number(inputs, labels, targets, features, seed), weights)
    shares = _predict_class(inputs, labels.astype(np.int64), targets, features, len(task.classes), seed)
    return class_scores(truth.astype(np.int64), shares, weights)


def _usable(frame: pd.DataFrame, task: Task, most: int, rng: np.random.Generator) -> tuple[pd.DataFrame, FloatArray]:
    labels = task.labels(frame)
    rows = np.flatnonzero(~np.isnan(labels))
    if len(rows) > most:
        rows = np.sort(rng.permutation(rows)[:most])
    return frame.iloc[rows], labels[rows]


def _predict_class(
    inputs: FloatArray, labels: IntArray, tests: FloatArray, features: TreeFeatures, n_classes: int, seed: int
) -> FloatArray:
    """Class probabilities, shape (m, n_classes); 0 for classes that the training rows lack."""
    shares = np.zeros((len(tests), n_classes))
    present = np.unique(labels)
    if len(present) < 2 or not features.names:
        counts = np.bincount(labels, minlength=n_classes)
        shares[:] = counts / max(1, counts.sum())
        return shares
    rounds = 100 if len(present) <= 5 else max(20, 500 // len(present))
    with one_thread():
        trees = fit_trees(tree_classifier(features, seed, rounds), inputs, labels)
        shares[:, present] = trees.predict_proba(tests)
    return shares


def _predict_number(inputs: FloatArray, labels: FloatArray, tests: FloatArray, features: TreeFeatures, seed: int) -> FloatArray:
    if len(labels) < 2 or not features.names:
        return np.full(len(tests), labels.mean() if len(labels) else 0.0)
    trees = HistGradientBoostingRegressor(categorical_features=features.categorical, early_stopping=False, random_state=seed)
    with one_thread():
        return np.asarray(fit_trees(trees, inputs, labels).predict(tests), dtype=np.float64)


def score_utility(tables: Tables) -> Section:
    """Train on synthetic, test on real, beside training on real (ceiling) and on shuffled columns (floor).

    Args:
        tables: Conformed tables. Without a target the part is left out; without a holdout 30 % of the real rows are
            the test rows, which the generator has seen.

    Returns:
        A score per metric and the table ``Utility``; or a note that says why there is none.
    """
    if tables.target is None:
        return Section(notes=("Utility is left out: no target column is given and the schema names none.",))
    notes = []
    real, shuffled, test = tables.real, tables.permuted, tables.holdout
    if test is None:
        order = tables.rng(_STREAM).permutation(len(real))
        cut = round(TEST_SHARE * len(real))
        test, real = real.iloc[order[:cut]], real.iloc[order[cut:]]
        notes.append(
            "Utility without a holdout: models are tested on 30 % of the real rows, which the generator was fitted on, "
            "so the score of the synthetic rows is optimistic."
        )
    task = define_task(real, tables.schema, tables.target)
    gap = _gap(task, real, test)
    if gap is not None:
        return Section(notes=(*notes, gap))
    notes += _caveats(task, tables)
    rows = {
        what: train_and_test(frame, test, tables.schema, task, tables.seed)
        for what, frame in {"synthetic": tables.synthetic, "real": real, "shuffled": shuffled}.items()
    }
    return Section(scores=_scores(task, rows), notes=tuple(notes), tables=MappingProxyType({"Utility": _table(rows)}))


def _gap(task: Task, real: pd.DataFrame, test: pd.DataFrame) -> str | None:
    for frame, what in ((real, "training"), (test, "test")):
        labels = task.labels(frame)
        known = labels[~np.isnan(labels)]
        if len(np.unique(known)) < 2:
            return f"Utility is left out: the target has fewer than two values among the real {what} rows."
    return None


def _caveats(task: Task, tables: Tables) -> list[str]:
    notes = []
    synthetic = task.labels(tables.synthetic)
    if task.classes is not None and len(np.unique(synthetic[~np.isnan(synthetic)])) < 2:
        notes.append("The synthetic rows hold one class of the target, so a model trained on them is scored as chance.")
    if task.merged:
        notes.append(f"The target has more than {MAX_CLASSES} classes; the rare ones are scored as one class.")
    if tables.real[task.target].isna().any():
        notes.append("Rows with a missing target are left out of training and testing.")
    return notes


def _scores(task: Task, rows: dict[str, dict[str, Interval]]) -> tuple[Score, ...]:
    metrics = NUMBER_METRICS if task.classes is None else CLASS_METRICS
    return tuple(
        Score(
            name=f"tstr_{metric.name}",
            label=f"Train on synthetic, test on real: {metric.label}",
            section="utility",
            value=rows["synthetic"][metric.name].value,
            low=rows["synthetic"][metric.name].low,
            high=rows["synthetic"][metric.name].high,
            better="higher" if metric.higher else "lower",
            ceiling=rows["real"][metric.name].value,
            floor=rows["shuffled"][metric.name].value,
            unit=metric.unit,
            meaning=f"How well a model trained on synthetic rows {metric.meaning} (target {task.target}).",
            interval=f"95 %, bootstrap of the test rows ({N_RESAMPLES} resamples); it does not cover refitting.",
            scale="Ceiling: the same model trained on real rows. Floor: trained on real rows with columns shuffled.",
        )
        for metric in metrics
    )


def _table(rows: dict[str, dict[str, Interval]]) -> pd.DataFrame:
    records = [(what, name, *interval) for what, found in rows.items() for name, interval in found.items()]
    return pd.DataFrame(records, columns=["Trained on", "Metric", "Value", "Low", "High"])
