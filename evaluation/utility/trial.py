"""The trial that every utility score is read from: models trained on several tables, tested on the same real rows.

The tables are the synthetic rows, the real rows (the non-private baseline and the ceiling), real rows with every
column shuffled (the floor) and the two halves of the real rows (how far two honest samples agree).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.inputs import Tables, is_excess, overlap, row_hashes
from evaluation.intervals import resample_counts
from evaluation.utility.metrics import CLASS_METRICS, NUMBER_METRICS, Metric, Weights, class_resamples, number_resamples
from evaluation.utility.models import Trained, train
from evaluation.utility.task import MAX_CLASSES, FloatArray, Task, define_task, usable
from synth.schema import Schema

MAX_TRAIN_ROWS = 100_000
MAX_TEST_ROWS = 20_000
N_RESAMPLES = 200
TEST_SHARE = 0.3
SYNTHETIC, REAL, SHUFFLED, HALVES = "synthetic", "real", "shuffled", ("first half", "second half")
_STREAM = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Models and what they predict for the test rows.

    Attributes:
        task: What is predicted.
        test: Conformed test rows, shape (m, d).
        truth: Their targets, shape (m,).
        weights: Bootstrap counts of test rows, shape (b, m).
        models: By table and learner.
        predictions: By table and learner; shape (m, classes) or (m,).
        results: By table and learner: metric name to values, shape (1 + b,), all rows first.
    """

    task: Task
    test: pd.DataFrame
    truth: FloatArray
    weights: Weights
    models: dict[tuple[str, str], Trained]
    predictions: dict[tuple[str, str], FloatArray]
    results: dict[tuple[str, str], dict[str, FloatArray]]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of the task, the leading one first."""
        return NUMBER_METRICS if self.task.classes is None else CLASS_METRICS


def measure(task: Task, truth: FloatArray, predictions: FloatArray, weights: Weights) -> dict[str, FloatArray]:
    """Every metric of the task on all rows and on every resample, shape (1 + b,) each."""
    if task.classes is None:
        return number_resamples(truth, predictions, weights)
    return class_resamples(truth.astype(np.int64), predictions, weights)


def run_trial(
    training: dict[str, pd.DataFrame], test: pd.DataFrame, schema: Schema, task: Task, seed: int, learners: tuple[str, ...]
) -> Trial:
    """Train every learner on every table and test all of them on the same rows.

    Args:
        training: Conformed tables by name; rows without a usable target are left out, ``MAX_TRAIN_ROWS`` at most.
        test: Conformed real rows, likewise, ``MAX_TEST_ROWS`` at most.
        schema: Public facts.
        task: What to predict.
        seed: Seed of row sampling, models and bootstrap.
        learners: Names from ``LEARNERS``, or ``constant``.
    """
    rng = np.random.default_rng(seed)
    test, truth = usable(test, task, MAX_TEST_ROWS, rng)
    weights = resample_counts(len(test), N_RESAMPLES, rng)
    models, predictions, results = {}, {}, {}
    for what, frame in training.items():
        rows, labels = usable(frame, task, MAX_TRAIN_ROWS, np.random.default_rng([seed, 1]))
        for learner in learners:
            model = train(learner, rows, labels, schema, task, seed)
            key = (what, learner)
            models[key] = model
            predictions[key] = model.predict(model.features.matrix(test))
            results[key] = measure(task, truth, predictions[key], weights)
    return Trial(task=task, test=test, truth=truth, weights=weights, models=models, predictions=predictions, results=results)


def prepare_trial(tables: Tables, learners: tuple[str, ...], *, halves: bool) -> tuple[Trial | None, list[str]]:
    """Fix the task and the test rows, and run the trial.

    Args:
        tables: Conformed tables with a target; without a holdout 30 % of the real rows are the test rows, which the
            generator has seen.
        learners: Models to train.
        halves: Whether to train on the two halves of the real rows as well.

    Returns:
        The trial, or ``None`` where the target has fewer than two values, and notes.
    """
    if tables.target is None:
        return None, ["Utility is left out: no target column is given and the schema names none."]
    notes = []
    real, test = tables.real, tables.holdout
    order = tables.rng(_STREAM).permutation(len(real))
    if test is None:
        cut = round(TEST_SHARE * len(real))
        test, real, order = real.iloc[order[:cut]], real.iloc[order[cut:]], np.arange(len(real) - cut)
        notes.append(
            "Utility without a holdout: models are tested on 30 % of the real rows, which the generator was fitted on, "
            "so the score of the synthetic rows is optimistic."
        )
    synthetic, test, parted = apart(tables.synthetic, test, real)
    notes += parted
    task = define_task(tables.real, tables.schema, tables.target)
    gap = _gap(task, real, test)
    if gap is not None:
        return None, [*notes, gap]
    training = {SYNTHETIC: synthetic, REAL: real, SHUFFLED: tables.permuted}
    if halves:
        cut = len(real) // 2
        training |= dict(zip(HALVES, (real.iloc[order[:cut]], real.iloc[order[cut:]]), strict=True))
    notes += _caveats(task, tables)
    return run_trial(training, test, tables.schema, task, tables.seed, learners), notes


def apart(synthetic: pd.DataFrame, test: pd.DataFrame, real: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Keep rows that training and test share on one side only, where they are more than chance would have.

    Args:
        synthetic: Rows to train on.
        test: Rows to test on.
        real: Rows whose share in ``test`` says what chance is.

    Returns:
        Rows to train on, rows to test on, and a note where some were left out.
    """
    shared = overlap(test, synthetic)
    if not is_excess(shared, overlap(test, real), len(test)):
        return synthetic, test, []
    hashes, other = row_hashes(synthetic), row_hashes(test)
    common = np.intersect1d(hashes, other)
    side = {True: common[common % np.uint64(2) == 0], False: common[common % np.uint64(2) == 1]}
    note = (
        f"{shared:.0%} of the test rows occur exactly among the synthetic rows: for the utility scores these rows are "
        "either trained on or tested on, never both."
    )
    return synthetic[~np.isin(hashes, side[True])], test[~np.isin(other, side[False])], [note]


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
