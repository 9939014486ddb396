"""From the records of a sweep to curves over epsilon, and the knee: where more epsilon stops paying.

References:
    Satopaa, Albrecht, Irwin and Raghavan (2011), ICDCS Workshops (Kneedle: the point farthest above the chord).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]

UTILITY = ("tstr_auc", "tstr_r2")
FIDELITY, RISK = "tv_2way", "attack_advantage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One score over epsilon.

    Attributes:
        name: Of the score.
        epsilons: Shape (k,), increasing.
        values: Means over seeds, shape (k,).
        reach: Half widths of 95 % intervals: over seeds where there are several, else over rows; NaN where neither is known.
        ceiling: What fresh real rows score.
        floor: What a trivial table scores.
        baseline: What the generator without noise scores. NOT PRIVATE.
    """

    name: str
    epsilons: FloatArray
    values: FloatArray
    reach: FloatArray
    ceiling: float | None
    floor: float | None
    baseline: float | None

    def shares(self) -> FloatArray:
        """Share of the way from floor to ceiling, shape (k,); NaN where the ends are unknown."""
        if self.ceiling is None or self.floor is None or self.ceiling == self.floor:
            return np.full(len(self.values), np.nan)
        return (self.values - self.floor) / (self.ceiling - self.floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    """Where the curve bends, in words.

    Attributes:
        epsilon: Of the knee; ``None`` where there is none.
        sentence: What was found.
    """

    epsilon: float | None
    sentence: str


def curve_of(records: list[dict[str, Any]], name: str) -> Curve | None:
    """The curve of a score; ``None`` where no fit has it."""
    having = [r for r in records if r["epsilon"] is not None and _value(r, name) is not None]
    if not having:
        return None
    epsilons = sorted({r["epsilon"] for r in having})
    groups = [[r["scores"][name] for r in having if r["epsilon"] == epsilon] for epsilon in epsilons]
    bare = next((r for r in records if r["epsilon"] is None), None)
    first = groups[0][0]
    return Curve(
        name=name,
        epsilons=np.array(epsilons),
        values=np.array([np.mean([s["value"] for s in group]) for group in groups]),
        reach=np.array([_reach(group) for group in groups]),
        ceiling=first.get("ceiling"),
        floor=first.get("floor"),
        baseline=None if bare is None else _value(bare, name),
    )


def leading(records: list[dict[str, Any]]) -> str:
    """The score whose knee is named: utility where something is predicted, else the distance of pairs."""
    known = {name for r in records for name in r["scores"]}
    return next((name for name in UTILITY if name in known), FIDELITY)


def knee_of(curve: Curve) -> Knee:
    """The point farthest above the chord of share against log epsilon, where the curve rises by more than its noise.

    Args:
        curve: At least three epsilons.
    """
    shares = curve.shares()
    if len(shares) < 3 or not np.isfinite(shares).all():
        return Knee(epsilon=None, sentence="No knee is named: that takes three epsilons with a score, a ceiling and a floor.")
    scale = abs(float(curve.ceiling or 0) - float(curve.floor or 0))
    noise = float(np.nan_to_num(curve.reach).max()) / scale
    rise = float(shares.max() - shares[0])
    if rise <= noise or rise < 0.02:
        return Knee(
            epsilon=None,
            sentence="No knee is named: over these epsilons the score changes by no more than its interval; "
            "the smallest epsilon is as good.",
        )
    x = np.log(curve.epsilons)
    x, y = (x - x[0]) / (x[-1] - x[0]), (shares - shares.min()) / (shares.max() - shares.min())
    above = y - x
    best = int(np.argmax(above))
    if above[best] < 0.05:
        return Knee(
            epsilon=None,
            sentence="No knee is named: the score rises evenly with the logarithm of epsilon; every step pays about as much.",
        )
    at = float(curve.epsilons[best])
    return Knee(
        epsilon=at,
        sentence=f"The knee is at epsilon {at:g}: {shares[best]:.0%} of the way from floor to ceiling; the largest, "
        f"epsilon {curve.epsilons[-1]:g}, reaches {shares[-1]:.0%}.",
    )


def _value(record: dict[str, Any], name: str) -> float | None:
    value = record["scores"].get(name, {}).get("value")
    return None if value is None else float(value)


def _reach(group: list[dict[str, Any]]) -> float:
    if len(group) > 1:
        values = np.array([s["value"] for s in group])
        return float(stats.t.ppf(0.975, len(group) - 1) * values.std(ddof=1) / math.sqrt(len(group)))
    low, high = group[0].get("low"), group[0].get("high")
    return float("nan") if low is None or high is None else (high - low) / 2
