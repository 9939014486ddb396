"""Numbers and datetimes: values to coarse bins of fine cells, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.encoding.axis import Axis, apply_policy, cell_index
from synth.encoding.even import even_draws
from synth.encoding.rounding import Rounding
from synth.schema import Column

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


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
        rounding: How values are rounded beyond the grid, where that was seen.
    """

    column: Column
    axis: Axis
    starts: tuple[int, ...]
    weights: tuple[float, ...]
    missing: bool
    rounding: Rounding | None = None

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
        weights = np.asarray(self.weights)
        cumulative = np.concatenate([[0.0], np.cumsum(np.maximum(weights, 1e-12))])
        starts = np.asarray((*self.starts, len(weights)))
        bins = np.minimum(codes, len(self.starts) - 1)
        low, high = cumulative[starts[bins]], cumulative[starts[bins + 1]]
        cell = np.searchsorted(cumulative, low + even_draws(codes, rng) * (high - low), side="right") - 1
        cell = np.clip(cell, starts[bins], starts[bins + 1] - 1)
        values = self._on_grid(cell, bins, rng) if self.axis.step else self._inside(cell, rng)
        values = np.clip(values, self.axis.low, self.axis.high)
        return np.where(codes >= len(self.starts), np.nan, values)

    def _inside(self, cell: IntArray, rng: np.random.Generator) -> FloatArray:
        """Floats drawn evenly inside their cells."""
        edges = np.asarray(self.axis.edges)
        values = edges[cell] + rng.random(len(cell)) * (edges[cell + 1] - edges[cell])
        return np.asarray(np.minimum(values, np.nextafter(edges[1:], -np.inf)[cell]))

    def _on_grid(self, cell: IntArray, bins: IntArray, rng: np.random.Generator) -> FloatArray:
        """Grid values drawn evenly inside their cells, then rounded further where the column is."""
        first, last = self.axis.ticks()
        room = np.maximum(last - first + 1, 1)
        ticks = first[cell] + np.floor(rng.random(len(cell)) * room[cell])
        if self.rounding is not None:
            zero = np.rint(self.axis.low / self.axis.step)
            ends = np.asarray((*self.starts[1:], len(room))) - 1
            low, high = first[np.asarray(self.starts)][bins], last[ends][bins]
            rounded = self.rounding.apply(ticks + zero, bins, low + zero, high + zero, rng.random(len(cell))) - zero
            ticks = np.where(room[cell] > 1, rounded, ticks)
        values = self.axis.low + ticks * self.axis.step
        return values if self.column.precision is None else np.round(values, self.column.precision)

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        rounding = {} if self.rounding is None else {"rounding": self.rounding.to_dict()}
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
            **rounding,
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
            rounding=Rounding.from_dict(facts["rounding"]) if "rounding" in facts else None,
        )
