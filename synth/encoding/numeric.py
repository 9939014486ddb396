"""Numbers and datetimes: a public axis of fine cells, coarse bins cut from one noisy histogram, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.schema import Column, Kind, Outside

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FINE_CELLS = 1024
LINEAR_SHARE = 1e-4  # below this share of the largest bound the axis is linear, above it logarithmic (asinh)
DAY = 86_400.0


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
        edges = np.array([low - 0.5, low + 0.5])
    elif values is not None and values <= cells:
        edges = low + step * (np.arange(values + 1) - 0.5)
    elif column.kind is Kind.DATETIME:
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
    if column.kind is Kind.INTEGER:
        return 1.0
    if column.kind is Kind.DECIMAL and column.precision is not None:
        return float(10.0**-column.precision)
    if column.kind is Kind.DATETIME:
        return DAY if low % DAY == 0 and high % DAY == 0 and _dates_only(column) else 1.0
    return 0.0


def _dates_only(column: Column) -> bool:
    if column.format is not None:
        return not any(f"%{c}" in column.format for c in "HIMSfpXcsT")
    return column.bounds is not None and all(len(str(b)) == 10 for b in column.bounds)


def cell_index(values: FloatArray, axis: Axis) -> IntArray:
    """Fine cell of each value, clipped into the axis; -1 where NaN. Shape (n,) to (n,)."""
    known = ~np.isnan(values)
    index = np.searchsorted(np.asarray(axis.edges[1:-1]), np.where(known, values, axis.low), side="right")
    return np.where(known, index, -1).astype(np.int64)


def coarse_bins(noisy: FloatArray, *, sigma: float, rows: int, n_bins: int) -> IntArray:
    """Cut the axis into bins of about equal mass, from one noisy histogram. Post-processing.

    A cell that holds a bin's worth on its own becomes a bin of its own (an atom: zero, a cap); the mass beside the atoms is
    cut evenly, into bins that stand well above the noise.

    Args:
        noisy: Noisy count of each fine cell, shape (cells,).
        sigma: Their standard deviation.
        rows: Row count in force.
        n_bins: Bins aimed at.

    Returns:
        First fine cell of each bin, increasing, starting with 0.
    """
    heavy = noisy > max(rows / n_bins, 8 * sigma)
    want = max((rows - noisy[heavy].sum()) / n_bins, 8 * sigma)
    rest = np.cumsum(noisy[::-1])[::-1]
    starts, mass = [0], 0.0
    for i in range(1, len(noisy)):
        mass += noisy[i - 1]
        if heavy[i] or heavy[i - 1] or (mass >= want and rest[i] >= want / 2):
            starts.append(i)
            mass = 0.0
    return np.asarray(starts, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericCodec:
    """Values to coarse bins and back. Public.

    Codes 0 .. bins - 1 are bins, the next one is "missing" where the column has it.

    Attributes:
        column: Facts in force (declared or learnt).
        axis: Fine cells.
        starts: First fine cell of each bin.
        weights: Estimated share of each fine cell, not negative, shape (cells,).
        missing: Whether there is a missing code.
    """

    column: Column
    axis: Axis
    starts: tuple[int, ...]
    weights: tuple[float, ...]
    missing: bool

    @property
    def size(self) -> int:
        """Number of codes."""
        return len(self.starts) + self.missing

    @property
    def ordered(self) -> bool:
        """Bins are in order."""
        return True

    def encode(self, values: FloatArray) -> IntArray:
        """Codes of raw numbers (NaN where missing), shape (n,). Each row on its own; never fails."""
        values = apply_policy(values, self.axis, self.column.policy)
        cell = cell_index(values, self.axis)
        code = np.searchsorted(np.asarray(self.starts[1:]), cell, side="right")
        return np.where(cell < 0, len(self.starts) if self.missing else 0, code).astype(np.int64)

    def decode(self, codes: IntArray, rng: np.random.Generator) -> FloatArray:
        """Draw a fine cell inside each bin, then a value inside the cell on the declared grid; NaN where missing."""
        edges, weights = np.asarray(self.axis.edges), np.asarray(self.weights)
        cumulative = np.concatenate([[0.0], np.cumsum(np.maximum(weights, 1e-12))])
        starts = np.asarray((*self.starts, len(weights)))
        bins = np.minimum(codes, len(self.starts) - 1)
        low, high = cumulative[starts[bins]], cumulative[starts[bins + 1]]
        cell = np.searchsorted(cumulative, low + rng.random(len(codes)) * (high - low), side="right") - 1
        cell = np.clip(cell, starts[bins], starts[bins + 1] - 1)
        values = edges[cell] + rng.random(len(codes)) * (edges[cell + 1] - edges[cell])
        if self.axis.step:
            first = np.ceil((edges[cell] - self.axis.low) / self.axis.step - 1e-9)
            last = np.ceil((edges[cell + 1] - self.axis.low) / self.axis.step - 1e-9) - 1
            ticks = first + np.floor(rng.random(len(codes)) * np.maximum(last - first + 1, 1))
            values = self.axis.low + ticks * self.axis.step
            if self.column.precision is not None:
                values = np.round(values, self.column.precision)
        values = np.clip(values, self.axis.low, self.axis.high)
        return np.where(codes >= len(self.starts), np.nan, values)

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "codec": "numeric",
            "axis": {
                "low": self.axis.low,
                "high": self.axis.high,
                "step": self.axis.step,
                "edges": list(self.axis.edges),
            },
            "starts": list(self.starts),
            "weights": [float(f"{w:.6g}") for w in self.weights],
            "missing": self.missing,
        }

    @staticmethod
    def from_dict(column: Column, facts: dict[str, Any]) -> NumericCodec:
        """The inverse of ``to_dict``."""
        axis = facts["axis"]
        return NumericCodec(
            column=column,
            axis=Axis(low=axis["low"], high=axis["high"], step=axis["step"], edges=tuple(axis["edges"])),
            starts=tuple(facts["starts"]),
            weights=tuple(facts["weights"]),
            missing=bool(facts["missing"]),
        )


def apply_policy(values: FloatArray, axis: Axis, policy: Outside) -> FloatArray:
    """Clip values into the axis, or turn those outside into NaN. Shape (n,)."""
    if policy is Outside.NULL:
        with np.errstate(invalid="ignore"):
            inside = (values >= axis.low) & (values <= axis.high)
        return np.where(inside, values, np.nan)
    return np.clip(values, axis.low, axis.high)
