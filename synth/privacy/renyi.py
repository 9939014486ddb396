"""Renyi accounting for runs that choose by the exponential mechanism. An upper bound; used where such choices occur.

An exponential mechanism of range epsilon is ``epsilon^2 / 8``-zCDP (Cesar and Rogers 2021, arXiv:2004.07223, Lemma 3.4 there;
Dong, Durfee and Rogers 2020), a Gaussian of ``mu`` is ``mu^2 / 2``-zCDP, and a sum of these is read at the best Renyi order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import dp_accounting
from dp_accounting import rdp

from synth.privacy.events import Event, GaussianEvent, PartitionSelectionEvent, SelectionEvent, SubsampledGaussianEvent
from synth.privacy.pure import PURE

ORDERS = tuple(1 + 10 ** (x / 50) for x in range(-100, 251))  # 1.01 to 100,001, five percent apart
SGD_ORDERS = tuple(float(x) for x in (*range(2, 64), 96, 128, 192, 256, 512))


def chosen(events: Sequence[Event]) -> bool:
    """Whether any event is a choice by the exponential mechanism."""
    return any(isinstance(e, SelectionEvent) for e in events)


def rho_of(events: Sequence[Event]) -> float:
    """The zCDP parameter of all counts and choices together; DP-SGD is not in it.

    A pure epsilon is ``epsilon^2 / 2``-zCDP (Bun and Steinke 2016, arXiv:1605.02065, Proposition 1.4).
    """
    counts = math.fsum(e.mu**2 / 2 for e in events if isinstance(e, GaussianEvent | PartitionSelectionEvent | PURE))
    return counts + math.fsum(e.rho for e in events if isinstance(e, SelectionEvent))


def orders_of(events: Sequence[Event]) -> tuple[float, ...]:
    """Renyi orders to read ``events`` at: fewer where DP-SGD makes each one dear."""
    return SGD_ORDERS if any(isinstance(e, SubsampledGaussianEvent) for e in events) else ORDERS


def renyi_epsilon(events: Sequence[Event], delta: float, *, rows: int = 1, extra_rho: float = 0.0) -> float:
    """Epsilon of ``events`` and of ``extra_rho`` of zCDP beside them.

    Args:
        events: What ran.
        delta: What partition selections leave of the total delta, > 0.
        rows: Rows of one person, all added or removed together: zCDP grows with their square, as the sensitivity of counts
            and the range of choices grow with them.
        extra_rho: Of something that is still to run.

    Returns:
        An upper bound; infinite for several rows where DP-SGD ran as well.
    """
    sgd = [e for e in events if isinstance(e, SubsampledGaussianEvent)]
    if sgd and rows > 1:
        return math.inf
    accountant = rdp.RdpAccountant(list(orders_of(events)))
    accountant.compose(dp_accounting.ZCDpEvent(rows**2 * (rho_of(events) + extra_rho)))
    for e in sgd:
        step = dp_accounting.PoissonSampledDpEvent(e.sample_rate, dp_accounting.GaussianDpEvent(e.noise_multiplier))
        accountant.compose(dp_accounting.SelfComposedDpEvent(step, e.steps))
    return float(accountant.get_epsilon(delta))
