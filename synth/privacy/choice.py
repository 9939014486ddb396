"""What is public about a choice between tables, and about merged codes: checks before anything is charged."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Guess = tuple[tuple[str, ...], FloatArray]

LARGEST = 2.0**36  # of the counts of a guess together, or of a weight: keeps the scores' integers within 64 bits


def check_guesses(guesses: Sequence[Guess], weights: Sequence[float], biases: Sequence[float], domain: Domain) -> None:
    """Refuse candidates whose sensitivity could not be vouched for.

    Args:
        guesses: Columns and public counts per candidate.
        weights: One per candidate, > 0.
        biases: One per candidate, finite.
        domain: Of the rows.

    Raises:
        AccountingError: Shapes do not match, a figure is not finite, or a weight is not above 0.
    """
    sizes = dict(zip(domain.names, domain.sizes, strict=True))
    sound = 0 < len(guesses) == len(weights) == len(biases)
    sound = sound and all(0 < w <= LARGEST for w in weights) and all(math.isfinite(b) for b in biases)
    sound = sound and all(g.shape == tuple(sizes.get(n, -1) for n in names) for names, g in guesses)
    if not sound or not all(bool(np.abs(g).sum() <= LARGEST) for _, g in guesses):
        raise AccountingError("a choice between tables needs finite guesses of the tables' shapes, and weights above 0")


def fold_domain(domain: Domain, groups: Sequence[IntArray]) -> Domain:
    """The domain after merging codes.

    Args:
        domain: Before.
        groups: Per column, the new code of each code, shape (size,); new codes are 0 to k - 1, each used.

    Raises:
        AccountingError: A map does not fit its column.
    """
    if len(groups) != len(domain.sizes) or any(g.shape != (k,) for g, k in zip(groups, domain.sizes, strict=False)):
        raise AccountingError("merging codes needs one map per column, with one entry per code")
    sizes = tuple(int(g.max()) + 1 for g in groups)
    if any(not np.array_equal(np.unique(g), np.arange(k)) for g, k in zip(groups, sizes, strict=True)):
        raise AccountingError("merged codes run from 0 upwards without gaps")
    in_order = tuple(_still_in_order(g[:n]) for g, n in zip(groups, domain.in_order, strict=False))
    return Domain(names=domain.names, sizes=sizes, target=domain.target, in_order=in_order)


def _still_in_order(groups: IntArray) -> int:
    """Leading merged codes whose order means something."""
    return int(groups[-1]) + 1 if len(groups) and bool((np.diff(groups) >= 0).all()) else 0
