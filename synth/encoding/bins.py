"""Coarse bins cut from the noisy fine cells of a column, and what is drawn inside them. Public or post-processing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.encoding.axis import Split
from synth.encoding.hierarchy import Estimate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

PAIRS_SHARE = 0.45  # of the squared budget, that tables of two columns are assumed to get
BINS, TARGET_BINS = (8, 32), (12, 48)  # fewest and most
TARGET_FINER = 1.5
BIN_SIGMAS = 2.5  # rows that a bin should hold, in standard deviations of a count


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Fine cells with single values split off, and what is known of them.

    Attributes:
        split: The cells, and which cell of the histogram each is a part of.
        counts: Estimated rows of each cell, may be negative.
        masses: The same made plausible: not negative, and smooth where the noise leaves no choice.
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


def make_cells(split: Split, found: Estimate, masses: FloatArray, singles: FloatArray, single_sigma: float) -> Cells:
    """Put noisy counts of single values and of the rows beside them together.

    Args:
        split: From ``split_axis``.
        found: Estimates of the rows beside the single values, on the cells before the split.
        masses: The same, smooth.
        singles: Noisy counts of the single values, in increasing order of value.
        single_sigma: Their standard deviation.
    """
    alone, room = split.owner < 0, split.axis.room()
    part = np.where(alone, 0, split.owner)
    whole = np.bincount(part, np.where(alone, 0.0, room), len(found.counts))
    share = np.where(alone, 0.0, room / np.maximum(whole[part], 1e-300))
    counts, whole_masses = share * found.counts[part], share * masses[part]
    counts[alone] = whole_masses[alone] = singles
    return Cells(split=split, counts=counts, masses=whole_masses, found=found, single_sigma=single_sigma)


def wanted_bins(mu: float, rows: int, columns: int, *, target: bool) -> float:
    """Bins to aim at: as many as leave a cell of a table of two columns about one standard deviation of its noise.

    With all pairs of columns measured, a pair's noise is ``sqrt(pairs / share) / mu``; ``bins^2`` cells share the rows.

    Args:
        mu: The whole budget as a Gaussian-DP parameter.
        rows: Row count in force.
        columns: Of the table.
        target: Whether people will predict this column.
    """
    pairs = max(columns * (columns - 1) / 2, 1.0)
    even = np.sqrt(rows * mu * np.sqrt(PAIRS_SHARE / pairs))
    least, most = TARGET_BINS if target else BINS
    return float(np.clip(even * (TARGET_FINER if target else 1.0), least, most))


def coarse_bins(masses: FloatArray, *, sigma: float, n_bins: float, zero: int = 0) -> IntArray:
    """Cut the axis into bins of about equal mass. Post-processing.

    A cell that holds a bin's worth on its own becomes a bin of its own (an atom: zero, a cap); the mass beside the atoms is
    cut evenly, into bins that stand well above the noise. Zero starts a bin where enough lies on either side.

    Args:
        masses: Estimated rows of each fine cell, not negative, shape (cells,).
        sigma: Standard deviation of a noisy count.
        n_bins: Bins aimed at.
        zero: Cell of the value 0; 0 where that is no inner cell.

    Returns:
        First fine cell of each bin, increasing, starting with 0.
    """
    least = BIN_SIGMAS * sigma
    heavy = masses > max(masses.sum() / n_bins, least)
    want = max(masses[~heavy].sum() / n_bins, least)
    rest = np.cumsum(masses[::-1])[::-1]
    starts, mass = [0], 0.0
    for i in range(1, len(masses)):
        mass += masses[i - 1]
        full = mass >= want and rest[i] >= want / 2
        if heavy[i] or heavy[i - 1] or full or (i == zero and min(mass, rest[i]) >= least):
            starts.append(i)
            mass = 0.0
    return np.asarray(starts, dtype=np.int64)
