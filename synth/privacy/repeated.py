"""Accounting for runs that end with the best of several tries; the bound is shown in ``repetitions``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import dp_accounting
from dp_accounting import rdp

from synth.errors import AccountingError
from synth.privacy.events import Event, GaussianEvent, PartitionSelectionEvent, RepeatedSelectionEvent
from synth.privacy.gaussian import gaussian_epsilon, gaussian_mu
from synth.privacy.renyi import ORDERS, chosen
from synth.privacy.sums import selection_delta, total_mu


def repeats(events: Sequence[Event]) -> bool:
    """Whether the best of several tries was taken."""
    return any(isinstance(e, RepeatedSelectionEvent) for e in events)


def adaptive(events: Sequence[Event]) -> bool:
    """Whether options were chosen between by the answers, one way or the other: the events are those of one path."""
    return chosen(events) or repeats(events)


def repeated_epsilon(events: Sequence[Event], delta: float) -> float:
    """Epsilon of counts and named values, then the best of several tries, of which each had to fit beside them.

    What partition selection may name wrongly is not multiplied by the number of tries: it happened before them.

    Args:
        events: In the order they ran.
        delta: Total delta.

    Returns:
        Infinite where anything else is among the events, or the tries were promised more than there is.
    """
    *before, last = events
    plain = all(isinstance(e, GaussianEvent | PartitionSelectionEvent) for e in before)
    if (
        not isinstance(last, RepeatedSelectionEvent)
        or not plain
        or delta - selection_delta(before) < last.mean * last.run_delta
    ):
        return math.inf
    return last.epsilon if gaussian_epsilon(total_mu(before), last.run_delta) <= last.run_epsilon else math.inf


def cross_check_repeated(events: Sequence[Event], delta: float) -> dict[str, float]:
    """Against the Renyi bound of Papernot and Steinke, for tries that are counts.

    Raises:
        AccountingError: The two bounds are too far from each other to be of the same tries.
    """
    ours, last = repeated_epsilon(events, delta), events[-1]
    if not isinstance(last, RepeatedSelectionEvent) or not ours < math.inf:
        raise AccountingError("something was charged beside the tries of which the best is taken; no guarantee is given")
    theirs = repeated_renyi_epsilon(last, total_mu(events), delta - selection_delta(events))
    if not 0.8 * ours - 0.01 <= theirs <= 2 * ours + 0.1:
        raise AccountingError("two privacy accountants disagree on this run, so no guarantee is given; please report it")
    return {"privacy profile": ours, "rdp": theirs}


def repeated_renyi_epsilon(event: RepeatedSelectionEvent, before: float, delta: float) -> float:
    """Epsilon of the best of several tries that are counts, by Papernot and Steinke (2022, arXiv:2110.03620, Theorem 2).

    Args:
        event: Of the tries.
        before: Gaussian-DP parameter of what ran before.
        delta: What partition selections leave of the total delta.
    """
    own = max(gaussian_mu(event.run_epsilon, event.run_delta) ** 2 - before**2, 0.0)
    accountant = rdp.RdpAccountant(list(ORDERS))
    accountant.compose(dp_accounting.dp_event.RepeatAndSelectDpEvent(dp_accounting.ZCDpEvent(own / 2), event.mean, event.shape))
    accountant.compose(dp_accounting.ZCDpEvent(before**2 / 2))
    return float(accountant.get_epsilon(delta))
