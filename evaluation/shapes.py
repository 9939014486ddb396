"""Column distributions for looking at: equal-width cells for numbers, frequent categories first for the rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.inputs import Tables
from synth.schema import Kind

FloatArray = npt.NDArray[np.float64]

MAX_COLUMNS = 30
N_CELLS = 24
MAX_CATEGORIES = 12
MAX_LABEL = 24
MISSING = "(missing)"
OTHERS = "(others)"
EMPTY = "(empty)"


class Shape(NamedTuple):
    """One column's distribution in every table.

    Attributes:
        name: Column name.
        numeric: Whether the cells lie on a number line.
        labels: Label per cell (a number's lower limit), length k; the last one is the missing cell.
        shares: Share of rows per cell and table, each of shape (k,), summing to 1.
    """

    name: str
    numeric: bool
    labels: tuple[str, ...]
    shares: dict[str, FloatArray]


def column_shapes(tables: Tables) -> tuple[Shape, ...]:
    """Distributions of the first ``MAX_COLUMNS`` columns in the real, held-out and synthetic tables."""
    frames = {"real": tables.real, "holdout": tables.holdout, "synthetic": tables.synthetic}
    shapes = []
    for column in tables.schema.columns[:MAX_COLUMNS]:
        parts = {what: frame[column.name] for what, frame in frames.items() if frame is not None}
        numeric = column.kind is not None and column.kind.is_numeric
        cells = _numbers(parts, column.kind is Kind.DATETIME) if numeric else _categories(parts)
        shapes.append(Shape(column.name, numeric, *cells))
    return tuple(shapes)


def _numbers(parts: dict[str, pd.Series], dates: bool) -> tuple[tuple[str, ...], dict[str, FloatArray]]:
    values = {what: part.to_numpy(dtype=np.float64) for what, part in parts.items()}
    edges = _edges(values["real"][~np.isnan(values["real"])])
    shares = {}
    for what, array in values.items():
        seen = array[~np.isnan(array)]
        counts = np.histogram(np.clip(seen, edges[0], edges[-1]), bins=edges)[0]
        shares[what] = np.append(counts, len(array) - len(seen)) / len(array)
    labels = [_date(edge) if dates else _amount(edge, edges[1] - edges[0]) for edge in edges[:-1]]
    return (*labels, MISSING), shares


def _edges(known: FloatArray) -> FloatArray:
    """Cell limits over the middle 99 % of the values; whole numbers get cells of whole width."""
    low, high = np.quantile(known, [0.005, 0.995]) if known.size else (0.0, 0.0)
    if not high > low:
        return np.array([low, np.nextafter(low, np.inf)])
    if (known == np.round(known)).all():
        low, high = np.floor(low), np.ceil(high)
        width = np.ceil((high - low + 1) / N_CELLS)
        return np.asarray(np.arange(low, high + 1 + width, width), dtype=np.float64)
    return np.linspace(low, high, N_CELLS + 1)


def _amount(value: float, step: float) -> str:
    """A short number, such as 36k, with the digits that ``step`` needs."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and step >= size / 10):
            return f"{value / size:.3g}{suffix}"
    return f"{value:.0f}" if step >= 1 and value == round(value) else f"{value:.3g}"


def _date(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))


def _categories(parts: dict[str, pd.Series]) -> tuple[tuple[str, ...], dict[str, FloatArray]]:
    counts = {what: part.value_counts() for what, part in parts.items()}
    total = pd.concat([count / len(parts[what]) for what, count in counts.items()]).groupby(level=0, sort=False).max()
    order = [*counts["real"].index, *total.drop(index=counts["real"].index, errors="ignore").index]
    shown, rest = order[:MAX_CATEGORIES], order[MAX_CATEGORIES:]
    shares = {}
    for what, part in parts.items():
        found = counts[what].reindex(shown).fillna(0).to_numpy(dtype=np.float64)
        others = [counts[what].sum() - found.sum()] if rest else []
        shares[what] = np.concatenate([found, others, [part.isna().sum()]]) / len(part)
    labels = [_short(str(value)) for value in shown]
    return (*labels, *([OTHERS] if rest else []), MISSING), shares


def _short(text: str) -> str:
    return EMPTY if text == "" else text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "…"
