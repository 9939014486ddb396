"""Common cells for several tables: every column of every table as small integers that mean the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.schema import Schema

CodeArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

N_BINS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """Tables as cell numbers.

    Attributes:
        codes: One array per table, shape (rows, d), column-major; ``codes[t][i, j] < sizes[j]``. 0 means missing.
        sizes: Cells per column, shape (d,).
        names: Column names, length d.
    """

    codes: tuple[CodeArray, ...]
    sizes: CodeArray
    names: tuple[str, ...]


def common_codes(tables: Sequence[pd.DataFrame], schema: Schema, n_bins: int = N_BINS) -> Coded:
    """Code conformed tables by cells that the first (real) table defines.

    Numbers fall into quantile bins of the first table, and each of its heavy atoms (a value that spans a whole
    quantile step, such as a spike at zero) has a cell of its own. Values below or above everything in the first table,
    missing values, and categories that the first table lacks have their own cells as well.

    Args:
        tables: Conformed tables; the first one defines the numeric bins.
        schema: Public facts; every kind declared.
        n_bins: Quantile bins per number.
    """
    columns = []
    sizes = []
    for column in schema.columns:
        parts = [table[column.name] for table in tables]
        numeric = column.kind is not None and column.kind.is_numeric
        coded, size = _numbers(parts, n_bins) if numeric else _categories(parts)
        columns.append(coded)
        sizes.append(size)
    codes = tuple(np.asfortranarray(np.column_stack([c[t] for c in columns])) for t in range(len(tables)))
    return Coded(codes=codes, sizes=np.array(sizes, dtype=np.int64), names=schema.names)


def lumped(coded: Coded, most: int) -> Coded:
    """The same tables with at most ``most`` cells a column, the first table's frequent ones, and one for the rest.

    Args:
        coded: Tables as cell numbers.
        most: Cells to keep apart per column, besides missing (0) and the rest.
    """
    codes = [table.copy(order="F") for table in coded.codes]
    sizes = coded.sizes.copy()
    for j, size in enumerate(coded.sizes):
        if size <= most + 2:
            continue
        counts = np.bincount(coded.codes[0][:, j], minlength=size)
        counts[0] = -1
        place = np.full(size, most + 1, dtype=np.int64)
        place[np.sort(np.argsort(-counts, kind="stable")[:most])] = np.arange(1, most + 1)
        place[0] = 0
        for table in codes:
            table[:, j] = place[table[:, j]]
        sizes[j] = most + 2
    return Coded(codes=tuple(codes), sizes=sizes, names=coded.names)


def numeric_cuts(values: FloatArray, n_bins: int = N_BINS) -> FloatArray:
    """Increasing cut points: cell k holds ``cuts[k-1] <= x < cuts[k]``; empty where there are no finite values.

    Args:
        values: Numbers of the real table, shape (n,); NaN where missing.
        n_bins: Quantile bins.
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return np.empty(0)
    few = np.unique(known)
    if few.size <= n_bins:
        return np.unique(np.concatenate([few, np.nextafter(few, np.inf)]))
    edges = np.quantile(known, np.linspace(0.0, 1.0, n_bins + 1), method="lower")
    distinct, times = np.unique(edges, return_counts=True)
    atoms = distinct[times > 1]
    return np.unique(np.concatenate([edges[:-1], np.nextafter(edges[-1:], np.inf), atoms, np.nextafter(atoms, np.inf)]))


def _numbers(parts: list[pd.Series], n_bins: int) -> tuple[list[CodeArray], int]:
    arrays = [part.to_numpy(dtype=np.float64) for part in parts]
    cuts = numeric_cuts(arrays[0], n_bins)
    coded = []
    for array in arrays:
        codes = np.searchsorted(cuts, array, side="right").astype(np.int64) + 1
        codes[np.isnan(array)] = 0
        coded.append(codes)
    return coded, len(cuts) + 2


def _categories(parts: list[pd.Series]) -> tuple[list[CodeArray], int]:
    both, seen = pd.factorize(pd.concat(parts, ignore_index=True), use_na_sentinel=True)
    codes = both.astype(np.int64) + 1
    stops = np.cumsum([len(part) for part in parts])[:-1]
    return list(np.split(codes, stops)), len(seen) + 1
