"""Exact Laplace noise on whole numbers: the difference of two geometric numbers (Ghosh, Roughgarden and Sundararajan 2009).

``P(k) = (1 - a) / (1 + a) a^|k|``. The ratio of neighbouring probabilities is ``1 / a``, and ``a = 1 - rate`` for a float
``rate`` is a number that the sampler meets exactly (``randomness.geometric_gaps``). So ``rate`` is chosen such that ``1 / a``
is at most ``exp(1 / scale)`` in truth, not up to rounding.
"""

from __future__ import annotations

import math
from functools import lru_cache

import mpmath
import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError
from synth.privacy.randomness import Entropy, geometric_gaps

IntArray = npt.NDArray[np.int64]

MOST_SCALE = 2.0**40  # beyond, whole numbers in float64 and the sampler's range would come near
_LARGEST_RATE = 1 - 2.0**-53
_DIGITS = 60


@lru_cache(maxsize=256)
def geometric_rate(scale: float) -> float:
    """The largest float ``rate`` with ``-log(1 - rate) <= 1 / scale``.

    Raises:
        AccountingError: ``scale`` is not a positive number that is not too large (no noise is never an option).
    """
    if not 0 < scale <= MOST_SCALE:
        raise AccountingError("Laplace noise needs a scale above 0 and at most 2^40")
    rate = min(-math.expm1(-1 / scale), _LARGEST_RATE)
    with mpmath.workdps(_DIGITS):
        while -mpmath.log1p(-mpmath.mpf(rate)) * mpmath.mpf(scale) > 1:
            rate = math.nextafter(rate, 0.0)
    return rate


def two_sided_geometric(size: int, scale: float, entropy: Entropy) -> IntArray:
    """Independent draws of Laplace noise on whole numbers.

    Args:
        size: Number of draws.
        scale: Of the noise; probabilities fall by ``exp(-1 / scale)`` a step, or a little less.
        entropy: Source of secret bytes.

    Returns:
        Whole numbers, shape (size,).
    """
    gaps = geometric_gaps(2 * size, geometric_rate(scale), entropy)
    return gaps[:size] - gaps[size:]


def geometric_std(scale: float) -> float:
    """Standard deviation of the noise, ``sqrt(2 a) / (1 - a)``."""
    rate = geometric_rate(scale)
    return math.sqrt(2 * (1 - rate)) / rate
