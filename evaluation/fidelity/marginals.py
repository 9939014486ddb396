"""Distance between low-dimensional distributions: the mean total variation over column subsets.

Total variation of two tables on a subset of columns is half the sum of absolute differences between cell shares: the
largest difference in the share of rows that any question about those columns could find. It is a plug-in estimate, so
fresh real rows do not score 0 either; the ceiling says what they score.
"""

from __future__ import annotations

import math
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.fidelity.binning import CodeArray, Coded, FloatArray, common_codes
from evaluation.inputs import Tables
from evaluation.scores import Score, Section

MAX_SUBSETS = 500
MAX_DENSE_CELLS = 1 << 20
MAX_MATRIX_COLUMNS = 30
Z95 = 1.959963984540054
INTERVAL = (
    "95 % for the sampling of real and synthetic rows (delta method, from each row's influence on the mean); "
    "it does not cover refitting the generator."
)
_STREAM = 1


class Distance(NamedTuple):
    """A mean total variation with the standard error from row sampling, both in shares of rows (0 to 1)."""

    mean: float
    se: float
    per_subset: FloatArray


def column_subsets(n_columns: int, order: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """All subsets of ``order`` columns, or ``MAX_SUBSETS`` distinct random ones where there are more.

    Args:
        n_columns: Columns to choose from.
        order: Columns per subset.
        rng: Generator of the evaluation.
    """
    if math.comb(n_columns, order) <= MAX_SUBSETS:
        return list(combinations(range(n_columns), order))
    chosen: set[tuple[int, ...]] = set()
    while len(chosen) < MAX_SUBSETS:
        chosen.add(tuple(sorted(rng.choice(n_columns, size=order, replace=False).tolist())))
    return sorted(chosen)


def cell_numbers(codes: CodeArray, sizes: CodeArray, subset: tuple[int, ...]) -> CodeArray:
    """Mixed-radix number of each row's cell on ``subset``, shape (n,)."""
    cells = codes[:, subset[0]]
    for j in subset[1:]:
        cells = cells * sizes[j] + codes[:, j]
    return cells


def total_variation(first: CodeArray, second: CodeArray, n_cells: int) -> tuple[float, CodeArray, CodeArray, FloatArray]:
    """Total variation between two samples of cells.

    Args:
        first: Cell numbers, shape (n,).
        second: Cell numbers, shape (m,).
        n_cells: Cells there could be; beyond ``MAX_DENSE_CELLS`` the occurring ones are renumbered.

    Returns:
        The distance in [0, 1], both samples' (possibly renumbered) cells, and ``sign(p - q)`` per cell.
    """
    if n_cells > MAX_DENSE_CELLS:
        seen, both = np.unique(np.concatenate([first, second]), return_inverse=True)
        first, second, n_cells = both[: len(first)], both[len(first) :], len(seen)
    shares = np.bincount(first, minlength=n_cells) / len(first)
    gap = shares - np.bincount(second, minlength=n_cells) / len(second)
    return 0.5 * float(np.abs(gap).sum()), first, second, np.sign(gap)


def mean_distance(first: CodeArray, second: CodeArray, sizes: CodeArray, subsets: list[tuple[int, ...]]) -> Distance:
    """Mean total variation over column subsets, with its standard error from row sampling.

    The error is the delta method's: a row changes the mean by its average ``sign(p - q) / 2`` over the cells it lies
    in, so the variance is that of these influences over rows, summed over both tables. Cells with exactly equal
    shares contribute none, which makes the interval a little narrow for near-perfect tables.

    Args:
        first: Codes, shape (n, d).
        second: Codes, shape (m, d).
        sizes: Cells per column, shape (d,).
        subsets: Column positions to average over.
    """
    influence_first = np.zeros(len(first))
    influence_second = np.zeros(len(second))
    distances = np.empty(len(subsets))
    for k, subset in enumerate(subsets):
        n_cells = math.prod(int(sizes[j]) for j in subset)
        cells = cell_numbers(first, sizes, subset), cell_numbers(second, sizes, subset)
        distances[k], cells_first, cells_second, sign = total_variation(*cells, n_cells)
        influence_first += sign[cells_first]
        influence_second += sign[cells_second]
    variance = influence_first.var() / len(first) + influence_second.var() / len(second)
    return Distance(float(distances.mean()), 0.5 * math.sqrt(variance) / len(subsets), distances)


def pair_matrix(first: CodeArray, second: CodeArray, sizes: CodeArray, chosen: list[int]) -> npt.NDArray[np.float64]:
    """Total variation of every pair of ``chosen`` columns, shape (k, k); the diagonal holds single columns."""
    out = np.zeros((len(chosen), len(chosen)))
    for a, i in enumerate(chosen):
        for b, j in enumerate(chosen[: a + 1]):
            subset = (i,) if i == j else (i, j)
            n_cells = math.prod(int(sizes[k]) for k in subset)
            cells = cell_numbers(first, sizes, subset), cell_numbers(second, sizes, subset)
            out[a, b] = out[b, a] = total_variation(*cells, n_cells)[0]
    return out


def score_marginals(tables: Tables, orders: tuple[int, ...] = (1, 2, 3)) -> Section:
    """Mean total variation over all one-, two- and three-column subsets (at most ``MAX_SUBSETS``, seeded).

    Args:
        tables: Conformed tables.
        orders: Subset sizes; those above the number of columns are left out.

    Returns:
        A score per order, and the tables ``Marginals`` (per column) and ``Pairs`` (per pair of columns).
    """
    frames = [tables.real, tables.synthetic, *([] if tables.holdout is None else [tables.holdout])]
    coded = common_codes(frames, tables.schema)
    real, synthetic = coded.codes[:2]
    rng = tables.rng(_STREAM)
    shuffled = np.column_stack([rng.permutation(real[:, j]) for j in range(real.shape[1])])
    uniform = np.column_stack([rng.choice(np.unique(real[:, j]), size=len(real)) for j in range(real.shape[1])])
    fresh = coded.codes[2][rng.permutation(len(coded.codes[2]))[: len(synthetic)]] if len(coded.codes) > 2 else None
    scores = []
    single = np.zeros(0)
    for order in orders:
        if order > len(coded.sizes):
            continue
        subsets = column_subsets(len(coded.sizes), order, rng)
        found = mean_distance(real, synthetic, coded.sizes, subsets)
        single = found.per_subset if order == 1 else single
        floor = mean_distance(real, uniform if order == 1 else shuffled, coded.sizes, subsets).mean
        ceiling = None if fresh is None else mean_distance(real, fresh, coded.sizes, subsets).mean
        scores.append(_score(order, len(subsets), found, ceiling, floor))
    details = {"Marginals": _columns(coded, single, fresh), "Pairs": _pairs(coded, single)}
    return Section(scores=tuple(scores), notes=_notes(tables), tables=MappingProxyType(details))


def _score(order: int, n_subsets: int, found: Distance, ceiling: float | None, floor: float) -> Score:
    trivial = "values drawn evenly over each column's cells" if order == 1 else "real rows with every column shuffled"
    what = {1: "single columns", 2: "pairs of columns", 3: "triples of columns"}.get(order, f"{order} columns")
    return Score(
        name=f"tv_{order}way",
        label=f"Total variation, {what}",
        section="fidelity",
        value=found.mean,
        low=max(0.0, found.mean - Z95 * found.se),
        high=min(1.0, found.mean + Z95 * found.se),
        better="lower",
        ceiling=ceiling,
        floor=floor,
        unit="share of rows",
        meaning=f"Share of rows to change before the {what} agree, on average over {n_subsets} subsets.",
        interval=INTERVAL,
        scale=f"Ceiling: held-out real rows in place of the synthetic ones. Floor: {trivial}.",
    )


def _notes(tables: Tables) -> tuple[str, ...]:
    if tables.holdout is None or len(tables.holdout) >= len(tables.synthetic):
        return ()
    return (
        "The holdout has fewer rows than the synthetic table, so the ceilings of the total variation carry more "
        "sampling noise: a synthetic table can come out slightly better than its ceiling.",
    )


def _columns(coded: Coded, single: FloatArray, fresh: CodeArray | None) -> pd.DataFrame:
    table = pd.DataFrame({"Column": coded.names, "Total variation": single, "Cells": coded.sizes})
    if fresh is not None:
        one_way: list[tuple[int, ...]] = [(j,) for j in range(len(coded.sizes))]
        table["Ceiling"] = mean_distance(coded.codes[0], fresh, coded.sizes, one_way).per_subset
    return table


def _pairs(coded: Coded, single: FloatArray) -> pd.DataFrame:
    worst = np.argsort(-single, kind="stable")[:MAX_MATRIX_COLUMNS]
    chosen = sorted(worst.tolist())
    matrix = pair_matrix(coded.codes[0], coded.codes[1], coded.sizes, chosen)
    names = [coded.names[j] for j in chosen]
    rows = [(names[a], names[b], matrix[a, b]) for a in range(len(names)) for b in range(a + 1)]
    return pd.DataFrame(rows, columns=["Column 1", "Column 2", "Total variation"])
