"""What an attack is and what it reached: one shape for all of them, so that they can be read side by side.

An attack is described before it is run: what the attacker holds, whom it is tried on, which control tells luck from
leakage, and what is reached without the release. What it reached is an *advantage* over the control (0 is chance, 1 is
always), and, where it ranks people, the ROC curve's area and the true positive rates at small false positive rates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.attacks.bounds import FPRS, Bound
from evaluation.intervals import Interval, auc_delong, mean_interval, newcombe, roc_points, tpr_at_fpr, wilson

FloatArray = npt.NDArray[np.float64]

MOST_POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """An attack's description, in words a data officer can check.

    Attributes:
        name: Identifier, such as ``membership_neighbours``.
        label: Name for people.
        model: The threat model: what the attacker holds and tries, in one or two sentences.
        targets: Who is attacked.
        control: Who or what the same attack is tried on to see what chance and the population alone give.
        baseline: What an attacker reaches without the release.
        source: Where the method is from.
    """

    name: str
    label: str
    model: str
    targets: str
    control: str
    baseline: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an attack reached.

    Attributes:
        threat: Its description.
        members: Targets attacked.
        others: Controls attacked.
        advantage: Success on targets minus success on controls; for rankings true minus false positive rate, at a
            threshold chosen on other people than it is counted on.
        baseline: Success without the release: 0.5 for the area of a ranking, a rate otherwise.
        rate: Success rate on targets, for attacks that guess.
        control_rate: The same on controls.
        auc: Area under the ROC curve with a DeLong interval, for attacks that rank.
        tprs: True positive rate at each of ``FPRS``, for attacks that rank; intervals are Clopper-Pearson's, widened by the
            uncertainty of the threshold.
        curve: The ROC curve, shape (k, 2), false before true positive rates; empty where nothing is ranked.
        bound: What the claim implies; ``None`` where nothing is claimed.
    """

    threat: Threat
    members: int
    others: int
    advantage: Interval
    baseline: float
    rate: Interval | None = None
    control_rate: Interval | None = None
    auc: Interval | None = None
    tprs: tuple[Interval, ...] = ()
    curve: FloatArray
    bound: Bound | None

    @property
    def caught(self) -> bool:
        """Whether the attack certainly beats the control, at the confidence of its intervals."""
        ranks = any(rate.low > fpr for rate, fpr in zip(self.tprs, FPRS, strict=False))
        return self.advantage.low > 0 or ranks

    @property
    def broken(self) -> bool:
        """Whether the attack certainly beats what the claim allows anybody."""
        if self.bound is None:
            return False
        area = self.auc is not None and self.auc.low > self.bound.auc
        ranks = any(rate.low > most for rate, most in zip(self.tprs, self.bound.tprs, strict=False))
        return area or ranks or self.advantage.low > self.bound.advantage


def ranked(threat: Threat, members: FloatArray, others: FloatArray, bound: Bound | None, confidence: float = 0.95) -> Outcome:
    """The outcome of an attack that gives every person a score, larger meaning "was in the table".

    Args:
        threat: Its description.
        members: Scores of people who were fitted, shape (m,).
        others: Scores of fresh people, shape (k,).
        bound: What is claimed.
        confidence: Of every interval, each on its own.
    """
    fpr, tpr = roc_points(members, others)
    keep = np.unique(np.searchsorted(fpr, np.append(np.geomspace(1e-4, 1.0, MOST_POINTS - 1), 0.0), side="right") - 1)
    return Outcome(
        threat=threat,
        members=len(members),
        others=len(others),
        advantage=cross_advantage(members, others, confidence),
        baseline=0.5,
        auc=auc_delong(members, others, confidence),
        tprs=tuple(tpr_at_fpr(members, others, rate, confidence) for rate in FPRS),
        curve=np.column_stack([fpr[keep], tpr[keep]]),
        bound=bound,
    )


def guessed(
    threat: Threat,
    members: FloatArray,
    others: FloatArray,
    baseline: float,
    bound: Bound | None,
    confidence: float = 0.95,
) -> Outcome:
    """The outcome of an attack that guesses something about every person.

    Args:
        threat: Its description.
        members: Success per target, shape (m,): 0 or 1, or a share of what was to be guessed.
        others: The same per control, shape (k,).
        baseline: Success rate on the targets without the release.
        bound: What is claimed.
        confidence: Of every interval, each on its own.
    """
    whole = all(bool(np.isin(values, (0.0, 1.0)).all()) for values in (members, others))
    if whole:
        counts = int(members.sum()), len(members), int(others.sum()), len(others)
        gap = newcombe(*counts, confidence)
        rate, control = wilson(*counts[:2], confidence), wilson(*counts[2:], confidence)
    else:
        rate, control = mean_interval(members, confidence), mean_interval(others, confidence)
        value = rate.value - control.value
        down = float(np.hypot(rate.value - rate.low, control.high - control.value))
        up = float(np.hypot(rate.high - rate.value, control.value - control.low))
        gap = Interval(value, max(-1.0, value - down), min(1.0, value + up))
    return Outcome(
        threat=threat,
        members=len(members),
        others=len(others),
        advantage=gap,
        baseline=baseline,
        rate=rate,
        control_rate=control,
        curve=np.empty((0, 2)),
        bound=bound,
    )


def cross_advantage(members: FloatArray, others: FloatArray, confidence: float = 0.95) -> Interval:
    """True minus false positive rate at the best threshold, chosen on one half of the people and counted on the other.

    Choosing and counting on the same people would find an advantage in noise. Each half serves once for each.

    Args:
        members: Scores of members, shape (m,); their order must carry no meaning.
        others: Scores of non-members, shape (k,), likewise.
        confidence: Of the interval (Newcombe's, for a difference of two shares).
    """
    found, accused = 0, 0
    for first in (0, 1):
        cut = _best_cut(members[first::2], others[first::2])
        found += int((members[1 - first :: 2] >= cut).sum())
        accused += int((others[1 - first :: 2] >= cut).sum())
    return newcombe(found, len(members), accused, len(others), confidence)


def _best_cut(members: FloatArray, others: FloatArray) -> float:
    """The threshold with the largest true minus false positive rate; accuses nobody where none is above 0."""
    cuts = np.unique(np.concatenate([members, others]))
    tpr = 1.0 - np.searchsorted(np.sort(members), cuts, side="left") / max(1, len(members))
    fpr = 1.0 - np.searchsorted(np.sort(others), cuts, side="left") / max(1, len(others))
    best = int(np.argmax(tpr - fpr)) if len(cuts) else 0
    return float(cuts[best]) if len(cuts) and tpr[best] > fpr[best] else np.inf


def outcome_table(outcomes: list[Outcome]) -> pd.DataFrame:
    """One row per attack: rates, intervals and bounds; empty cells where an attack has no such figure."""
    rows = []
    for one in outcomes:
        row: dict[str, float | str | None] = {
            "Attack": one.threat.label,
            "Targets": one.members,
            "Controls": one.others,
            "Advantage": one.advantage.value,
            "Advantage low": one.advantage.low,
            "Advantage high": one.advantage.high,
            "Bound of advantage": None if one.bound is None else one.bound.advantage,
            "Success": None if one.rate is None else one.rate.value,
            "Success on controls": None if one.control_rate is None else one.control_rate.value,
            "Without the release": one.baseline,
            "AUC": None if one.auc is None else one.auc.value,
            "AUC low": None if one.auc is None else one.auc.low,
            "AUC high": None if one.auc is None else one.auc.high,
            "Bound of AUC": None if one.auc is None or one.bound is None else one.bound.auc,
        }
        for k, fpr in enumerate(FPRS):
            rate = one.tprs[k] if one.tprs else None
            row[f"TPR at {fpr:.1%} FPR"] = None if rate is None else rate.value
            row[f"TPR at {fpr:.1%} FPR low"] = None if rate is None else rate.low
            row[f"TPR at {fpr:.1%} FPR high"] = None if rate is None else rate.high
            row[f"Bound of TPR at {fpr:.1%} FPR"] = None if rate is None or one.bound is None else one.bound.tprs[k]
        rows.append(row)
    return pd.DataFrame(rows)


def threat_table(threats: list[Threat]) -> pd.DataFrame:
    """One row per attack: what the attacker holds, on whom it is tried, against what."""
    return pd.DataFrame(
        {
            "Attack": [t.label for t in threats],
            "Threat model": [t.model for t in threats],
            "Targets": [t.targets for t in threats],
            "Control": [t.control for t in threats],
            "Baseline": [t.baseline for t in threats],
            "Source": [t.source for t in threats],
        }
    )
