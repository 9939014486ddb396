"""Whose each row is: what one privacy unit may move, for tables where a person has several rows.

Neighbouring tables differ by all rows of one entity. At most ``cap`` of an entity's rows count, chosen by secret chance;
each of these ``m`` rows counts ``floor(scale / m)`` in units of ``1 / scale``, the others 0. So an entity counts 1 at most,
however it is spread over the cells of a table: the table moves by at most 1 in the L1 norm, hence in the L2 norm, which is
what one row counting 1 does. Exact answers are integers (multiples of ``1 / scale``), and noise is added to these.

A table of single rows is the case without owners: every row is a unit, counts 1, and ``scale`` is 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.errors import AccountingError
from synth.privacy.mechanisms import laplace_counts, noisy_counts
from synth.privacy.randomness import Entropy, poisson_sample
from synth.privacy.sealed import Sealed

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Weights = IntArray | None  # what each row counts, in 1 / scale, shape (n,); None for 1 each

MAX_EXACT = 12  # entities with up to this many rows count 1 exactly; a larger scale would make sampling noise slow


def scale_of(cap: int) -> int:
    """Units that a whole is counted in: the least common multiple of 1 to ``cap``, or to ``MAX_EXACT``."""
    return math.lcm(*range(1, min(cap, MAX_EXACT) + 1))


class PrivacyUnits(Sealed):
    """The owner and the weight of every row.

    Attributes:
        cap: Most rows of a unit. Public.
        scale: What a unit counts at most, in the integers that exact answers are made of. Public.
    """

    __slots__ = ("__count", "__owner", "__weights", "cap", "scale")

    def __init__(self, exact_rows: int, owner: IntArray | None = None, cap: int = 1) -> None:
        """Take owners in.

        Args:
            exact_rows: Rows of the table. Private.
            owner: Number of each row's entity, 0 upwards without gaps; -1 for rows that do not count; shape (exact_rows,).
                ``None``: every row is a unit.
            cap: Most rows of an entity.

        Raises:
            AccountingError: An entity has more rows than ``cap``, so that it might move an answer by more than 1.
        """
        self.cap, self.scale = cap, scale_of(cap)
        self.__owner, self.__count, self.__weights = owner, exact_rows, None
        if owner is None:
            if cap != 1:
                raise AccountingError("a table without owners has one row a unit")
            return
        counted = np.bincount(owner[owner >= 0])
        if owner.shape != (exact_rows,) or (len(counted) and not 1 <= counted.min() <= counted.max() <= cap):
            raise AccountingError("an entity has no rows, or more than its cap")
        self.__count = len(counted)
        shares = np.append(self.scale // counted, 0).astype(np.int64)  # the last one is for owner -1
        self.__weights = shares[owner]

    def exact_count(self) -> int:
        """How many units there are. Private."""
        return self.__count

    def exact_weights(self) -> Weights:
        """What each row counts. Private."""
        return self.__weights

    def exact_parts(self, sizes: Sequence[int]) -> Iterator[Weights]:
        """The same for consecutive chunks of rows. Private."""
        start = 0
        for size in sizes:
            yield None if self.__weights is None else self.__weights[start : start + size]
            start += size

    def exact_spread(self, each: IntArray) -> IntArray:
        """A figure of each unit for each of its rows; 0 for rows that do not count. Private."""
        return each if self.__owner is None else np.append(each, 0)[self.__owner]

    def exact_batch(self, taken: IntArray) -> tuple[IntArray, FloatArray | None]:
        """Rows of the given units, in order, and their weights in (0, 1]; ``None`` for 1 each. Private."""
        if self.__owner is None or self.__weights is None:
            return taken, None
        chosen = np.zeros(self.__count + 1, dtype=bool)  # the last one is for owner -1
        chosen[taken] = True
        rows = np.flatnonzero(chosen[self.__owner])
        return rows, self.__weights[rows] / self.scale

    def exact_sample(self, rate: float, entropy: Entropy) -> tuple[IntArray, FloatArray | None]:
        """The same of an exact Poisson sample of units. Private."""
        return self.exact_batch(poisson_sample(self.__count, rate, entropy))

    def noisy(self, exact_sums: IntArray, *, sigma: float, entropy: Entropy) -> FloatArray:
        """Sums of weights, with rounded Gaussian noise of ``sigma`` units on their own grid, in units.

        Dividing by the scale afterwards is post-processing: the noise is drawn for integers.
        """
        return noisy_counts(exact_sums, sigma=sigma * self.scale, entropy=entropy) / self.scale

    def laplace(self, exact_sums: IntArray, *, scale: float, entropy: Entropy) -> FloatArray:
        """The same with Laplace noise of ``scale`` units: a unit moves a table by at most 1 in the L1 norm as well."""
        return laplace_counts(exact_sums, scale=scale * self.scale, entropy=entropy) / self.scale


def exact_owners(keys: npt.NDArray[np.object_], cap: int, entropy: Entropy) -> tuple[IntArray, IntArray]:
    """Whose each row is, with at most ``cap`` rows of each entity. Private.

    Kept are the rows with an entity's smallest 64-bit words: a function of its own rows and words, so what is kept of others
    does not change with it. A row without a key is an entity of its own.

    Args:
        keys: Texts, ``None`` where missing, shape (n,).
        cap: Most rows of an entity.
        entropy: Source of secret bytes.

    Returns:
        Number of each row's entity, -1 for rows that do not count; and how many rows of it do. Shape (n,) each.
    """
    owner = pd.factorize(pd.Series(keys, dtype=object))[0].astype(np.int64)
    alone = owner < 0
    owner[alone] = owner.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    words = np.frombuffer(entropy(8 * len(owner)), dtype=np.uint64)
    order = np.lexsort((words, owner))
    size = np.bincount(owner)
    rank = np.empty(len(owner), dtype=np.int64)
    rank[order] = np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size)
    return np.where(rank < cap, owner, -1), np.minimum(size, cap)[owner]
