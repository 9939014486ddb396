"""Train on synthetic, test on real: does a model learnt from the synthetic rows work on real people?

Boosted trees, a linear model (logistic or ridge regression) and a random forest are trained on the synthetic rows, on
the real rows (the non-private baseline, which is the ceiling) and on real rows with every column shuffled (the floor:
no relation is left to learn), and all are tested on the same held-out real rows.

References:
    Esteban, Hyland and Ratsch (2017), arXiv:1706.02633.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import stats

from evaluation.inputs import Tables
from evaluation.intervals import Interval, percentile_interval
from evaluation.scores import Score, Section
from evaluation.utility.groups import score_groups
from evaluation.utility.importance import score_importance
from evaluation.utility.metrics import Metric, intervals
from evaluation.utility.models import LABELS, LEARNERS
from evaluation.utility.task import FloatArray, Task
from evaluation.utility.trial import HALVES, N_RESAMPLES, REAL, SHUFFLED, SYNTHETIC, Trial, prepare_trial, run_trial
from synth.schema import Schema

CONSTANT = "constant"
INTERVAL = f"95 %, bootstrap of the test rows ({N_RESAMPLES} resamples); it does not cover refitting."
NAMES = {
    SYNTHETIC: "synthetic",
    REAL: "real (non-private baseline)",
    SHUFFLED: "shuffled columns",
}


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
    trial = run_trial({SYNTHETIC: train}, test, schema, task, seed, LEARNERS[:1])
    return intervals(trial.results[SYNTHETIC, LEARNERS[0]])


def score_utility(tables: Tables, *, brief: bool = False) -> Section:
    """Train on synthetic, test on real, beside training on real (ceiling) and on shuffled columns (floor).

    Args:
        tables: Conformed tables. Without a target the part is left out; without a holdout 30 % of the real rows are
            the test rows, which the generator has seen.
        brief: Boosted trees only, without agreement of rankings and without subgroups.

    Returns:
        A score per metric and model, agreement of rankings, subgroup gaps, and their tables; or a note that says why
        there is none.
    """
    learners = LEARNERS[:1] if brief else (*LEARNERS, CONSTANT)
    trial, notes = prepare_trial(tables, learners, halves=not brief)
    if trial is None:
        return Section(notes=tuple(notes))
    shown = LEARNERS[: len(learners)]
    scores = tuple(score for learner in shown for score in _scores(trial, learner))
    details = {"Utility": _table(trial, learners)}
    if brief:
        return Section(scores=scores, notes=tuple(notes), tables=MappingProxyType(details))
    parts = (score_importance(trial, tables), score_groups(trial, tables))
    return Section(
        scores=(*scores, _ranking(trial, learners), *(score for part in parts for score in part.scores)),
        notes=(*notes, *(note for part in parts for note in part.notes)),
        tables=MappingProxyType(details | {name: table for part in parts for name, table in part.tables.items()}),
    )


def _scores(trial: Trial, learner: str) -> tuple[Score, ...]:
    found = {what: intervals(trial.results[what, learner]) for what in (SYNTHETIC, REAL, SHUFFLED)}
    return tuple(_score(trial.task.target, learner, metric, found) for metric in trial.metrics)


def _score(target: str, learner: str, metric: Metric, found: dict[str, dict[str, Interval]]) -> Score:
    value = found[SYNTHETIC][metric.name]
    return Score(
        name=f"tstr_{metric.name}" if learner == LEARNERS[0] else f"tstr_{metric.name}_{learner}",
        label=f"Trained on synthetic: {metric.label}, {LABELS[learner]}",
        section="utility",
        value=value.value,
        low=value.low,
        high=value.high,
        better="higher" if metric.higher else "lower",
        ceiling=found[REAL][metric.name].value,
        floor=found[SHUFFLED][metric.name].value,
        unit=metric.unit,
        meaning=f"How well a model trained on synthetic rows {metric.meaning} (target {target})."
        if metric.higher
        else f"How much a model trained on synthetic rows {metric.meaning} (target {target}).",
        interval=INTERVAL,
        scale="Ceiling: the same model trained on real rows. Floor: trained on real rows with columns shuffled.",
    )


def _table(trial: Trial, learners: tuple[str, ...]) -> pd.DataFrame:
    rows = []
    for what, name in NAMES.items():
        for learner in learners:
            if learner == CONSTANT and what != REAL:
                continue
            label = LABELS.get(learner, "none (same answer for everybody)")
            found = intervals(trial.results[what, learner])
            rows += [(name, label, metric.label, *found[metric.name]) for metric in trial.metrics]
    return pd.DataFrame(rows, columns=["Trained on", "Model", "Metric", "Value", "Low", "High"])


def _ranking(trial: Trial, learners: tuple[str, ...]) -> Score:
    metric = trial.metrics[0].name
    levels = {what: np.stack([trial.results[what, one][metric] for one in learners]) for what in (SYNTHETIC, REAL, SHUFFLED)}
    halves = [np.stack([trial.results[what, one][metric] for one in learners]) for what in HALVES]
    found = kendall(levels[SYNTHETIC], levels[REAL])
    limits = percentile_interval(float(found[0]), found[1:])
    return Score(
        name="model_ranking",
        label="Ranking of models, agreement",
        section="utility",
        value=limits.value,
        low=limits.low,
        high=limits.high,
        better="higher",
        ceiling=float(kendall(*(h[:, :1] for h in halves))[0]),
        floor=float(kendall(levels[SHUFFLED][:, :1], levels[REAL][:, :1])[0]),
        unit="Kendall's tau-b, -1 to 1",
        meaning=f"Whether synthetic rows order {len(learners)} models as real rows do (by {trial.metrics[0].label}, "
        "one of them a constant): coarse, since there are few.",
        interval=INTERVAL,
        scale="Ceiling: two halves of the real rows against each other. Floor: shuffled columns against the real rows.",
    )


def kendall(first: FloatArray, second: FloatArray) -> FloatArray:
    """Kendall's tau-b between the columns of two arrays, shape (b,); 0 where one side is all ties.

    Args:
        first: Levels, shape (models, b).
        second: Levels, shape (models, b).
    """
    found = [stats.kendalltau(a, b).statistic for a, b in zip(first.T, second.T, strict=True)]
    return np.nan_to_num(np.array(found, dtype=np.float64))
