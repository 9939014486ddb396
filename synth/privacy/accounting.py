"""Events to epsilon: one privacy loss distribution (PLD), checked against two other accountants.

Gaussian events compose exactly into one Gaussian (Dong, Roth and Su 2022, arXiv:1905.02383, Corollary 3.3), partition
selection adds its delta, DP-SGD is composed in by PLD (Doroshenko et al. 2022, arXiv:2207.04380, in ``dp_accounting``;
pessimistic, so an upper bound). Rounding is post-processing of the continuous Gaussian, so its PLD holds as it is. Laplace
noise on whole numbers is composed in as randomized response, which is what it is at the worst (``pure``).
Once a choice by the exponential mechanism is among the events, everything is composed in Renyi terms instead (``renyi``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any

from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.optimize import brentq
from scipy.special import ndtr

from synth.errors import AccountingError, RefusedError
from synth.privacy.events import Event, PartitionSelectionEvent, SubsampledGaussianEvent
from synth.privacy.gaussian import gaussian_delta as gaussian_delta
from synth.privacy.gaussian import gaussian_epsilon as gaussian_epsilon
from synth.privacy.gaussian import gaussian_mu as gaussian_mu
from synth.privacy.pure import pure_epsilons, pure_pld
from synth.privacy.renyi import chosen, renyi_epsilon
from synth.privacy.repeated import repeated_epsilon, repeats
from synth.privacy.sums import selection_delta as selection_delta
from synth.privacy.sums import total_mu as total_mu

COARSE, FINE = 1e-3, 1e-4
NOISE_GRID = 1e5  # calibrated noise is rounded up to it: last bits of a float tell nothing
MAX_NOISE = 1e4
LEAST_NOISE = 0.2  # no search below: the accountant slows down and nothing is gained


def _sgd(events: Sequence[Event]) -> list[SubsampledGaussianEvent]:
    return [e for e in events if isinstance(e, SubsampledGaussianEvent)]


@lru_cache(maxsize=256)
def _sgd_pld(noise: float, rate: float, steps: int, interval: float, replace: bool = False) -> Any:
    relation = pld.NeighborRel.REPLACE_ONE if replace else pld.NeighborRel.ADD_OR_REMOVE_ONE
    one = pld.from_gaussian_mechanism(
        noise, sampling_prob=rate, value_discretization_interval=interval, neighboring_relation=relation
    )
    return one.self_compose(steps)


@lru_cache(maxsize=64)
def _gaussian_pld(mu: float, interval: float) -> Any:
    return pld.from_gaussian_mechanism(1 / mu, value_discretization_interval=interval)


@lru_cache(maxsize=8)
def _whole_pld(sgd: tuple[SubsampledGaussianEvent, ...], mu: float, pure: tuple[float, ...], interval: float) -> Any:
    parts = [_sgd_pld(e.noise_multiplier, e.sample_rate, e.steps, interval) for e in sgd]
    parts += [pure_pld(pure, interval)] if pure else []
    return reduce(lambda a, b: a.compose(b), [*parts, *([_gaussian_pld(mu, interval)] if mu > 0 else [])])


@lru_cache(maxsize=4096)
def _whole_epsilon(
    sgd: tuple[SubsampledGaussianEvent, ...], mu: float, pure: tuple[float, ...], delta: float, interval: float
) -> float:
    return float(_whole_pld(sgd, mu, pure, interval).get_epsilon_for_delta(delta))


def epsilon_of(events: Sequence[Event], delta: float, *, interval: float = FINE) -> float:
    """Epsilon of everything in ``events`` together, add-or-remove-one.

    Args:
        events: What ran, in any order.
        delta: Total delta.
        interval: PLD discretisation; smaller is tighter and slower.

    Returns:
        An upper bound; infinite when the selections alone use up ``delta``.

    Raises:
        AccountingError: An event of unknown type.
    """
    for event in events:
        if not isinstance(event, Event):
            raise AccountingError(f"no accounting for an event of type {type(event).__name__}")
    if repeats(events):
        return repeated_epsilon(events, delta)
    left, mu, sgd = delta - selection_delta(events), total_mu(events), _sgd(events)
    if left <= 0:
        return math.inf
    if chosen(events):
        return renyi_epsilon(events, left)
    pure = pure_epsilons(events)
    if not sgd and not pure:
        return gaussian_epsilon(mu, left)
    found = _whole_epsilon(tuple(sgd), mu, pure, left, interval)
    if math.isnan(found):
        raise AccountingError("the accountant gave no figure for these events")
    return found if sgd else min(found, gaussian_epsilon(mu, left) + math.fsum(pure))  # plain addition holds as well


def rho_left(events: Sequence[Event], epsilon: float, delta: float) -> float:
    """The largest zCDP ``rho`` that still fits beside ``events`` at (epsilon, delta), for models that plan in it.

    Raises:
        RefusedError: Nothing is left.
    """
    left = delta - selection_delta(events)
    if left <= 0 or renyi_epsilon(events, left) >= epsilon:
        raise RefusedError("nothing is left of the budget for the tables of this model; raise epsilon")
    high = 1.0
    while renyi_epsilon(events, left, extra_rho=high) < epsilon:
        high *= 2
    found = brentq(lambda rho: renyi_epsilon(events, left, extra_rho=rho) - epsilon, 0.0, high, xtol=1e-15, rtol=1e-12)
    return float(found) * (1 - 1e-6)


def calibrate_noise(
    prefix: Sequence[Event], *, sample_rate: float, steps: int, epsilon: float, delta: float, what: str = "DP-SGD"
) -> SubsampledGaussianEvent:
    """The DP-SGD event with the least noise that fits beside ``prefix``.

    Calibrated on a coarse grid, tightened on a fine one, verified on the fine one.

    Raises:
        RefusedError: Nothing is left.
    """

    def over(noise: float, interval: float) -> float:
        event = SubsampledGaussianEvent(what=what, noise_multiplier=noise, sample_rate=sample_rate, steps=steps)
        return epsilon_of([*prefix, event], delta, interval=interval) - epsilon

    if epsilon_of(prefix, delta) >= epsilon or over(MAX_NOISE, COARSE) > 0:
        raise RefusedError("the measurements before training already use the whole budget; raise epsilon")
    high = 1.0
    while over(high, COARSE) > 0:
        high *= 2
    low = high / 2
    while low > LEAST_NOISE and over(low, COARSE) <= 0:
        high, low = low, low / 2
    found = brentq(over, low, high, args=(COARSE,), xtol=1e-4 * high) if low > LEAST_NOISE else high
    noise = float(found) * 1.0005
    for _ in range(3):  # the fine grid is tighter: one secant step gains most of what is left
        slack = over(noise, FINE)
        slope = (over(noise * 0.99, FINE) - slack) / (0.01 * noise)
        if slope <= 0:
            break
        better = noise + slack / slope * (0.9 if slack < 0 else 1.1)
        if abs(better / noise - 1) < 5e-4 and slack <= 0:
            break
        noise = better
    noise = math.ceil(noise * NOISE_GRID) / NOISE_GRID
    while over(noise, FINE) > 0:
        noise = math.ceil(noise * 1.002 * NOISE_GRID) / NOISE_GRID
    return SubsampledGaussianEvent(what=what, noise_multiplier=noise, sample_rate=sample_rate, steps=steps)


def _without_sgd(mu: float, pure: tuple[float, ...], delta: float) -> float:
    """Counts and Laplace noise alone."""
    plain = gaussian_epsilon(mu, delta) + math.fsum(pure)
    return min(plain, _whole_epsilon((), mu, pure, delta, COARSE)) if pure else plain


def replace_one_epsilon(events: Sequence[Event], delta: float) -> float:
    """Epsilon where neighbours differ by *replacing* one row: the same events, read under the other adjacency."""
    left, mu, sgd = delta - 2 * selection_delta(events), total_mu(events), _sgd(events)
    if left <= 0 or repeats(events):
        return math.inf
    if chosen(events):
        return renyi_epsilon(events, left, rows=2)
    pure = pure_epsilons(events, rows=2)
    if not sgd:
        return _without_sgd(2 * mu, pure, left)
    parts = [_sgd_pld(e.noise_multiplier, e.sample_rate, e.steps, COARSE, replace=True) for e in sgd]
    if mu > 0:
        options = {"value_discretization_interval": COARSE, "neighboring_relation": pld.NeighborRel.REPLACE_ONE}
        parts.append(pld.from_gaussian_mechanism(1 / mu, **options))
    parts += [pure_pld(pure, COARSE)] if pure else []
    return float(reduce(lambda a, b: a.compose(b), parts).get_epsilon_for_delta(left))


def group_selection_delta(events: Sequence[Event], rows: int) -> float:
    """Chance that partition selection names a value that only a group of ``rows`` rows holds.

    Rows that share a value pass the threshold together: i of them with probability ``Phi(-(t + 1/2 - i) / sigma)``. The
    worst split of the rows over values counts, per event.
    """
    whole = 0.0
    for e in events:
        if isinstance(e, PartitionSelectionEvent):
            named = [float(ndtr(-(e.threshold + 0.5 - i) / e.sigma)) for i in range(rows + 1)]
            worst = [0.0]
            for k in range(1, rows + 1):
                worst.append(max(worst[k - i] + named[i] for i in range(1, k + 1)))
            whole += max(worst[rows], rows * e.delta)
    return whole


def group_epsilon(events: Sequence[Event], delta: float, rows: int) -> float:
    """Epsilon for somebody with ``rows`` rows (all added or removed together), same delta.

    Exact dominating pair: ``k`` clipped rows in a Poisson sample move the sum by a Binomial(k, q) multiple of the
    sensitivity (Charles et al. 2024, arXiv:2407.07737).
    """
    left, mu, sgd = delta - group_selection_delta(events, rows), total_mu(events), _sgd(events)
    if left <= 0 or repeats(events):
        return math.inf
    if chosen(events):
        return renyi_epsilon(events, left, rows=rows)
    sampled = [e for e in sgd if e.sample_rate < 1]
    whole_rounds = math.fsum(e.steps / e.noise_multiplier**2 for e in sgd if e.sample_rate == 1)
    mu = math.hypot(mu, math.sqrt(whole_rounds))  # steps on all rows are plain Gaussians, which the mixture's search fails on
    pure = pure_epsilons(events, rows=rows)
    if not sampled:
        return _without_sgd(rows * mu, pure, left)
    parts = [_gaussian_pld(rows * mu, COARSE)] if mu > 0 else []
    parts += [pure_pld(pure, COARSE)] if pure else []
    for e in sampled:
        weights = [math.comb(rows, i) * e.sample_rate**i * (1 - e.sample_rate) ** (rows - i) for i in range(rows + 1)]
        one = pld.from_mixture_gaussian_mechanism(
            e.noise_multiplier, list(range(rows + 1)), weights, value_discretization_interval=COARSE
        )
        parts.append(one.self_compose(e.steps))
    return float(reduce(lambda a, b: a.compose(b), parts).get_epsilon_for_delta(left))
