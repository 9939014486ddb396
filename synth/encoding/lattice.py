"""Values on a coarser grid than the declared one: prices in quarters, sizes in tens. Seen in a noisy histogram."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

UNITS = (1000, 500, 250, 200, 125, 100, 50, 25, 20, 12, 10, 8, 5, 4, 3, 2)  # in grid steps, tried in turn
LEAST_POINTS = 6  # multiples of a unit that the cells must hold
SURE = 0.1  # largest standard deviation of the share beside the multiples at which that share can be judged
FEW = 2.0  # standard deviations of it that count as nothing


def on_lattice(masses: FloatArray, noisy: FloatArray, sigma: float, first_tick: int) -> FloatArray:
    """Move masses onto multiples of the largest unit beside which the histogram shows next to nothing. Post-processing.

    How much of the masses lies beside the multiples of a unit is estimated by regression of the noisy counts
    there on the masses.

    Args:
        masses: Smooth estimate of the rows of each cell, shape (cells,); a cell is one value of the grid.
        noisy: Noisy counts of the cells, same shape.
        sigma: Their standard deviation.
        first_tick: Value of the first cell in grid steps.

    Returns:
        Masses of the same sum.
    """
    ticks = first_tick + np.arange(len(masses))
    for unit in UNITS:
        beside = ticks % unit != 0
        if (~beside).sum() < LEAST_POINTS:
            continue
        power = float(masses[beside] @ masses[beside])
        share = float(masses[beside] @ noisy[beside]) / max(power, 1e-300)
        sd = sigma / max(power, 1e-300) ** 0.5
        if sd < SURE and share < FEW * sd:
            return _moved(masses, np.flatnonzero(~beside))
    return masses


def _moved(masses: FloatArray, points: npt.NDArray[np.int64]) -> FloatArray:
    """Every cell's mass at the nearest point."""
    middle = (points[1:] + points[:-1] + 1) // 2
    out = np.zeros(len(masses))
    np.add.at(out, points[np.searchsorted(middle, np.arange(len(masses)), side="right")], masses)
    return out
