"""What is claimed: a privacy curve, as the product's accountant has it for the events it charged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from synth.privacy.accounting import COARSE, epsilon_of
from synth.privacy.events import (
    Event,
    GaussianEvent,
    LaplaceEvent,
    PartitionSelectionEvent,
    RepeatedSelectionEvent,
    SelectionEvent,
    SubsampledGaussianEvent,
)

FloatArray = npt.NDArray[np.float64]

# small ones for large epsilons, and large ones because small epsilons say as much
DELTAS = (*np.logspace(-9, -2.05, 20).tolist(), *np.linspace(0.01, 0.99, 26).tolist())
LEAST_NOISE = 0.4  # of DP-SGD in a family: below, the accountant slows down and says nothing


@dataclass(frozen=True, slots=True)
class Claim:
    """A privacy curve: ``P(S) <= exp(epsilons[i]) Q(S) + deltas[i]`` for each i, every event S and both orders of neighbours.

    Attributes:
        epsilons: Shape (k,), >= 0.
        deltas: Shape (k,).
    """

    epsilons: FloatArray
    deltas: FloatArray

    def excess(self, more: FloatArray, less: FloatArray) -> FloatArray:
        """How far probabilities lie above what is claimed, at the worst point of the curve; > 0 contradicts the claim.

        Args:
            more: Lower limits of an event's probability under one neighbour, shape (t,).
            less: Upper limits under the other, shape (t,).

        Returns:
            Shape (t,).
        """
        allowed = np.minimum(np.exp(self.epsilons)[None] * less[:, None] + self.deltas[None], 1.0)
        return np.asarray((more[:, None] - allowed).max(axis=1), dtype=np.float64)

    def at_least(self, probability: float) -> float:
        """The least probability under one neighbour of an event that has ``probability`` under the other."""
        least = ((probability - self.deltas) * np.exp(-self.epsilons)).max()
        rest = (1 - np.exp(self.epsilons) * (1 - probability) - self.deltas).max()
        return max(0.0, float(least), float(rest))


NOTHING = Claim(np.zeros(1), np.zeros(1))  # no event was charged, so neighbours must look alike


def claim_of(events: Sequence[Event]) -> Claim:
    """The curve that the product's own accountant gives for what it charged.

    Args:
        events: Of a ledger or a receipt.

    Returns:
        A grid of points on the curve; an audit against part of a curve can only be weaker.
    """
    return _claim_of(tuple(events)) if events else NOTHING


@lru_cache(maxsize=1024)
def _claim_of(events: tuple[Event, ...]) -> Claim:
    if len(events) == 1 and isinstance(events[0], SelectionEvent):
        return bounded_range_claim(events[0])
    found = np.array([epsilon_of(events, delta, interval=COARSE) for delta in DELTAS])
    known = np.isfinite(found)
    return Claim(np.maximum(found[known], 0.0), np.asarray(DELTAS)[known])


def scaled(event: Event, scale: float) -> Event:
    """The same mechanism with ``scale`` times the noise."""
    if isinstance(event, SubsampledGaussianEvent):
        return replace(event, noise_multiplier=event.noise_multiplier * scale)
    if isinstance(event, GaussianEvent | PartitionSelectionEvent):
        return replace(event, sigma=event.sigma * scale)
    if isinstance(event, LaplaceEvent):
        return replace(event, scale=event.scale * scale)
    if isinstance(event, RepeatedSelectionEvent):
        return replace(event, run_epsilon=event.run_epsilon / scale, near_epsilon=event.near_epsilon / scale)
    return replace(event, epsilon=event.epsilon / scale)


@dataclass(frozen=True, slots=True)
class Family:
    """The mechanisms of a claim with other amounts of noise: what a measured curve is compared with.

    Attributes:
        events: As claimed.
        delta: At which epsilons are read.
    """

    events: tuple[Event, ...]
    delta: float

    def scales(self) -> FloatArray:
        """Amounts of noise relative to the claim, increasing by 2.5 % each."""
        least = max(
            (LEAST_NOISE / e.noise_multiplier for e in self.events if isinstance(e, SubsampledGaussianEvent)), default=0
        )
        grid = 1.025 ** np.arange(-28, 100)
        return np.asarray(grid[grid >= least], dtype=np.float64)

    def claim(self, scale: float) -> Claim:
        """The curve with ``scale`` times the noise."""
        return claim_of(tuple(scaled(e, scale) for e in self.events))

    def epsilon(self, scale: float) -> float:
        """Epsilon with ``scale`` times the noise."""
        events = [scaled(e, scale) for e in self.events]
        if len(events) == 1 and isinstance(events[0], SelectionEvent):
            return events[0].epsilon
        return epsilon_of(events, self.delta, interval=COARSE)


def bounded_range_claim(event: SelectionEvent) -> Claim:
    r"""The curve of one exponential mechanism, tighter than the zCDP that runs are composed in.

    The worst mechanism of bounded range epsilon_0 has two outcomes with losses t and t - epsilon_0; maximised over t,
    :math:`\delta(x) = (1 - e^{(x - \epsilon_0)/2})^2 / (1 - e^{-\epsilon_0})` (after Dong, Durfee and Rogers 2020).
    """
    points = np.linspace(0.0, event.epsilon, 200)
    deltas = (1 - np.exp((points - event.epsilon) / 2)) ** 2 / (1 - np.exp(-event.epsilon))
    return Claim(points, deltas)
