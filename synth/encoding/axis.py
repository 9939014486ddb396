"""The public axis of a column of numbers or datetimes: fine cells that bounds and precision alone decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.kinds import DAY_SECONDS
from synth.schema import Column, Outside

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FINE_CELLS = 1024
LINEAR_SHARE = 1e-4  # below this share of the largest bound the axis is linear, above it logarithmic (asinh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Fine cells of a numeric column. Public: made from bounds and precision alone.

    Attributes:
        low: Smallest value.
        high: Largest value.
        step: Grid of the values (1 for integers, 0.01 for two decimals); 0 for floats.
        edges: Cell borders, shape (cells + 1,); cell i holds ``edges[i] <= value < edges[i + 1]``.
    """

    low: float
    high: float
    step: float
    edges: tuple[float, ...]

    @property
    def cells(self) -> int:
        """Number of fine cells."""
        return len(self.edges) - 1

    @property
    def wide(self) -> bool:
        """Whether some cell holds several values."""
        return self.high > self.low and (not self.step or round((self.high - self.low) / self.step) + 1 > self.cells)

    def ticks(self) -> tuple[FloatArray, FloatArray]:
        """First and last grid value of each cell, in steps from ``low``, each of shape (cells,); for a grid only."""
        inner = np.ceil((np.asarray(self.edges) - self.low) / self.step - 1e-9)
        return inner[:-1], inner[1:] - 1

    def room(self) -> FloatArray:
        """How much fits in each cell: grid values, or width for floats. Shape (cells,)."""
        if not self.step:
            return np.diff(self.edges)
        first, last = self.ticks()
        return np.maximum(last - first + 1, 1.0)


def make_axis(column: Column, bounds: tuple[float, float], cells: int = FINE_CELLS) -> Axis:
    """Cut ``bounds`` into at most ``cells`` fine cells.

    One cell per value where the grid is that coarse; otherwise equal cells for datetimes, and equal cells in
    ``asinh(value / scale)`` for numbers, which resolves both small amounts and heavy tails to about one percent.
    """
    low, high = bounds
    step = _step(column, low, high)
    if step:
        low, high = np.floor(low / step + 1e-9) * step, np.ceil(high / step - 1e-9) * step
    values = round((high - low) / step) + 1 if step else None
    if high <= low:
        edges = np.array([min(low - 0.5, np.nextafter(low, -np.inf)), max(low + 0.5, np.nextafter(low, np.inf))])
    elif values is not None and values <= cells:
        edges = low + step * (np.arange(values + 1) - 0.5)
    elif column.kind is not None and column.kind.is_temporal:
        edges = np.linspace(low, high, cells + 1)
    else:
        scale = max(abs(low), abs(high)) * LINEAR_SHARE
        edges = scale * np.sinh(np.linspace(np.arcsinh(low / scale), np.arcsinh(high / scale), cells + 1))
        edges[0], edges[-1] = low, high
        edges = np.unique(np.clip(edges, low, high))  # a range of few floats has fewer cells
    if step and values is not None and values > cells:  # borders halfway between grid values
        inner = np.unique(np.floor(edges[1:-1] / step) * step + step / 2)
        inner = inner[(inner > low) & (inner < high)]
        edges = np.concatenate([[low - step / 2], inner, [high + step / 2]])
    return Axis(low=float(low), high=float(high), step=float(step), edges=tuple(float(e) for e in edges))


def _step(column: Column, low: float, high: float) -> float:
    if column.grid == DAY_SECONDS and (low % DAY_SECONDS or high % DAY_SECONDS):
        return 1.0
    return column.grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """An axis on which single values have cells of their own.

    Attributes:
        axis: The finer cells.
        owner: Cell of the axis before the split that each is a part of; -1 for a single value. Shape (cells,).
        cells: Number of cells before the split.
    """

    axis: Axis
    owner: IntArray
    cells: int


def split_axis(axis: Axis, singles: FloatArray) -> Split:
    """Give single values cells of their own.

    Args:
        axis: A wide axis.
        singles: Distinct values on its grid and inside its bounds, in any order; none leave it as it is.
    """
    at = np.sort(singles)
    old = np.asarray(axis.edges)
    below = np.minimum(at, np.nextafter(axis.high, -np.inf))  # the highest value of all shares the last border
    near = (at - axis.step / 2, at + axis.step / 2) if axis.step else (below, np.nextafter(below, np.inf))
    new = np.unique(np.concatenate(near))
    new = new[(new > old[0]) & (new < old[-1])]
    if axis.step:  # a border that is there already, computed in another way
        place = np.clip(np.searchsorted(old, new), 1, len(old) - 1)
        new = new[np.minimum(new - old[place - 1], old[place] - new) > axis.step / 4]
    finer = Axis(low=axis.low, high=axis.high, step=axis.step, edges=tuple(np.unique(np.concatenate([old, new])).tolist()))
    middle = (np.asarray(finer.edges[:-1]) + np.asarray(finer.edges[1:])) / 2
    owner = cell_index(middle, axis)
    owner[cell_index(at, finer)] = -1
    return Split(axis=finer, owner=owner, cells=axis.cells)


def cell_index(values: FloatArray, axis: Axis) -> IntArray:
    """Fine cell of each value, clipped into the axis; -1 where NaN. Shape (n,) to (n,)."""
    known = ~np.isnan(values)
    index = np.searchsorted(np.asarray(axis.edges[1:-1]), np.where(known, values, axis.low), side="right")
    return np.where(known, index, -1).astype(np.int64)


def apply_policy(values: FloatArray, axis: Axis, policy: Outside) -> FloatArray:
    """Clip values into the axis, or turn those outside into NaN. Shape (n,)."""
    if policy is Outside.NULL:
        with np.errstate(invalid="ignore"):
            inside = (values >= axis.low) & (values <= axis.high)
        return np.where(inside, values, np.nan)
    return np.clip(values, axis.low, axis.high)
