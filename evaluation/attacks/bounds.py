"""What a claimed (epsilon, delta) already implies: the most that any attack on one person can reach.

An (epsilon, delta)-private mechanism makes every test of "was this person in?" obey the trade-off function
``f(a) = max(0, 1 - delta - e^eps a, e^-eps (1 - delta - a))`` between false alarms ``a`` and misses ``f(a)``.

References:
    Wasserman and Zhou (2010), arXiv:0811.2501; Kairouz, Oh and Viswanath (2015), arXiv:1311.0776.
    Dong, Roth and Su (2022), arXiv:1905.02383, Proposition 2.5 (the trade-off function).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

FPRS = (0.001, 0.01, 0.1)
_LARGEST = 500.0  # exp of more overflows, and nothing is promised there


def dp_roc(epsilon: float, delta: float, fpr: FloatArray) -> FloatArray:
    """Largest true positive rate that (epsilon, delta) allows any attack at each false positive rate.

    Args:
        epsilon: For adding or removing one person, who is one row here. Strictly, targets from a table of fixed size
            are replaced rather than added, for which a larger epsilon can hold; the difference fades with many rows.
        delta: In [0, 1).
        fpr: Shape (k,), in [0, 1].

    Returns:
        Shape (k,): ``1 - f(fpr)`` = ``min(e^eps fpr + delta, 1 - e^-eps (1 - delta - fpr), 1)``.
    """
    steep = np.exp(min(epsilon, _LARGEST)) * fpr + delta
    flat = 1.0 - np.exp(-epsilon) * (1.0 - delta - fpr)
    return np.asarray(np.minimum(np.minimum(steep, flat), 1.0), dtype=np.float64)


def dp_auc(epsilon: float, delta: float) -> float:
    """Largest area under the ROC curve that (epsilon, delta) allows any attack (trapezoids on the exact corners)."""
    corner = (1.0 - delta) / (1.0 + np.exp(min(epsilon, _LARGEST)))
    grid = np.unique(np.array([0.0, corner, min(1.0, 1.0 - delta), 1.0]))
    return float(np.trapezoid(dp_roc(epsilon, delta, grid), grid))


def dp_advantage(epsilon: float, delta: float) -> float:
    """Largest advantage, true minus false positive rate: ``(e^eps - 1 + 2 delta) / (e^eps + 1)``."""
    decay = float(np.exp(-min(epsilon, _LARGEST)))
    return min(1.0, (1.0 - decay + 2.0 * delta * decay) / (1.0 + decay))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What a claim implies for every attack.

    Attributes:
        epsilon: Claimed, >= 0.
        delta: Claimed, in [0, 1).
        advantage: Largest true minus false positive rate.
        auc: Largest area under the ROC curve.
        tprs: Largest true positive rate at each of ``FPRS``.
    """

    epsilon: float
    delta: float
    advantage: float
    auc: float
    tprs: tuple[float, ...]


def bound_of(card: dict[str, Any] | None) -> Bound | None:
    """The bound of a release card's claim; ``None`` where it makes none."""
    claim = claimed(card)
    if claim is None:
        return None
    tprs = tuple(float(rate) for rate in dp_roc(*claim, np.array(FPRS)))
    return Bound(epsilon=claim[0], delta=claim[1], advantage=dp_advantage(*claim), auc=dp_auc(*claim), tprs=tprs)


def claimed(card: dict[str, Any] | None) -> tuple[float, float] | None:
    """The card's (epsilon, delta) where it holds both as usable numbers."""
    pair = [] if card is None else [card.get("epsilon"), card.get("delta")]
    if len(pair) != 2 or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in pair):
        return None
    epsilon, delta = float(pair[0]), float(pair[1])  # type: ignore[arg-type]
    return (epsilon, delta) if epsilon >= 0 and 0 <= delta < 1 else None
