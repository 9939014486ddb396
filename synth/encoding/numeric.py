"""Numbers and datetimes: values to coarse bins of fine cells, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.encoding.alias import LEAST, aliases_of, cells_inside
from synth.encoding.axis import Axis, apply_policy, cell_index
from synth.encoding.coded import AnyCells, Coded
from synth.encoding.even import MANY, even_draws
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
        found = self.coded(codes, rng)
        return found.cells() if isinstance(found, Coded) else found

    def coded(self, codes: IntArray, rng: np.random.Generator) -> AnyCells:
        """The same, by place where each cell is one value."""
        gone = codes >= len(self.starts) if self.missing else None
        bins = codes if gone is None else np.minimum(codes, len(self.starts) - 1)
        cell = self._cell(codes, bins, rng)
        if self.axis.step and not self.axis.wide:
            first, _ = self.axis.ticks()
            values = np.append(np.clip(self._at(first), self.axis.low, self.axis.high), np.nan)
            return Coded(cell if gone is None else np.where(gone, len(first), cell), values)
        values = self._on_grid(cell, bins, rng) if self.axis.step else self._inside(cell, rng)
        values = np.clip(values, self.axis.low, self.axis.high, out=values)
        return values if gone is None else np.where(gone, np.nan, values)

    def _cell(self, codes: IntArray, bins: IntArray, rng: np.random.Generator) -> IntArray:
        """A fine cell inside each bin, by weight; evenly spread over few rows that share a code."""
        if len(bins) > MANY:
            return cells_inside(bins, aliases_of(self.starts, self.weights), rng)
        cumulative = np.concatenate([[0.0], np.cumsum(np.maximum(self.weights, LEAST))])
        starts = np.asarray((*self.starts, len(self.weights)))
        low, high = cumulative[starts[bins]], cumulative[starts[bins + 1]]
        cell = np.searchsorted(cumulative, low + even_draws(codes, rng) * (high - low), side="right") - 1
        return np.asarray(np.clip(cell, starts[bins], starts[bins + 1] - 1))

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
        return self._at(ticks)

    def _at(self, ticks: FloatArray) -> FloatArray:
        """Values of whole numbers of steps."""
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
