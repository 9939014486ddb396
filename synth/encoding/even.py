"""Uniform numbers spread evenly over rows that are alike, so that counts of what is drawn from them vary little."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MANY = 1 << 16
SMALLEST = 512  # rows of the first part


def octaves(n_rows: int) -> npt.NDArray[np.int64]:
    """Part of each row: the second half, the second quarter, ... and what is left; shape (n_rows,)."""
    parts = np.zeros(n_rows, dtype=np.int64)
    end, part = n_rows, 1
    while end > SMALLEST:
        parts[end // 2 : end] = part
        end, part = end // 2, part + 1
    return parts


def even_draws(labels: npt.NDArray[np.integer], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """One uniform number per row, shape (n,): the m rows that share a label have one in each of m equal intervals.

    This holds within every octave of the rows, so that the first rows are spread about as evenly as all of them. Which
    row gets which interval is random: seen alone, every number is uniform, and those of different columns are unrelated.
    More than ``MANY`` rows get independent numbers, which are as good there and cheaper.
    """
    if len(labels) > MANY:
        return rng.random(len(labels))
    parts = octaves(len(labels))
    order = np.lexsort((rng.random(len(labels)), labels, parts))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(labels[order]) != 0) | (np.diff(parts[order]) != 0)
    first = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    counts = np.diff(np.append(first, len(order)))
    out = np.empty(len(order))
    out[order] = (np.arange(len(order)) - first[run] + rng.random(len(order))) / counts[run]
    return out


def systematic(masses: npt.NDArray[np.float64], rows: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Systematic resampling: positions in order, each as often as its mass says, up to rounding; shape (rows,)."""
    edges = np.cumsum(masses)
    edges = np.floor(edges * (rows / edges[-1]) + rng.random()).astype(np.int64)
    edges[-1] = rows  # what rounding may lose or add at the end
    times = np.diff(np.minimum(edges, rows), prepend=0)
    return np.repeat(np.arange(len(masses)), times)
