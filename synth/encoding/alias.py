"""A cell inside each row's bin, by weight, in a few operations a row: alias tables (Walker 1977, doi:10.1145/355744.355749)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEAST = 1e-12  # weight of an empty cell


class Aliases(NamedTuple):
    """Tables of all bins, end to end.

    Attributes:
        first: First cell of each bin, shape (bins,).
        width: Cells of each bin, shape (bins,).
        kept: Probability that a cell stays where it was hit, shape (cells,).
        other: Cell of the same bin that is taken otherwise, shape (cells,).
    """

    first: IntArray
    width: IntArray
    kept: FloatArray
    other: IntArray


@lru_cache(maxsize=1024)
def aliases_of(starts: tuple[int, ...], weights: tuple[float, ...]) -> Aliases:
    """Tables of bins.

    Args:
        starts: First cell of each bin, increasing from 0.
        weights: Of each cell, within its bin.
    """
    ends = (*starts[1:], len(weights))
    kept, other = np.ones(len(weights)), np.arange(len(weights))
    for first, end in zip(starts, ends, strict=True):
        _fill(np.maximum(weights[first:end], LEAST), kept[first:end], other[first:end], first)
    return Aliases(np.asarray(starts, dtype=np.int64), np.diff((*starts, len(weights))), kept, other)


def _fill(weights: FloatArray, kept: FloatArray, other: IntArray, first: int) -> None:
    """One bin (Vose 1991): cells below the mean are filled up by those above it."""
    share = (weights * (len(weights) / weights.sum())).tolist()
    low, high = [i for i, s in enumerate(share) if s < 1], [i for i, s in enumerate(share) if s >= 1]
    while low and high:
        small, large = low.pop(), high[-1]
        kept[small], other[small] = share[small], first + large
        share[large] -= 1 - share[small]
        if share[large] < 1:
            low.append(high.pop())


def cells_inside(bins: npt.NDArray[np.integer], tables: Aliases, rng: np.random.Generator) -> IntArray:
    """A cell of each row's bin, shape (n,) to (n,)."""
    place = rng.random(len(bins)) * tables.width[bins]
    hit = place.astype(np.int64)
    place -= hit
    hit += tables.first[bins]
    return np.asarray(np.where(place < tables.kept[hit], hit, tables.other[hit]))
