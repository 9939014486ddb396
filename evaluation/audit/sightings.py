"""What one audit saw, and what is made of it: a finding with all verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.audit import one_run, verdicts
from evaluation.audit.claims import Family, claim_of
from evaluation.audit.scores import preset_thresholds, simulated_scores
from synth.privacy.events import Event

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

GATE = 1e-6  # chance that correct code fails one check
CONFIDENCE = 0.95  # of the lower bounds that are printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Scores of canaries against what was charged.

    Attributes:
        scores: Of the canaries, higher the more they look present, shape (canaries,).
        present: Which of them were in the table.
        events: What the product's ledger charged for all of it.
        delta: At which epsilons are read.
        one_run: Whether all canaries come from one run, so that verdict (C) applies.
        thresholds: Preset; ``None`` derives them from the claimed events.
    """

    scores: FloatArray
    present: BoolArray
    events: tuple[Event, ...]
    delta: float
    one_run: bool = False
    thresholds: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: Name.
        attacks: What is attacked, and what the attacker knows.
        contradicted: Whether the claim is contradicted, by mistake with at most ``significance``.
        significance: Chance of a false alarm.
        excess: How far the measured rates lie outside the claimed curve (> 0: contradicted), where a curve was tested.
        epsilon: Claimed for what the check exercised, at ``delta``.
        delta: As claimed.
        at_least: Lower bound of epsilon in the family of the claimed mechanisms, at ``confidence``.
        at_least_one_run: The rigorous bound from one run, where canaries share one.
        at_least_plain: The bound that assumes nothing about the mechanism.
        mu: Gaussian-DP parameter, at least.
        confidence: Of the lower bounds.
        canaries: How many were scored.
        detail: In words.
    """

    check: str
    attacks: str
    contradicted: bool
    significance: float
    excess: float | None = None
    epsilon: float | None = None
    delta: float | None = None
    at_least: float | None = None
    at_least_one_run: float | None = None
    at_least_plain: float | None = None
    mu: float | None = None
    confidence: float = CONFIDENCE
    canaries: int = 0
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)


def pooled(sightings: Sequence[Sighting]) -> Sighting:
    """Several runs of one mechanism with one claim as one."""
    first = sightings[0]
    if len(sightings) == 1:
        return first
    return Sighting(
        scores=np.concatenate([s.scores for s in sightings]), present=np.concatenate([s.present for s in sightings]),
        events=first.events, delta=first.delta, thresholds=first.thresholds,
    )  # fmt: skip


def thresholds_of(sighting: Sighting) -> FloatArray:
    """Thresholds that do not depend on the scores."""
    if sighting.thresholds is not None:
        return np.asarray(sighting.thresholds, dtype=np.float64)
    if not sighting.events:
        return np.linspace(-3, 3, 24)
    return preset_thresholds(*simulated_scores(sighting.events))


def is_contradicted(sighting: Sighting, *, significance: float = GATE) -> bool:
    """Verdict (A) alone."""
    rates = verdicts.rates_of(sighting.scores, sighting.present, thresholds_of(sighting), significance)
    return verdicts.excess(rates, claim_of(sighting.events)) > 0


def judge(check: str, attacks: str, sighting: Sighting, *, significance: float = GATE, detail: str = "") -> Finding:
    """All verdicts on what was seen.

    Args:
        check: Name.
        attacks: What is attacked, and what the attacker knows.
        sighting: Of one run, or pooled.
        significance: Of the verdict on the claim.
        detail: In words.
    """
    thresholds, family = thresholds_of(sighting), Family(sighting.events, sighting.delta)
    gate = verdicts.rates_of(sighting.scores, sighting.present, thresholds, significance)
    rates = verdicts.rates_of(sighting.scores, sighting.present, thresholds, 1 - CONFIDENCE)
    over = verdicts.excess(gate, claim_of(sighting.events))
    single, canaries = None, len(sighting.scores)
    if sighting.one_run:
        guesses = one_run.preset_guesses(canaries)
        correct = one_run.correct_guesses(sighting.scores, sighting.present, guesses)
        single, _ = one_run.one_run_bound(correct, guesses, canaries, family, 1 - CONFIDENCE)
    return Finding(
        check=check, attacks=attacks, contradicted=over > 0, significance=significance, excess=over,
        epsilon=family.epsilon(1.0), delta=sighting.delta, at_least=verdicts.family_bound(rates, family)[0],
        at_least_one_run=single, at_least_plain=verdicts.plain_epsilon(rates, sighting.delta),
        mu=verdicts.gaussian_dp(rates, sighting.delta)[0], canaries=canaries, detail=detail,
    )  # fmt: skip
