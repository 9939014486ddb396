"""Round values: how often numbers are multiples of 5, 10, 50, 100, ... or end in 99, and how to draw them so.

A value is thought of as a smooth amount rounded to some unit. The unit's probabilities are estimated per group of bins from a
small noisy table of exact divisibility; a unit that the noise could have made up is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.encoding.axis import Axis
from synth.schema import Column, Kind

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CLOCK = (1, 60, 300, 900, 3600, 86_400)  # seconds
GROUP_SIGMAS = 20.0  # rows of a group of bins, in standard deviations of a count


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What values of a column may be rounded to. Public: made from the declared grid alone.

    Attributes:
        steps: Units in grid steps, each a divisor of the next, starting with 1.
        nines: Values one step below a multiple of this are a class of their own (9.99, 1999).
    """

    steps: tuple[int, ...]
    nines: int

    @property
    def classes(self) -> int:
        """One per unit, and the nines."""
        return len(self.steps) + 1

    def of(self, ticks: FloatArray) -> IntArray:
        """Class of whole numbers of steps: the largest unit that divides, or the nines. Shape (n,) to (n,)."""
        found = np.zeros(len(ticks), dtype=np.int64)
        for i, unit in enumerate(self.steps[1:], start=1):
            found[ticks % unit == 0] = i
        found[np.abs(ticks) % self.nines == self.nines - 1] = len(self.steps)
        return found

    def mixing(self) -> FloatArray:
        """Share of each class (row) among amounts rounded to each unit (column), shape (classes, classes)."""
        sizes = np.asarray(self.steps, dtype=np.float64)
        exactly = 1 / sizes - np.append(1 / sizes[1:], 0.0)
        out = np.zeros((self.classes, self.classes))
        for i, unit in enumerate(sizes):
            out[i : len(sizes), i] = exactly[i:] * unit
        out[0, 0] -= 1 / self.nines
        out[-1, 0] = 1 / self.nines
        out[-1, -1] = 1.0
        return out


def units_of(column: Column, axis: Axis) -> Units | None:
    """Units that are tried; ``None`` for floats, for dates, and where every grid value has a cell of its own."""
    if not axis.wide or not axis.step:
        return None
    if column.kind is not None and column.kind.is_temporal:
        return Units(steps=CLOCK, nines=86_400) if axis.step == 1 else None
    largest = max(abs(axis.low), abs(axis.high)) / axis.step
    steps = [1]
    while steps[-1] * 10 <= largest and len(steps) < 20:
        steps.append(steps[-1] * (5 if len(steps) % 2 else 2))
    decimals = column.precision if column.kind is Kind.DECIMAL else None
    return Units(steps=tuple(steps), nines=10**decimals if decimals else 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """How values of a column are rounded. Public.

    Attributes:
        units: What they may be rounded to.
        starts: First bin of each group of bins, increasing from 0.
        shares: Per group, the probability of each unit and of the nines.
    """

    units: Units
    starts: tuple[int, ...]
    shares: tuple[tuple[float, ...], ...]

    def apply(self, ticks: FloatArray, bins: IntArray, first: FloatArray, last: FloatArray, u: FloatArray) -> FloatArray:
        """Round whole numbers of steps, unless that would leave ``first .. last``; ``u`` is uniform. All of shape (n,)."""
        group = self.group(bins)
        cumulative = np.cumsum(self.shares, axis=1)[:, :-1] + np.arange(len(self.shares))[:, None]
        choice = np.searchsorted(cumulative.ravel(), u + group, side="right") - group * (self.units.classes - 1)
        return self.rounded(ticks, choice, first, last)

    def group(self, bins: IntArray) -> IntArray:
        """Group of each bin, shape (n,)."""
        return np.asarray(np.searchsorted(np.asarray(self.starts[1:]), bins, side="right"), dtype=np.int64)

    def rounded(self, ticks: FloatArray, choice: IntArray, first: FloatArray, last: FloatArray) -> FloatArray:
        """Round to given units (the number of units means nines), unless that would leave ``first .. last``."""
        nines = choice == len(self.units.steps)
        unit = np.asarray((*self.units.steps, self.units.nines), dtype=np.float64)[choice]
        rounded = np.maximum(np.floor((np.abs(ticks) + nines) / unit + 0.5), nines) * unit - nines
        rounded *= np.sign(ticks)
        return np.where((rounded >= first) & (rounded <= last), rounded, ticks)

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "steps": list(self.units.steps),
            "nines": self.units.nines,
            "starts": list(self.starts),
            "shares": [[float(f"{p:.6g}") for p in row] for row in self.shares],
        }

    @staticmethod
    def from_dict(facts: dict[str, Any]) -> Rounding:
        """The inverse of ``to_dict``."""
        return Rounding(
            units=Units(steps=tuple(facts["steps"]), nines=int(facts["nines"])),
            starts=tuple(facts["starts"]),
            shares=tuple(tuple(row) for row in facts["shares"]),
        )


def groups(mass: FloatArray, sigma: float) -> IntArray:
    """Join neighbouring bins until each group holds rows enough to see its units above the noise.

    Args:
        mass: Estimated rows per bin, shape (bins,).
        sigma: Standard deviation of a count of the table to come.

    Returns:
        First bin of each group, increasing, starting with 0.
    """
    least, starts, held = GROUP_SIGMAS * sigma, [0], 0.0
    rest = np.cumsum(mass[::-1])[::-1]
    for i in range(1, len(mass)):
        held += mass[i - 1]
        if held >= least and rest[i] >= least:
            starts.append(i)
            held = 0.0
    return np.asarray(starts, dtype=np.int64)


def estimate_shares(noisy: FloatArray, sigma: float, units: Units) -> FloatArray | None:
    """Probabilities of the units in each group, shape as ``noisy``; ``None`` where rounding is not seen. Post-processing.

    Args:
        noisy: Noisy counts of rows per group and class, shape (groups, classes).
        sigma: Standard deviation of each.
        units: Of the column.
    """
    inverse = np.linalg.inv(units.mixing())
    rows, spread = noisy @ inverse.T, (sigma**2 + np.maximum(noisy, 0.0)) @ (inverse**2).T  # noise, and chance among rows
    kept = np.where(rows > (np.sqrt(2 * np.log(noisy.size)) + 0.5) * np.sqrt(spread), rows, 0.0)
    kept[:, 0] = np.maximum(noisy.sum(axis=1) - kept[:, 1:].sum(axis=1), 0.0)
    used = kept[:, 1:].sum(axis=1) > 0
    kept[~used] = np.eye(units.classes)[0]
    return kept / kept.sum(axis=1, keepdims=True) if used.any() else None
