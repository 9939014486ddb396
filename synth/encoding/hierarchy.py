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
        counts: Estimate of each fine cell, may be negative; sums over ranges are accurate.
        sigma: Noise of a single noisy count.
    """

    counts: FloatArray
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


def estimate(noisy: list[FloatArray], sigma: float) -> Estimate:
    """Tie noisy levels together by least squares.

    Args:
        noisy: Noisy counts per level, finest first, shapes ``level_sizes``.
        sigma: Standard deviation of each.
    """
    best, variance = [noisy[0]], [np.full(len(noisy[0]), sigma**2)]
    for own in noisy[1:]:  # upwards: own count and sum of children, by precision
        parts = np.arange(0, len(best[-1]), BRANCHING)
        below, spread = np.add.reduceat(best[-1], parts), np.add.reduceat(variance[-1], parts)
        weight = spread / (spread + sigma**2)
        best.append(weight * own + (1 - weight) * below)
        variance.append(weight * sigma**2)
    counts = best[-1]
    for level in range(len(best) - 2, -1, -1):  # downwards: children share what their sum lacks
        parent = np.arange(len(best[level])) // BRANCHING
        parts = np.arange(0, len(best[level]), BRANCHING)
        gap = counts - np.add.reduceat(best[level], parts)
        counts = best[level] + (gap / np.add.reduceat(variance[level], parts))[parent] * variance[level]
    return Estimate(counts, sigma)
