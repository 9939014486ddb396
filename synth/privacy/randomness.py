"""Secret randomness: operating-system entropy in, exact discrete samples out. A user's seed never comes here.

The Gaussian is drawn by inverting its distribution function on a uniform number and rounding to an integer. Rounding hides
every floating-point error except within a sliver around the half-integers, and there the number's further bits decide:
32 bits for most draws, 64 where these leave two integers possible, and where float64 cannot tell, 60-digit arithmetic with
128 more. So values follow round(N(0, sigma^2)) up to 2^-150 or so, and inherit the continuous Gaussian's privacy by
post-processing (the sum they are added to is an integer), free of the floating-point attacks of Mironov (2012).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import mpmath
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from synth.errors import AccountingError

Entropy = Callable[[int], bytes]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

Value = TypeVar("Value", str, float)

_TOLERANCE = 1e-11  # in sigmas; ndtri is good to about 1e-15
_GAP_TOLERANCE = 1e-13  # relative; logarithms are good to about 1e-15
_DIGITS = 60
_EXTRA_BITS = 128


def os_entropy(n_bytes: int) -> bytes:
    """Bytes from the operating system's generator."""
    return os.urandom(n_bytes)


class FreshBytes:
    """``os_entropy`` that counts its uses, so that a run knows whether a question it broke off had met any noise.

    Attributes:
        reads: How often it was asked. Public.
    """

    reads = 0

    def __call__(self, n_bytes: int) -> bytes:
        """Bytes from the operating system's generator. Secret."""
        self.reads += 1
        return os_entropy(n_bytes)


@runtime_checkable
class Several(Protocol):
    """A source of secret bytes that stands for several processes with their own rows; see ``synth.privacy.workers``.

    Attributes:
        size: Number of processes. Public.
    """

    size: int

    def __call__(self, n_bytes: int) -> bytes:
        """Bytes of this process's own."""

    def total(self, exact: IntArray, asked: str) -> IntArray:
        """Sum over all processes, at the one that draws the noise; zeros elsewhere. Private."""

    def merged(self, values: Sequence[Value], exact_counts: IntArray) -> tuple[list[Value], IntArray]:
        """Counts by value of all processes, in order, at the one that draws the noise; nothing elsewhere. Private."""

    def told(self, answer: Callable[[], Any]) -> Any:
        """What the one that draws the noise answers, to all: an array, or plain JSON. Public."""


@runtime_checkable
class Apart(Protocol):
    """A source of secret bytes of one of several sites, none of which tells anybody an exact sum; see ``synth.privacy.sites``.

    What its methods are given leaves the site, so that it must have its noise already.

    Attributes:
        size: Number of sites. Public.
    """

    size: int

    def __call__(self, n_bytes: int) -> bytes:
        """Bytes of this site's own."""

    def pooled(self, noisy: IntArray, asked: str) -> IntArray:
        """Sum over all sites. Public."""

    def committed(self, noisy: IntArray, sigma: float) -> IntArray:
        """The same, where no site can have chosen its part by looking at that of another. Public."""

    def shared(self, named: Sequence[tuple[Value, int]], asked: str) -> list[tuple[Value, int]]:
        """Values that every site names, in order, with the sums of their noisy counts. Public."""


def bind(entropy: Entropy, exact_question: bytes) -> None:
    """Make a keyed stream depend on the exact answer and the scale its next bytes are for; other sources are fresh."""
    absorb = getattr(entropy, "absorb", None)
    if absorb is not None:
        absorb(exact_question)


def _words(size: int, entropy: Entropy) -> npt.NDArray[np.uint64]:
    return np.frombuffer(entropy(8 * size), dtype=np.uint64)


def rounded_gaussian(size: int, sigma: float, entropy: Entropy) -> IntArray:
    """Independent draws of ``round(N(0, sigma^2))``.

    Args:
        size: Number of draws.
        sigma: Standard deviation before rounding, finite and > 0.
        entropy: Source of secret bytes.

    Returns:
        Integers, shape (size,).

    Raises:
        AccountingError: ``sigma`` is not a finite positive number (no noise is never an option).
    """
    if not (math.isfinite(sigma) and sigma > 0):
        raise AccountingError("noise needs a finite standard deviation above 0")
    lead = np.frombuffer(entropy(4 * size), dtype=np.uint32)
    magnitude = lead >> np.uint32(1)  # 31 uniform bits: |X| has upper tail magnitude / 2^32, a number of [0, 1/2)
    out, unsure = _rounded(magnitude, 31, sigma)
    if len(unsure):
        _refine(out, unsure, magnitude, sigma, entropy)
    out *= 1.0 - 2.0 * (lead & np.uint32(1))
    return out.astype(np.int64)


def _rounded(magnitude: npt.NDArray[np.unsignedinteger], bits: int, sigma: float) -> tuple[FloatArray, IntArray]:
    """Magnitudes of draws whose tail is known to ``bits`` + 1 binary places, and where they are not certain.

    The tail ``T`` lies within ``half = 2^-(bits + 2)`` of the middle ``t`` of its interval. As the Gaussian's hazard rate is
    at least ``sqrt(2 / pi)`` on this side, ``|dx/dT| <= 1.26 / T``. But in the lowest interval, which is never certain,
    ``T >= 2 t / 3``; so ``x(T)`` is within ``1.26 * 3 / 2 * half / t < 2^-bits / t`` of ``x(t)``.
    """
    tail = magnitude.astype(np.float64)
    tail += 0.5
    tail *= 2.0 ** -(bits + 1)
    value = ndtri(tail)
    value *= -sigma
    value += 0.5
    out = np.floor(value)
    value -= out
    value -= 0.5
    np.abs(value, out=value)  # half a unit away from the next integer, less this
    slack = np.divide(sigma * 2.0**-bits, tail, out=tail)
    slack += sigma * _TOLERANCE - 0.5
    value += slack
    return out, np.flatnonzero((value >= 0) | (magnitude == 0))


def _refine(out: FloatArray, unsure: IntArray, lead: npt.NDArray[np.uint32], sigma: float, entropy: Entropy) -> None:
    """Draw again, with 32 further bits of the same numbers, what 32 bits left open."""
    further = np.frombuffer(entropy(4 * len(unsure)), dtype=np.uint32)
    magnitude = lead[unsure].astype(np.uint64) << np.uint64(32) | further
    out[unsure], open_still = _rounded(magnitude, 63, sigma)
    for i in open_still:
        out[unsure[i]] = _decide(int(magnitude[i]), int(out[unsure[i]]), sigma, entropy)


def _decide(magnitude: int, guess: int, sigma: float, entropy: Entropy) -> int:
    """The integer of a draw too close to a half-integer for float64, with further bits and digits."""
    extra = int.from_bytes(entropy(_EXTRA_BITS // 8), "little")
    with mpmath.workdps(_DIGITS):
        tail = mpmath.mpf((magnitude << _EXTRA_BITS) + extra) / (mpmath.mpf(2) ** (64 + _EXTRA_BITS))
        scale = mpmath.mpf(sigma) * mpmath.sqrt(2)

        def beyond(k: int) -> mpmath.mpf:  # P(X > k + 1/2)
            return mpmath.erfc((mpmath.mpf(k) + mpmath.mpf("0.5")) / scale) / 2

        k = max(guess, 0)
        while k > 0 and tail > beyond(k - 1):
            k -= 1
        while tail <= beyond(k):
            k += 1
    return k


def poisson_sample(n_units: int, rate: float, entropy: Entropy) -> IntArray:
    """Positions of an exact Poisson sample: every unit takes part independently with probability ``rate``.

    Drawn as gaps between the units that take part, so time and memory follow the sample and not the number of units.

    Returns:
        Increasing positions; empty is a valid sample.

    Raises:
        AccountingError: ``rate`` is outside (0, 1].
    """
    if not 0 < rate <= 1:
        raise AccountingError("a sampling rate lies in (0, 1]")
    if rate == 1:
        return np.arange(n_units, dtype=np.int64)
    found, last = [np.empty(0, dtype=np.int64)], -1
    while last < n_units - 1:
        mean = rate * (n_units - 1 - last)
        gaps = geometric_gaps(math.ceil(mean + 4 * math.sqrt(mean)) + 1, rate, entropy)
        found.append(last + np.cumsum(np.minimum(gaps, n_units) + 1))  # a gap beyond all units ends the sample
        last = int(found[-1][-1])
    whole = np.concatenate(found)
    return whole[: np.searchsorted(whole, n_units)]


def geometric_gaps(size: int, rate: float, entropy: Entropy) -> IntArray:
    r"""Independent numbers of failures before a success: at least k with probability :math:`(1 - rate)^k`.

    As with the Gaussian: inversion of a 64-bit uniform in float64, and where that is too close to a whole number to trust, in
    60 digits with 128 further bits. Gaps of 2^62 and more are not told apart.

    Args:
        size: Number of draws.
        rate: Of success, in (0, 1).
        entropy: Source of secret bytes.
    """
    words = _words(size, entropy)
    tail = (words.astype(np.float64) + 0.5) * 2.0**-64
    rest = ((~words).astype(np.float64) + 0.5) * 2.0**-64  # 1 - tail, without cancellation
    log_tail = np.where(tail < 0.5, np.log(tail), np.log1p(-np.minimum(rest, 0.5)))
    exact_place = log_tail / math.log1p(-rate)
    out = np.floor(np.minimum(exact_place, 2.0**62))
    edge = np.abs(exact_place - np.rint(exact_place))
    for i in np.flatnonzero(edge <= _GAP_TOLERANCE * (1 + exact_place) + 2.0**-63 / (tail * rate)):
        out[i] = _decide_gap(int(words[i]), rate, entropy)
    return out.astype(np.int64)


def _decide_gap(word: int, rate: float, entropy: Entropy) -> int:
    """The gap of a draw too close to a whole number for float64, with further bits and digits."""
    extra = int.from_bytes(entropy(_EXTRA_BITS // 8), "little")
    with mpmath.workdps(_DIGITS):
        tail = (mpmath.mpf((word << _EXTRA_BITS) + extra) + mpmath.mpf("0.5")) / (mpmath.mpf(2) ** (64 + _EXTRA_BITS))
        return min(int(mpmath.floor(mpmath.log(tail) / mpmath.log1p(-mpmath.mpf(rate)))), 1 << 62)
