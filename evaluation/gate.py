"""The release gate: a policy written down beforehand, checked against a report, with a named reason for every refusal.

A verdict is computed on private rows. It is itself an output that no epsilon covers, so every asking is recorded in the
ledger of the release before the answer is known, and a reader is told how often was asked. Whoever fits again until the
gate opens selects among releases by a test on private rows: the (epsilon, delta) of the last one says nothing then.

References:
    Ganev and De Cristofaro (2023), arXiv:2312.05114 (what filters and similarity tests on private rows leak).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation.attacks.bounds import claimed
from evaluation.report import Report
from evaluation.scores import Score
from synth.errors import InputError

TABLE = "Release gate"
UTILITY = ("tstr_auc", "tstr_r2")
ADVANTAGE, GAP = "attack_advantage", "subgroup_gap"
EVIDENCE = ("interval", "value")
LIMITS = {
    "max_epsilon": (0.0, 1e6),
    "max_delta": (0.0, 1.0),
    "max_attack_advantage": (0.0, 1.0),
    "min_utility": (0.0, 1.0),
    "max_subgroup_gap": (0.0, 1e9),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a release must satisfy. ``None`` checks nothing.

    Attributes:
        max_epsilon: Of the release card.
        max_delta: Of the release card.
        max_attack_advantage: Of the strongest attack.
        min_utility: Share of the way from floor to ceiling of the leading utility score.
        max_subgroup_gap: Largest loss of utility in any subgroup, in the unit of that score.
        scores: Smallest and largest allowed value of any other score, by name.
        evidence: ``interval`` judges by the worse end of the interval, ``value`` by the estimate.
        digest: SHA-256 of the file it was read from, in hexadecimal.
    """

    max_epsilon: float | None = None
    max_delta: float | None = None
    max_attack_advantage: float | None = None
    min_utility: float | None = None
    max_subgroup_gap: float | None = None
    scores: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    evidence: str = "interval"
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a policy and what became of it.

    Attributes:
        name: The line, such as ``max_epsilon`` or ``scores.tv_2way.max``.
        limit: What is allowed.
        found: What was judged; ``None`` where it was not measured.
        passed: Whether it holds.
        reason: One sentence.
    """

    name: str
    limit: float
    found: float | None
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All checks of a policy.

    Attributes:
        checks: In the policy's order.
        asked_before: Verdicts that the ledger recorded earlier.
    """

    checks: tuple[Check, ...]
    asked_before: int

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that do not hold."""
        return tuple(check.name for check in self.checks if not check.passed)

    def notes(self) -> tuple[str, ...]:
        """The verdict, what it is worth, and what voids it, for the report."""
        how = "passes the policy" if self.passed else f"fails the policy: {', '.join(self.failed)}"
        before = f"asked {self.asked_before} time(s) before" if self.asked_before else "asked for the first time"
        return (
            f"{'' if self.passed else 'Warning: '}The release {how}. Verdicts on releases in this ledger were {before}.",
            "The verdict is computed on private rows, so it is itself an output that no epsilon covers; it is recorded in the "
            "ledger that it was asked for. Fitting again until the gate opens voids the guarantee (arXiv:2312.05114).",
        )

    def table(self) -> pd.DataFrame:
        """One row per check."""
        return pd.DataFrame(
            {
                "Check": [check.name for check in self.checks],
                "Allowed": [check.limit for check in self.checks],
                "Found": [check.found for check in self.checks],
                "Passed": [check.passed for check in self.checks],
                "Reason": [check.reason for check in self.checks],
            }
        )


def template() -> str:
    """The policy that is shipped, to be edited."""
    return (Path(__file__).parent / "policy.toml").read_text(encoding="utf-8")


def read_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        InputError: The file cannot be read, checks nothing, or holds an unknown key or an impossible limit.
    """
    try:
        text = path.read_bytes()
        facts = tomllib.loads(text.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the policy {str(path)!r}: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name} is not valid TOML: {error}") from None
    scores = _score_limits(facts.pop("scores", {}), path.name)
    evidence = facts.pop("evidence", "interval")
    if evidence not in EVIDENCE:
        raise InputError(f"{path.name}: evidence must be one of {', '.join(EVIDENCE)}")
    for key, value in facts.items():
        if key not in LIMITS:
            raise InputError(f"{path.name}: unknown key {key!r}; known are {', '.join((*LIMITS, 'evidence', 'scores'))}")
        low, high = LIMITS[key]
        if not _is_number(value) or not low <= value <= high:
            raise InputError(f"{path.name}: {key} must be a number from {low:g} to {high:g}")
    if not facts and not scores:
        raise InputError(f"{path.name} checks nothing; see synth evaluate --policy-template")
    return Policy(**facts, scores=scores, evidence=evidence, digest=hashlib.sha256(text).hexdigest())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _score_limits(facts: Any, name: str) -> dict[str, tuple[float | None, float | None]]:
    if not isinstance(facts, dict):
        raise InputError(f"{name}: scores must be tables such as [scores.tv_2way]")
    found = {}
    for score, limits in facts.items():
        sound = isinstance(limits, dict) and limits and set(limits) <= {"min", "max"} and all(map(_is_number, limits.values()))
        if not sound:
            raise InputError(f"{name}: scores.{score} takes min and max, each a number")
        found[score] = (limits.get("min"), limits.get("max"))
    return found


def judge(scores: Sequence[Score], card: dict[str, Any] | None, policy: Policy, asked_before: int = 0) -> Verdict:
    """Check a policy against the scores of a report and the card of the release.

    Args:
        scores: Of the report.
        card: Release card; without it nothing is claimed and checks of epsilon and delta fail.
        policy: What must hold.
        asked_before: What the ledger recorded.
    """
    known = {score.name: score for score in scores}
    claim = claimed(card)
    checks = []
    for k, name in enumerate(("max_epsilon", "max_delta")):
        limit = getattr(policy, name)
        if limit is not None:
            checks.append(_check(name, limit, None if claim is None else claim[k], "max", "the release card claims none"))
    useful = next((known[name] for name in UTILITY if name in known), None)
    wide = policy.evidence == "interval"
    plans = (
        ("max_attack_advantage", known.get(ADVANTAGE), "max", "no attack was run: give a holdout"),
        ("min_utility", useful, "min", "no utility was measured: name a target"),
        ("max_subgroup_gap", known.get(GAP), "max", "no subgroup was measured: name one with --group"),
    )
    for name, score, side, gap in plans:
        limit = getattr(policy, name)
        if limit is not None:
            found = None if score is None else _judged(score, side, wide, scaled=name == "min_utility")
            checks.append(_check(name, limit, found, side, gap))
    for name, (least, most) in policy.scores.items():
        for side, limit in (("min", least), ("max", most)):
            if limit is not None:
                found = _judged(known[name], side, wide) if name in known else None
                checks.append(_check(f"scores.{name}.{side}", limit, found, side, "the report has no such score"))
    return Verdict(checks=tuple(checks), asked_before=asked_before)


def _judged(score: Score, side: str, wide: bool, *, scaled: bool = False) -> float | None:
    """The figure that a limit is held against: the worse end of the interval, where there is one and it is asked for."""
    end = score.high if side == "max" else score.low
    value = end if wide and end is not None else score.value
    if not scaled or value is None:
        return value
    if score.ceiling is None or score.floor is None or score.ceiling == score.floor:
        return None
    return (value - score.floor) / (score.ceiling - score.floor)


def _check(name: str, limit: float, found: float | None, side: str, gap: str) -> Check:
    if found is None:
        return Check(name=name, limit=limit, found=None, passed=False, reason=f"Not measured: {gap}.")
    passed = found <= limit if side == "max" else found >= limit
    how = "within the limit" if passed else "above the limit" if side == "max" else "below the limit"
    return Check(name=name, limit=limit, found=found, passed=passed, reason=f"It is {how}.")


def with_verdict(report: Report, verdict: Verdict) -> Report:
    """The report with the verdict's notes first and the table ``Release gate``."""
    return replace(
        report,
        notes=(*verdict.notes(), *report.notes),
        tables={TABLE: verdict.table(), **report.tables},
    )
