"""How columns move together: rank correlations and mutual information, real and synthetic, and their difference.

Rank correlation is Spearman's, with every table ranked by the real rows, over columns that have an order (numbers,
dates, ordinals, booleans), on the rows where both values are known. Mutual information covers every column, on
common cells (missing is one of them), divided by the geometric mean of the two entropies: 0 is independent, 1 is
one determines the other. Both are plug-in estimates.

References:
    Spearman (1904), American Journal of Psychology 15(1).
    Strehl and Ghosh (2002), Journal of Machine Learning Research 3 (normalised mutual information).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.fidelity.binning import CodeArray, FloatArray, common_codes, lumped
from evaluation.fidelity.marginals import Z95
from evaluation.inputs import Tables
from evaluation.scores import Score, Section
from synth.schema import Column, Kind

MAX_COLUMNS = 30
MAX_CELLS = 12
Pair = tuple[int, int]
Statistic = Callable[[int, Pair], tuple[float, FloatArray]]
INTERVAL = "95 % for the sampling of real and synthetic rows (delta method); it does not cover refitting the generator."


def rank_columns(tables: list[pd.DataFrame], columns: list[Column]) -> list[FloatArray]:
    """Mean ranks of every table's values among the real (first) table's, from 0 to 1, NaN where missing.

    Args:
        tables: Conformed tables, the real one first.
        columns: Columns with an order.

    Returns:
        One array per table, shape (n, len(columns)).
    """
    out = [np.full((len(table), len(columns)), np.nan) for table in tables]
    for j, column in enumerate(columns):
        numbers = [_ordered(table[column.name], column) for table in tables]
        known = np.sort(numbers[0][~np.isnan(numbers[0])])
        for t, values in enumerate(numbers):
            low, high = np.searchsorted(known, values, side="left"), np.searchsorted(known, values, side="right")
            out[t][:, j] = np.where(np.isnan(values), np.nan, (low + high) / max(2, 2 * len(known)))
    return out


def _ordered(series: pd.Series, column: Column) -> FloatArray:
    if column.kind is not None and column.kind.is_numeric:
        return np.asarray(series, dtype=np.float64)
    order = ("False", "True") if column.kind is Kind.BOOLEAN else column.categories or ()
    places = {label: float(i) for i, label in enumerate(order)}
    return np.asarray(series.map(places), dtype=np.float64)


def has_order(column: Column) -> bool:
    """Whether ranks of a column mean something."""
    if column.kind is None:
        return False
    return column.kind.is_numeric or column.kind is Kind.BOOLEAN or (column.kind is Kind.ORDINAL and bool(column.categories))


def correlation(ranks: FloatArray, pair: Pair) -> tuple[float, FloatArray]:
    """Pearson correlation of two columns of ``ranks`` and each row's influence on it, shape (n,).

    It is 0 where a column does not vary or fewer than three rows hold both values.
    """
    x, y = ranks[:, pair[0]], ranks[:, pair[1]]
    known = ~(np.isnan(x) | np.isnan(y))
    influence = np.zeros(len(ranks))
    count = int(known.sum())
    if count < 3:
        return 0.0, influence
    a, b = x[known] - x[known].mean(), y[known] - y[known].mean()
    spread = math.sqrt(float((a * a).mean()) * float((b * b).mean()))
    if spread < 1e-12:
        return 0.0, influence
    a, b = a / a.std(), b / b.std()
    value = float((a * b).mean())
    influence[known] = (a * b - value * (a * a + b * b) / 2) * len(ranks) / count
    return value, influence


def mutual_information(codes: CodeArray, sizes: CodeArray, pair: Pair) -> tuple[float, FloatArray]:
    """Normalised mutual information of two coded columns and each row's influence on it, shape (n,).

    It is 0 where a column has one value only.
    """
    i, j = pair
    x, y = codes[:, i], codes[:, j]
    shares = np.bincount(x * sizes[j] + y, minlength=int(sizes[i] * sizes[j])).reshape(int(sizes[i]), -1) / len(x)
    first, second = shares.sum(axis=1), shares.sum(axis=0)
    entropies = [-float((p[p > 0] * np.log(p[p > 0])).sum()) for p in (first, second)]
    if min(entropies) <= 1e-12:
        return 0.0, np.zeros(len(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.log(shares) - np.log(first)[:, None] - np.log(second)[None, :]
        surprise = -np.log(first), -np.log(second)
    information = float((shares[shares > 0] * gain[shares > 0]).sum())
    scale = math.sqrt(entropies[0] * entropies[1])
    value = information / scale
    drift = sum((s[c] - h) / h for s, c, h in zip(surprise, (x, y), entropies, strict=True))
    return value, np.asarray((gain[x, y] - information) / scale - 0.5 * value * drift, dtype=np.float64)


def mean_gap(statistic: Statistic, pairs: list[Pair], rows: tuple[int, int], other: int) -> tuple[float, float, FloatArray]:
    """Mean absolute difference of a pairwise statistic between table 0 and table ``other``.

    Args:
        statistic: From a table's number and a pair to the value and each row's influence.
        pairs: Column pairs to average over.
        rows: Rows of table 0 and of the other table.
        other: Number of the other table.

    Returns:
        The mean, its standard error from row sampling, and the values: shape (pairs, 2), table 0 first.
    """
    influences = [np.zeros(n) for n in rows]
    values = np.empty((len(pairs), 2))
    for k, pair in enumerate(pairs):
        found = [statistic(t, pair) for t in (0, other)]
        values[k] = [value for value, _ in found]
        sign = np.sign(values[k, 0] - values[k, 1])
        for total, (_, influence) in zip(influences, found, strict=True):
            total += sign * influence
    variance = sum(float(i.var()) / len(i) for i in influences)
    return float(np.abs(values[:, 0] - values[:, 1]).mean()), math.sqrt(variance) / len(pairs), values


def score_dependence(tables: Tables) -> Section:
    """Mean absolute difference of rank correlations and of mutual informations over all pairs of columns.

    Args:
        tables: Conformed tables. Only the first ``MAX_COLUMNS`` columns are compared, with a note.

    Returns:
        Two scores, and the tables ``Correlation`` and ``Mutual information`` with a row per pair: real, synthetic and
        difference. A part without two columns is left out, with a note.
    """
    frames = [tables.real, tables.synthetic, tables.permuted]
    if tables.holdout is not None:
        frames.append(tables.holdout.iloc[: len(tables.synthetic)])
    columns = list(tables.schema.columns)[:MAX_COLUMNS]
    notes = []
    if len(tables.schema.columns) > MAX_COLUMNS:
        notes.append(f"Correlation and mutual information are compared on the first {MAX_COLUMNS} columns only.")
    ranked = [column for column in columns if has_order(column)]
    scores, details = [], {}
    if len(ranked) < 2:
        notes.append("Rank correlation is left out: fewer than two columns have an order.")
    else:
        ranks = rank_columns(frames, ranked)
        score, table = _part("correlation", lambda t, pair: correlation(ranks[t], pair), [c.name for c in ranked], frames)
        scores.append(score)
        details["Correlation"] = table
    if len(columns) < 2:
        notes.append("Mutual information is left out: the table has one column.")
    else:
        coded = lumped(common_codes(frames, tables.schema, n_bins=_cells(len(tables.real))), MAX_CELLS)
        codes = coded.codes
        score, table = _part(
            "mutual_information",
            lambda t, pair: mutual_information(codes[t], coded.sizes, pair),
            [c.name for c in columns],
            frames,
        )
        scores.append(score)
        details["Mutual information"] = table
    return Section(scores=tuple(scores), notes=tuple(notes), tables=MappingProxyType(details))


def _cells(n_rows: int) -> int:
    """Bins per number: few where rows are few, so that the plug-in estimate's bias stays small."""
    return int(np.clip(math.sqrt(n_rows / 20), 4, 10))


LABELS = {
    "correlation": ("Rank correlations", "rank correlation (Spearman)", "correlation, -1 to 1"),
    "mutual_information": ("Mutual information", "normalised mutual information", "share of entropy, 0 to 1"),
}


def _part(name: str, statistic: Statistic, names: list[str], frames: list[pd.DataFrame]) -> tuple[Score, pd.DataFrame]:
    pairs = list(combinations(range(len(names)), 2))
    found = [mean_gap(statistic, pairs, (len(frames[0]), len(frames[t])), t) for t in range(1, len(frames))]
    mean, error, values = found[0]
    label, what, unit = LABELS[name]
    score = Score(
        name=f"{name}_gap",
        label=f"{label}, mean difference",
        section="fidelity",
        value=mean,
        low=max(0.0, mean - Z95 * error),
        high=mean + Z95 * error,
        better="lower",
        ceiling=found[2][0] if len(found) > 2 else None,
        floor=found[1][0],
        unit=unit,
        meaning=f"By how much the {what} of two columns differs from the real one, on average over {len(pairs)} pairs.",
        interval=INTERVAL,
    )
    table = pd.DataFrame(
        {
            "Column 1": [names[j] for _, j in pairs],
            "Column 2": [names[i] for i, _ in pairs],
            "Real": values[:, 0],
            "Synthetic": values[:, 1],
            "Difference": values[:, 1] - values[:, 0],
        }
    )
    if len(found) > 2:
        table["Holdout"] = found[2][2][:, 1]
    return score, table


def matrix(table: pd.DataFrame, value: str, diagonal: float) -> tuple[list[str], npt.NDArray[np.float64]]:
    """A symmetric matrix from a table of pairs.

    Args:
        table: Columns ``Column 1``, ``Column 2`` and ``value``, every pair once.
        value: Column to place.
        diagonal: What stands on the diagonal.

    Returns:
        Names in order, and the matrix, shape (k, k).
    """
    names = list(dict.fromkeys([*table["Column 2"], *table["Column 1"]]))
    place = {name: i for i, name in enumerate(names)}
    out = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(out, diagonal)
    rows, others = table["Column 1"].map(place).to_numpy(), table["Column 2"].map(place).to_numpy()
    out[rows, others] = out[others, rows] = table[value].to_numpy(dtype=np.float64)
    return names, out
