r"""From scores of canaries to verdicts.

(A) is the whole claimed curve contradicted? (B) how much noise does the mechanism have at most, and what epsilon is that at
least? (D) Gaussian-DP ``mu`` and plain epsilon, for comparison with the literature. All from the same Clopper-Pearson limits
at thresholds that are fixed before the audit, Bonferroni-corrected, so that each verdict errs with at most ``significance``.
Verdict (C), for canaries that may depend on each other, is in ``one_run``.

(A) and (B) take canaries for independent: in correct code they are (own coordinates, own Poisson draws, own noise).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from evaluation.audit.claims import Claim, Family
from synth.privacy.accounting import gaussian_epsilon

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Limits of how often a score lies above each threshold; together they err with at most ``significance``.

    Attributes:
        hit_low: Lower limits with the canary in the table, shape (t,).
        alarm_high: Upper limits without it, shape (t,).
        inside: Canaries that were in.
        outside: Canaries that were not.
        significance: Chance that any limit is wrong.
    """

    hit_low: FloatArray
    alarm_high: FloatArray
    inside: int
    outside: int
    significance: float


def lower_limit(hits: npt.NDArray[np.int64], trials: int, significance: float) -> FloatArray:
    """One-sided Clopper-Pearson limit: the share is at least this, wrong with at most ``significance``."""
    found = stats.beta.ppf(significance, np.maximum(hits, 1), trials - hits + 1)
    return np.where(hits > 0, found, 0.0)


def rates_of(scores: FloatArray, present: BoolArray, thresholds: FloatArray, significance: float) -> Rates:
    """Limits at thresholds that were fixed beforehand.

    Args:
        scores: Shape (canaries,).
        present: Which were in the table.
        thresholds: Shape (t,), not chosen from these scores.
        significance: In all; each of the 2 t limits gets an equal part.
    """
    inside, outside = scores[present], scores[~present]
    part = significance / (2 * len(thresholds))
    hits = np.array([int((inside > t).sum()) for t in thresholds])
    rests = np.array([int((outside <= t).sum()) for t in thresholds])
    return Rates(
        hit_low=lower_limit(hits, len(inside), part),
        alarm_high=1 - lower_limit(rests, len(outside), part),
        inside=len(inside),
        outside=len(outside),
        significance=significance,
    )


def excess(rates: Rates, claim: Claim) -> float:
    """Verdict (A): how far the rates lie outside the claimed curve; > 0 contradicts it.

    Both orders of neighbours are held against the curve: scores above a threshold, and scores below it.
    """
    above = claim.excess(rates.hit_low, rates.alarm_high)
    below = claim.excess(1 - rates.alarm_high, 1 - rates.hit_low)
    return float(np.maximum(above, below).max())


def family_bound(rates: Rates, family: Family) -> tuple[float, float]:
    """Verdict (B): the largest epsilon of the same mechanisms with other noise that the rates contradict.

    Returns:
        Epsilon, 0 where nothing is contradicted; and the noise relative to the claim that goes with it. The true noise is
        less than that.
    """
    return largest_contradicted(family, lambda claim: excess(rates, claim) > 0)


def largest_contradicted(family: Family, contradicted: Callable[[Claim], bool]) -> tuple[float, float]:
    """Bisection over the amount of noise: more noise claims more, so it is contradicted before less noise is."""
    scales = family.scales()
    low, high = -1, len(scales)  # contradicted from ``high`` on
    while high - low > 1:
        middle = (low + high) // 2
        if contradicted(family.claim(float(scales[middle]))):
            high = middle
        else:
            low = middle
    if high == len(scales):
        return 0.0, float("inf")
    return family.epsilon(float(scales[high])), float(scales[high])


def plain_epsilon(rates: Rates, delta: float) -> float:
    """Model-free lower bound of epsilon at ``delta`` (Nasr et al. 2021, arXiv:2101.04535)."""
    pairs = ((rates.hit_low, rates.alarm_high), (1 - rates.alarm_high, 1 - rates.hit_low))
    best = max(float(np.max((more - delta) / np.maximum(less, 1e-300))) for more, less in pairs)
    return max(0.0, float(np.log(best))) if best > 0 else 0.0


def gaussian_dp(rates: Rates, delta: float) -> tuple[float, float]:
    """Verdict (D): the ``mu`` that a Gaussian-DP mechanism must have at least, and its epsilon at ``delta``.

    References:
        Nasr et al. (2023), arXiv:2302.07956; Dong, Roth and Su (2022), arXiv:1905.02383.
    """
    shifts = special.ndtri(rates.hit_low) - special.ndtri(rates.alarm_high)
    mu = max(0.0, float(np.nanmax(np.where(np.isfinite(shifts), shifts, 0.0))))
    return mu, gaussian_epsilon(mu, delta)
