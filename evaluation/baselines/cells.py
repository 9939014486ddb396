"""Real rows as cells and back, for baselines that are NOT PRIVATE: a cell is drawn as one of the real values in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.fidelity.binning import numeric_cuts
from synth.schema import Kind, Schema
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

N_BINS = 60
MAX_CELLS = 200  # of a category: the frequent values, and one cell for all others


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Columns as cells. Holds every real value: private.

    Attributes:
        domain: Names and sizes; numbers and ordinals in order, missing last.
        values: Real values sorted by cell, per column; objects, ``None`` or NaN where missing.
        starts: Where each cell starts in ``values``, per column, shape (size + 1,).
        codes: Of the rows it was learnt from, shape (n, d).
    """

    domain: Domain
    values: tuple[npt.NDArray[np.generic], ...]
    starts: tuple[IntArray, ...]
    codes: IntArray

    def decode(self, codes: IntArray, rng: np.random.Generator) -> pd.DataFrame:
        """Cells to values: each one of the real values in its cell, at random."""
        columns = {}
        for j, name in enumerate(self.domain.names):
            low, high = self.starts[j][codes[:, j]], self.starts[j][codes[:, j] + 1]
            place = low + (rng.random(len(codes)) * (high - low)).astype(np.int64)
            columns[name] = self.values[j][place]
        return pd.DataFrame(columns)


def learn_cells(rows: pd.DataFrame, schema: Schema) -> Cells:
    """Cells of conformed rows: quantile bins of numbers, frequent categories and the rest; no cell is empty.

    Args:
        rows: Conformed, shape (n, d). Private.
        schema: Every kind declared.
    """
    names = tuple(str(name) for name in rows.columns)
    coded, in_order, values, starts = [], [], [], []
    for name in names:
        column = schema[name]
        numeric = column.kind is not None and column.kind.is_numeric
        raw, ordered = _numbers(rows[name]) if numeric else _categories(rows[name], column.categories, column.kind)
        seen, codes = np.unique(raw, return_inverse=True)
        coded.append(codes.astype(np.int64))
        in_order.append(len(seen) - int(seen[-1] == MISSING) if ordered else 0)
        order = np.argsort(codes, kind="stable")
        values.append(rows[name].to_numpy()[order])
        starts.append(np.searchsorted(codes[order], np.arange(len(seen) + 1)))
    sizes = tuple(len(first) - 1 for first in starts)
    target = schema.target if schema.target in names else None
    domain = Domain(names=names, sizes=sizes, target=target, in_order=tuple(in_order))
    return Cells(domain=domain, values=tuple(values), starts=tuple(starts), codes=np.column_stack(coded))


MISSING = np.iinfo(np.int64).max


def _numbers(series: pd.Series) -> tuple[IntArray, bool]:
    values = series.to_numpy(dtype=np.float64)
    codes = np.searchsorted(numeric_cuts(values, N_BINS), values, side="right").astype(np.int64)
    codes[np.isnan(values)] = MISSING
    return codes, True


def _categories(series: pd.Series, declared: tuple[str, ...] | None, kind: Kind | None) -> tuple[IntArray, bool]:
    common = [str(value) for value in series.value_counts().index[: MAX_CELLS - 1]]
    ordered = kind is Kind.ORDINAL and declared is not None
    if ordered and declared is not None:
        common = [value for value in declared if value in set(common)]
    place = {value: k for k, value in enumerate(common)}
    codes = series.map(str, na_action="ignore").map(place)
    known = codes.to_numpy(dtype=np.float64, na_value=np.nan)
    gone = series.isna().to_numpy()
    out = np.where(np.isnan(known), len(common), np.nan_to_num(known)).astype(np.int64)
    out[gone] = MISSING
    return out, ordered
