"""The most telling score of a canary: the log-likelihood ratio of "was in the table" against "was not"."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError
from synth.privacy.events import Event, GaussianEvent, LaplaceEvent, PartitionSelectionEvent, SubsampledGaussianEvent

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SIMULATED = 4000  # canaries per world in a simulation of a claim
SIMULATION_SEED = 20_241_029  # public, so that thresholds never depend on what is audited


def gaussian_score(answers: FloatArray, mu: float) -> FloatArray:
    """Score of answers that are ``N(mu, 1)`` with the canary and ``N(0, 1)`` without.

    Args:
        answers: In standard deviations of the claimed noise, any shape.
        mu: Shift in the same unit.
    """
    return mu * answers - mu * mu / 2


def laplace_score(answers: FloatArray, epsilon: float) -> FloatArray:
    """Score of whole numbers with Laplace noise around 1 with the canary and around 0 without, scale ``1 / epsilon``."""
    return np.asarray(epsilon * (np.abs(answers) - np.abs(answers - 1)), dtype=np.float64)


def sgd_scores(released: FloatArray, event: SubsampledGaussianEvent) -> FloatArray:
    """Score of each canary from what a step of DP-SGD released on its own coordinate.

    A step is ``N(0, s^2)`` with probability ``1 - q`` and ``N(1, s^2)`` with probability ``q`` if the canary is in the table,
    so its ratio is ``1 - q + q exp((2c - 1) / (2 s^2))``; steps are independent, logarithms add up.

    Args:
        released: In clipping norms, shape (canaries,): one step.
        event: Claimed rate and noise.
    """
    q, s = event.sample_rate, event.noise_multiplier
    ratio = (2 * released - 1) / (2 * s * s)
    if q == 1:
        return ratio
    return np.asarray(np.logaddexp(np.log1p(-q), np.log(q) + ratio), dtype=np.float64)


@lru_cache(maxsize=64)
def simulated_scores(events: tuple[Event, ...], *, number: int = SIMULATED) -> tuple[FloatArray, FloatArray]:
    """Scores with and without the canary if the claim is true to the letter.

    Args:
        events: Counts and DP-SGD, in each of which the canary moves the answer as far as it can.
        number: Of canaries per world.

    Returns:
        Two arrays of shape (number,): canary in the table, canary not in it.

    Raises:
        AccountingError: An event that has no such score.
    """
    rng = np.random.default_rng(SIMULATION_SEED)
    inside, outside = np.zeros(number), np.zeros(number)
    for event in events:
        if isinstance(event, GaussianEvent | PartitionSelectionEvent):
            inside += gaussian_score(event.mu + rng.standard_normal(number), event.mu)
            outside += gaussian_score(rng.standard_normal(number), event.mu)
        elif isinstance(event, SubsampledGaussianEvent):
            for _ in range(event.steps):
                taken = rng.random(number) < event.sample_rate
                noise = event.noise_multiplier * rng.standard_normal((2, number))
                inside += sgd_scores(taken + noise[0], event)
                outside += sgd_scores(noise[1], event)
        elif isinstance(event, LaplaceEvent):  # plus or minus epsilon: of all that keeps the promise, the worst
            told = rng.random((2, number)) * (1 + np.exp(-event.epsilon)) < 1
            inside += np.where(told[0], event.epsilon, -event.epsilon)
            outside -= np.where(told[1], event.epsilon, -event.epsilon)
        else:
            raise AccountingError("a choice between options has no such score")
    return inside, outside


def preset_thresholds(inside: FloatArray, outside: FloatArray, *, number: int = 24) -> FloatArray:
    """Thresholds from theory: quantiles of simulated scores, half for few false alarms, half for few misses.

    Args:
        inside: Simulated scores with the canary.
        outside: Without it.
        number: Of thresholds.
    """
    half = number // 2
    alarms, misses = np.geomspace(0.5, 2e-3, half), np.geomspace(0.5, 2e-3, number - half)
    return np.sort(np.concatenate([np.quantile(outside, 1 - alarms), np.quantile(inside, misses)]))
