"""Mechanisms with a pure epsilon: Laplace noise on counts, and cells randomised one by one.

Of all mechanisms that are epsilon-DP, randomized response has the worst privacy loss distribution (Kairouz, Oh and Viswanath
2015, arXiv:1311.0776): every mechanism here is composed as that. Two-sided geometric noise on a count that one row moves by 1
*is* that, not merely bounded by it: its loss is plus or minus epsilon and nothing between. The continuous Laplace distribution
has a smaller one, so it must not be used for noise on whole numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.special import expit
from scipy.stats import binom

from synth.privacy.events import Event, LaplaceEvent, LocalEvent

PURE = LaplaceEvent | LocalEvent


def pure_epsilons(events: Sequence[Event], *, rows: int = 1) -> tuple[float, ...]:
    """Epsilon of every pure event, in order of size.

    Args:
        events: What ran.
        rows: Rows of one person, all added or removed together; each moves a count as far as one does.
    """
    return tuple(sorted(e.epsilon * rows for e in events if isinstance(e, PURE)))


@lru_cache(maxsize=64)
def pure_pld(epsilons: tuple[float, ...], interval: float) -> Any:
    """The privacy loss distribution of all of them together.

    Args:
        epsilons: At least one.
        interval: Its discretisation; the sum of equal losses is rounded up to it.
    """
    return reduce(lambda a, b: a.compose(b), (_responses(e, times, interval) for e, times in Counter(epsilons).items()))


@lru_cache(maxsize=256)
def _responses(epsilon: float, times: int, interval: float) -> Any:
    """Several equal ones: a loss of ``(2 i - times) epsilon`` with the chance of i true responses.

    Rounded up once, not each by itself, which for many small ones would claim far more than there is.
    """
    true = np.arange(times + 1)
    cells = np.ceil((2 * true - times) * epsilon / interval).astype(np.int64)
    rounded: dict[int, float] = {}
    for cell, chance in zip(cells.tolist(), binom.pmf(true, times, expit(epsilon)).tolist(), strict=True):
        rounded[cell] = rounded.get(cell, 0.0) + chance
    return pld.PrivacyLossDistribution.create_from_rounded_probability(rounded, 0.0, interval)
