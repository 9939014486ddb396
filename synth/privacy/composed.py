"""Several runs of one data set as one privacy loss distribution: exact events beside the worst that a grant allows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any

from dp_accounting.pld import common
from dp_accounting.pld import privacy_loss_distribution as pld

from synth.errors import AccountingError
from synth.privacy.accounting import COARSE, gaussian_epsilon, total_mu
from synth.privacy.events import Event, SubsampledGaussianEvent
from synth.privacy.pure import PURE, pure_epsilons, pure_pld

Grant = tuple[float, float]  # epsilon and delta


def composed_epsilon(events: tuple[Event, ...], grants: tuple[Grant, ...], extra: Sequence[Grant], delta: float) -> float:
    """Epsilon of everything together.

    Args:
        events: That count exactly.
        grants: Of runs that count as the worst mechanism which keeps their promise.
        extra: Grants of runs that are still to come.
        delta: What partition selections leave of the total, > 0.

    Raises:
        AccountingError: There is no figure.
    """
    if not grants and not extra and not any(isinstance(e, SubsampledGaussianEvent | PURE) for e in events):
        return gaussian_epsilon(total_mu(events), delta)
    parts = [_promise(*grant) for grant in extra]
    if grants or events:
        parts.append(_past(events, grants))
    found = float(reduce(lambda a, b: a.compose(b), parts).get_epsilon_for_delta(delta))
    if math.isnan(found):
        raise AccountingError("the accountant gave no figure for the runs of this ledger")
    return found


@lru_cache(maxsize=64)
def _promise(epsilon: float, delta: float) -> Any:
    """The worst mechanism that is (epsilon, delta)-DP."""
    promised = common.DifferentialPrivacyParameters(epsilon, delta)
    return pld.from_privacy_parameters(promised, value_discretization_interval=COARSE)


@lru_cache(maxsize=64)
def _training(event: SubsampledGaussianEvent) -> Any:
    noise, rate = event.noise_multiplier, event.sample_rate
    return pld.from_gaussian_mechanism(noise, sampling_prob=rate, value_discretization_interval=COARSE).self_compose(
        event.steps
    )


@lru_cache(maxsize=8)
def _past(events: tuple[Event, ...], grants: tuple[Grant, ...]) -> Any:
    mu, pure = total_mu(events), pure_epsilons(events)
    parts = [_training(e) for e in events if isinstance(e, SubsampledGaussianEvent)]
    parts += [pld.from_gaussian_mechanism(1 / mu, value_discretization_interval=COARSE)] if mu > 0 else []
    parts += [pure_pld(pure, COARSE)] if pure else []
    return reduce(
        lambda a, b: a.compose(b), [*parts, *(_promise(*grant).self_compose(k) for grant, k in Counter(grants).items())]
    )
