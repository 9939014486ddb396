"""Histograms at several resolutions: what makes a noisy histogram good for wide ranges and for single values alike.

Summing m noisy fine cells costs sqrt(m) of noise. Counting coarser levels as well (each a sum of eight cells of the level
below) costs sqrt(levels) once, and least squares then ties the levels together (Hay et al. 2010, arXiv:0904.0942, with
eight-way branching as in Qardaji et al. 2013). Everything here is public or post-processing, except that ``level_counts``
is also what the trusted core applies to exact counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BRANCHING = 8
TOP = 16  # no level coarser than this many cells
SIGNIFICANT = 2.0  # standard deviations below which a node above the finest level counts as empty beside others


def level_sizes(cells: int) -> tuple[int, ...]:
    """Cells per level, finest first."""
    sizes = [cells]
    while sizes[-1] > TOP:
        sizes.append(-(-sizes[-1] // BRANCHING))
    return tuple(sizes)


def level_counts(fine: IntArray) -> list[IntArray]:
    """Counts of every level from those of the finest; each row is counted once per level."""
    levels = [fine]
    for _ in level_sizes(len(fine))[1:]:
        levels.append(np.add.reduceat(levels[-1], np.arange(0, len(levels[-1]), BRANCHING)))
    return levels


@dataclass(frozen=True, slots=True)
class Estimate:
    """Consistent fine counts.

    Attributes:
        counts: Least-squares estimate of each fine cell, may be negative; sums over ranges are accurate.
        masses: The same made plausible: not negative, and zero where nothing significant was seen.
        sigma: Noise of a single noisy count.
    """

    counts: FloatArray
    masses: FloatArray
    sigma: float

    def range_sigma(self, first: int, last: int) -> float:
        """Bound on the standard deviation of the sum of cells ``first`` to ``last - 1``."""
        nodes, width, low, high = 0, len(self.counts), first, last
        while low < high and width > TOP:
            while low % BRANCHING and low < high:
                low, nodes = low + 1, nodes + 1
            while high % BRANCHING and low < high and high != width:
                high, nodes = high - 1, nodes + 1
            low, high, width = low // BRANCHING, -(-high // BRANCHING), -(-width // BRANCHING)
        return self.sigma * float(np.sqrt(max(nodes + high - low, 1)))


def estimate(noisy: list[FloatArray], sigma: float, total: float) -> Estimate:
    """Tie noisy levels together.

    Args:
        noisy: Noisy counts per level, finest first, shapes ``level_sizes``.
        sigma: Standard deviation of each.
        total: Rows that have a value, as far as known; at least 1.
    """
    best, variance = [noisy[0]], [np.full(len(noisy[0]), sigma**2)]
    for own in noisy[1:]:  # upwards: own count and sum of children, by precision
        parts = np.arange(0, len(best[-1]), BRANCHING)
        below, spread = np.add.reduceat(best[-1], parts), np.add.reduceat(variance[-1], parts)
        weight = spread / (spread + sigma**2)
        best.append(weight * own + (1 - weight) * below)
        variance.append(weight * sigma**2)
    counts, masses = best[-1], _shares(best[-1], SIGNIFICANT * np.sqrt(variance[-1]), total)
    for level in range(len(best) - 2, -1, -1):  # downwards: children share what their sum lacks
        size = len(best[level])
        parent = np.arange(size) // BRANCHING
        parts = np.arange(0, size, BRANCHING)
        gap = counts - np.add.reduceat(best[level], parts)
        counts = best[level] + (gap / np.add.reduceat(variance[level], parts))[parent] * variance[level]
        # noise at the finest level moves mass by a few cells only, so all that is positive counts there
        least = (SIGNIFICANT if level else 0.0) * np.sqrt(variance[level])
        pieces = [
            _shares(best[level][p : p + BRANCHING], least[p : p + BRANCHING], float(mass))
            for p, mass in zip(parts, masses, strict=True)
        ]
        masses = np.concatenate(pieces)
    return Estimate(counts, masses, sigma)


def _shares(values: FloatArray, least: FloatArray, total: float) -> FloatArray:
    """Divide a mass over nodes: those up to ``least`` get nothing, unless all are, when they share alike."""
    if total <= 0:
        return np.zeros(len(values))
    kept = values > least
    if not kept.any():
        return np.full(len(values), total / len(values))
    shifted = values[kept] + (total - values[kept].sum()) / kept.sum()
    while (shifted < 0).any():  # norm-sub among the significant
        positive = shifted > 0
        shifted = np.where(positive, shifted, 0.0)
        shifted[positive] += (total - shifted.sum()) / positive.sum()
    out = np.zeros(len(values))
    out[kept] = shifted
    return out
