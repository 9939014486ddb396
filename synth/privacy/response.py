"""Generalized randomized response: a code is told as it is with a known chance, and as any other one otherwise.

The chance is a whole number of ``2^-64``, rounded down, so that the ratio of the two chances is at most ``exp(epsilon)`` in
truth and not up to rounding: with ``p = exp(epsilon) / (exp(epsilon) + k - 1)`` for k codes, a smaller ``p`` has a smaller
ratio ``p (k - 1) / (1 - p)``. The other code is drawn evenly without any error, by rejection. (Warner 1965; Kairouz, Bonawitz
and Ramage 2016, arXiv:1602.07387.)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError
from synth.privacy.randomness import Entropy

IntArray = npt.NDArray[np.int64]

LEAST_EPSILON = 1e-3  # of a column; below, answers tell nothing
WORD = 1 << 64
_DIGITS = 80


@dataclass(frozen=True, slots=True)
class Response:
    """Randomized response on ``size`` codes. Public.

    Attributes:
        size: Number of codes.
        kept: The chance that a code is told as it is, in ``2^-64``.
    """

    size: int
    kept: int

    @property
    def chances(self) -> tuple[Fraction, Fraction]:
        """Of the true code, and of each other one; exact."""
        kept = Fraction(self.kept, WORD)
        return kept, (1 - kept) / (self.size - 1) if self.size > 1 else Fraction(0)


def response_of(size: int, epsilon: float) -> Response:
    """The response that keeps ``epsilon``; a single code is always told, since it says nothing.

    Raises:
        AccountingError: No codes, or an epsilon that is not a number from 1e-4 to 100.
    """
    if size < 1 or (size > 1 and not 1e-4 <= epsilon <= 100):
        raise AccountingError("a randomized response needs codes and an epsilon from 0.0001 to 100")
    if size == 1:
        return Response(1, WORD)
    with mpmath.workdps(_DIGITS):
        odds = mpmath.exp(mpmath.mpf(epsilon))
        kept = int(mpmath.floor(odds / (odds + size - 1) * WORD))
    return Response(size, min(kept, WORD - 1))


def responded(exact_codes: IntArray, response: Response, entropy: Entropy) -> IntArray:
    """Codes, each randomised on its own.

    Args:
        exact_codes: From 0 to ``size - 1``, shape (n,). Private.
        response: Chances.
        entropy: Source of secret bytes.

    Returns:
        Codes of the same shape, which may be told.

    Raises:
        AccountingError: A code is outside.
    """
    if exact_codes.size and not 0 <= exact_codes.min() <= exact_codes.max() < response.size:
        raise AccountingError("a code lies outside its domain")
    if response.size == 1:
        return exact_codes.copy()
    told = _words(len(exact_codes), entropy) < np.uint64(response.kept)
    other = _evenly(len(exact_codes), response.size - 1, entropy)
    other += other >= exact_codes  # the codes but the true one, in order
    return np.where(told, exact_codes, other)


def _words(size: int, entropy: Entropy) -> npt.NDArray[np.uint64]:
    return np.frombuffer(entropy(8 * size), dtype=np.uint64)


def _evenly(size: int, below: int, entropy: Entropy) -> IntArray:
    """Independent whole numbers from 0 to ``below - 1``, exactly even: words in an incomplete last round are drawn again."""
    last = np.uint64(WORD - 1 - WORD % below)
    words = _words(size, entropy).copy()
    while len(again := np.flatnonzero(words > last)):
        words[again] = _words(len(again), entropy)
    return (words % np.uint64(below)).astype(np.int64)
