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

from dp_accounting.pld import common
from dp_accounting.pld import privacy_loss_distribution as pld

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
        interval: Its discretisation; losses are rounded up to it.
    """
    kinds = Counter(epsilons).items()
    each = [_response(epsilon, interval).self_compose(times) for epsilon, times in kinds]
    return reduce(lambda a, b: a.compose(b), each)


@lru_cache(maxsize=256)
def _response(epsilon: float, interval: float) -> Any:
    promised = common.DifferentialPrivacyParameters(epsilon, 0.0)
    return pld.from_privacy_parameters(promised, value_discretization_interval=interval)
