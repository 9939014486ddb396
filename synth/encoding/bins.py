"""Coarse bins cut from the noisy fine cells of a column, and what is drawn inside them. Public or post-processing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.encoding.axis import Split
from synth.encoding.hierarchy import Estimate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BIN_SIGMAS = 8.0  # rows that a bin should hold, in standard deviations of a count


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Fine cells with single values split off, and what is known of them.

    Attributes:
        split: The cells, and which cell of the histogram each is a part of.
        counts: Estimated rows of each cell, may be negative.
        masses: The same made plausible: not negative, and zero where nothing significant was seen.
        found: Estimates of the histogram.
        single_sigma: Standard deviation of a single value's count.
    """

    split: Split
    counts: FloatArray
    masses: FloatArray
    found: Estimate
    single_sigma: float

    def range_sigma(self, first: int, last: int) -> float:
        """About the standard deviation of the sum of cells ``first`` to ``last - 1``."""
        owner = self.split.owner[first:last]
        parts = owner[owner >= 0]
        rest = self.found.range_sigma(int(parts[0]), int(parts[-1]) + 1) if len(parts) else 0.0
        return float(np.hypot(rest, self.single_sigma * np.sqrt((owner < 0).sum())))


def make_cells(split: Split, found: Estimate, singles: FloatArray, single_sigma: float) -> Cells:
    """Put noisy counts of single values and of the rows beside them together.

    Args:
        split: From ``split_axis``.
        found: Histogram of the rows beside the single values, on the cells before the split.
        singles: Noisy counts of the single values, in increasing order of value.
        single_sigma: Their standard deviation.
    """
    alone, room = split.owner < 0, split.axis.room()
    part = np.where(alone, 0, split.owner)
    whole = np.bincount(part, np.where(alone, 0.0, room), len(found.counts))
    share = np.where(alone, 0.0, room / np.maximum(whole[part], 1e-300))
    counts, masses = share * found.counts[part], share * found.masses[part]
    counts[alone] = masses[alone] = singles
    return Cells(split=split, counts=counts, masses=masses, found=found, single_sigma=single_sigma)


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
    heavy = noisy > max(rows / n_bins, BIN_SIGMAS * sigma)
    want = max((rows - noisy[heavy].sum()) / n_bins, BIN_SIGMAS * sigma)
    rest = np.cumsum(noisy[::-1])[::-1]
    starts, mass = [0], 0.0
    for i in range(1, len(noisy)):
        mass += noisy[i - 1]
        if heavy[i] or heavy[i - 1] or (mass >= want and rest[i] >= want / 2):
            starts.append(i)
            mass = 0.0
    return np.asarray(starts, dtype=np.int64)


def bin_weights(cells: Cells, starts: IntArray) -> FloatArray:
    """How a value is drawn inside each bin: relative weights of the fine cells. Post-processing.

    Plausible masses, plus what a bin's count has beyond them (a thin tail, too faint to place cell by cell). That rest
    falls off exponentially from the denser neighbouring bin, at the rate that continues its density.

    Args:
        cells: Estimates of the fine cells.
        starts: First fine cell of each bin.
    """
    weights, ends = cells.masses.copy(), np.append(starts, len(cells.counts))[1:]
    mass = np.maximum(np.add.reduceat(cells.counts, starts), 1e-9)
    density = mass / (ends - starts)
    for b, (first, last) in enumerate(zip(starts, ends, strict=True)):
        rest, spread = mass[b] - weights[first:last].sum(), cells.split.owner[first:last] >= 0
        if rest <= 0 or not spread.any():
            continue
        left, right = (density[b - 1] if b else 0.0), (density[b + 1] if b + 1 < len(starts) else 0.0)
        steps = np.arange(last - first, dtype=np.float64)
        if right > left:
            steps = steps[::-1]
        decay = np.exp(-steps * max(left, right) / rest) * spread
        weights[first:last] += rest * decay / max(decay.sum(), 1e-300)
    return weights
