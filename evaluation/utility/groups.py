"""Who pays for the noise: the loss of utility in each subgroup, since noise falls hardest on small groups.

The models of the trial are scored on the test rows of one subgroup at a time. The gap is what a model loses in that
subgroup by training on synthetic instead of real rows; its interval resamples the subgroup's test rows and scores both
models on the same resample.
"""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.inputs import Tables
from evaluation.intervals import Interval, bootstrap_interval
from evaluation.scores import Score, Section
from evaluation.utility.metrics import Metric
from evaluation.utility.models import LABELS, LEARNERS
from evaluation.utility.task import FloatArray
from evaluation.utility.trial import HALVES, N_RESAMPLES, REAL, SHUFFLED, SYNTHETIC, Trial, measure
from synth.schema import Column, Kind

BoolArray = npt.NDArray[np.bool_]

MAX_GROUPS = 12
N_QUANTILES = 4
MIN_TEST_ROWS = 50
MIN_PER_CLASS = 10
OTHERS = "(others)"
MISSING = "(missing)"


class Subgroup(NamedTuple):
    """A subgroup: its column and label, its rows among the test rows, shape (m,), and its share of the real rows."""

    column: str
    label: str
    rows: BoolArray
    share: float


def find_groups(real: pd.DataFrame, test: pd.DataFrame, column: Column) -> list[Subgroup]:
    """The subgroups of one column, as the real rows define them.

    Numbers with more than ``MAX_GROUPS`` values are cut at the real rows' quartiles; of categories the most frequent
    are kept apart and the rest are one subgroup. Missing is a subgroup.

    Args:
        real: Conformed real rows.
        test: Conformed test rows, shape (m, d).
        column: The column.
    """
    numeric = column.kind is not None and column.kind.is_numeric
    if numeric and real[column.name].nunique() > MAX_GROUPS:
        labels = [_quartiles(frame[column.name], real[column.name], column) for frame in (real, test)]
    else:
        known = real[column.name].value_counts().index[:MAX_GROUPS]
        labels = [_values(frame[column.name], set(known)) for frame in (real, test)]
    shares = labels[0].value_counts(normalize=True)
    names = [*shares.index, *(name for name in labels[1].unique() if name not in shares.index)]
    return [Subgroup(column.name, str(name), (labels[1] == name).to_numpy(), float(shares.get(name, 0.0))) for name in names]


def _values(series: pd.Series, known: set[object]) -> pd.Series:
    texts = series.map(lambda v: f"{v:g}" if isinstance(v, float) else str(v), na_action="ignore")
    return texts.where(series.isin(known), OTHERS).where(series.notna(), MISSING)


def _quartiles(series: pd.Series, real: pd.Series, column: Column) -> pd.Series:
    edges = np.unique(np.nanquantile(real.to_numpy(dtype=np.float64), np.linspace(0, 1, N_QUANTILES + 1)))
    texts = [_limit(edge, column) for edge in edges]
    cells = np.clip(np.searchsorted(edges, series.to_numpy(dtype=np.float64), side="right") - 1, 0, len(edges) - 2)
    names = np.array([f"{low} to {high}" for low, high in pairwise(texts)], dtype=object)
    return pd.Series(np.where(series.notna(), names[cells], MISSING), index=series.index)


def _limit(value: float, column: Column) -> str:
    if column.kind is Kind.DATETIME:
        return str(np.datetime64(int(value), "s").astype("datetime64[D]"))
    return f"{value:,.6g}"


class Gap(NamedTuple):
    """What is lost in a subgroup: levels by table, and the loss (positive: synthetic is worse), shape (1 + b,)."""

    levels: dict[str, float]
    loss: FloatArray

    def interval(self, confidence: float = 0.95) -> Interval:
        """The loss on all test rows of the subgroup with bootstrap limits."""
        return bootstrap_interval(float(self.loss[0]), self.loss[1:], confidence)


def gaps_of(trial: Trial, group: Subgroup, learner: str, tables: tuple[str, ...] = (SYNTHETIC, REAL)) -> dict[str, Gap]:
    """The gaps of one model in one subgroup, by metric; a metric is left out where the subgroup is too small for it.

    Args:
        trial: The finished trial.
        group: The subgroup.
        learner: The model.
        tables: Training tables whose levels are wanted, synthetic and real among them.
    """
    truth = trial.truth[group.rows]
    if len(truth) < MIN_TEST_ROWS:
        return {}
    weights = trial.weights[:, group.rows]
    weights = weights[weights.sum(axis=1) > 0]
    found = {what: measure(trial.task, truth, trial.predictions[what, learner][group.rows], weights) for what in tables}
    return {
        metric.name: Gap(
            {what: float(rows[metric.name][0]) for what, rows in found.items()},
            (1.0 if metric.higher else -1.0) * (found[REAL][metric.name] - found[SYNTHETIC][metric.name]),
        )
        for metric in trial.metrics
        if _is_scorable(truth, trial.task.classes is None, metric)
    }


def _is_scorable(truth: FloatArray, regression: bool, metric: Metric) -> bool:
    if regression or metric.name != "auc":
        return True
    counts = np.unique(truth, return_counts=True)[1]
    return len(counts) > 1 and int(np.sort(counts)[-2]) >= MIN_PER_CLASS


def score_groups(trial: Trial, tables: Tables) -> Section:
    """The largest loss in any subgroup, and the table ``Subgroups`` with every model, metric and subgroup.

    Args:
        trial: The finished trial, with the halves of the real rows.
        tables: Conformed tables; without ``groups`` the part is empty.
    """
    if not tables.groups:
        return Section(notes=("No subgroup column is named (--group), so utility is not shown per subgroup.",))
    groups = [g for name in tables.groups for g in find_groups(tables.real, trial.test, tables.schema[name])]
    leading = trial.metrics[0] if trial.task.classes is not None else trial.metrics[1]
    every = (SYNTHETIC, REAL, SHUFFLED, *HALVES)
    scored = [(group, gaps_of(trial, group, LEARNERS[0], every).get(leading.name)) for group in groups]
    large = [(group, gap) for group, gap in scored if gap is not None]
    table = _table(trial, groups)
    small = [f"{group.column} {group.label!r}" for group, gap in scored if gap is None]
    notes = []
    if small:
        notes.append(
            f"Subgroups with fewer than {MIN_TEST_ROWS} test rows (or {MIN_PER_CLASS} of a second class) are not scored: "
            f"{', '.join(small[:10])}{' and others' if len(small) > 10 else ''}."
        )
    if not large:
        return Section(notes=(*notes, "No subgroup is large enough to score."), tables=MappingProxyType({"Subgroups": table}))
    return Section(scores=(_worst(large, leading),), notes=tuple(notes), tables=MappingProxyType({"Subgroups": table}))


def _worst(gaps: list[tuple[Subgroup, Gap]], metric: Metric) -> Score:
    sign = 1.0 if metric.higher else -1.0
    group, worst = max(gaps, key=lambda pair: float(pair[1].loss[0]))
    loss = worst.interval(1 - 0.05 / len(gaps))
    halves = max(sign * (gap.levels[REAL] - gap.levels[HALVES[0]]) for _, gap in gaps)
    shuffled = max(sign * (gap.levels[REAL] - gap.levels[SHUFFLED]) for _, gap in gaps)
    return Score(
        name="subgroup_gap",
        label=f"Largest loss in a subgroup ({metric.label}, boosted trees)",
        section="utility",
        value=loss.value,
        low=loss.low,
        high=loss.high,
        better="lower",
        ceiling=halves,
        floor=shuffled,
        unit=metric.unit,
        meaning=f"What the worst of {len(gaps)} subgroups loses by training on synthetic rows ({group.column}: {group.label}).",
        interval=f"95 % for all subgroups at once (Bonferroni), bootstrap of its test rows ({N_RESAMPLES} resamples).",
        scale="Ceiling: trained on half of the real rows. Floor: trained on real rows with columns shuffled.",
    )


def _table(trial: Trial, groups: list[Subgroup]) -> pd.DataFrame:
    rows = []
    for group in groups:
        size = int(group.rows.sum())
        for learner in LEARNERS:
            gaps = gaps_of(trial, group, learner)
            for metric in trial.metrics:
                gap = gaps.get(metric.name)
                found = (np.nan,) * 5 if gap is None else (gap.levels[REAL], gap.levels[SYNTHETIC], *gap.interval())
                rows.append((group.column, group.label, size, group.share, LABELS[learner], metric.label, *found))
    names = [
        "Column",
        "Group",
        "Test rows",
        "Share of real rows",
        "Model",
        "Metric",
        "Real",
        "Synthetic",
        "Loss",
        "Low",
        "High",
    ]
    return pd.DataFrame(rows, columns=names)
