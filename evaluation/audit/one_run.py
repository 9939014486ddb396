r"""Verdict (C): one run, many canaries that may depend on each other in any way.

Each canary is in the table by a fair coin of its own. The attacker guesses "in" for a preset number of them, the highest
scores. If the mechanism keeps its curve, too many correct guesses are unlikely, whatever the dependence.

References:
    Mahloujifar, Melis and Chaudhuri (2025), arXiv:2410.22235, ``audit_rh_with_cap`` for two classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from evaluation.audit.claims import Claim, Family
from evaluation.audit.verdicts import largest_contradicted

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def contradicts(correct: int, guesses: int, canaries: int, claim: Claim, significance: float) -> bool:
    """Whether so many correct guesses contradict the curve, wrongly with at most ``significance``.

    Args:
        correct: Guesses that were right.
        guesses: Made; the rest abstained.
        canaries: All of them.
        claim: The curve.
        significance: Chance of a false alarm.
    """
    right = significance * correct / canaries
    wrong = significance * (guesses - correct) / canaries
    for i in range(correct - 1, -1, -1):
        more = max(wrong, claim.at_least(right))
        if more == wrong:  # nothing changes from here on
            break
        right = min(1.0, right + i / (guesses - i) * (more - wrong))
        wrong = more
        if right + wrong > guesses / canaries:  # both only grow
            return True
    return right + wrong > guesses / canaries


def correct_guesses(scores: FloatArray, present: BoolArray, guesses: int) -> int:
    """How many of the ``guesses`` highest scores belong to canaries that were in the table."""
    return int(present[np.argsort(-scores, kind="stable")[:guesses]].sum())


def preset_guesses(canaries: int) -> int:
    """How many guesses to make: six times the root of their number. Fixed beforehand, so it needs no correction.

    By simulation at epsilon 1 and 5 fewer guesses give a slightly larger bound on average, and a far smaller one now and then.
    """
    return min(canaries, round(6 * math.sqrt(canaries)))


def one_run_bound(correct: int, guesses: int, canaries: int, family: Family, significance: float) -> tuple[float, float]:
    """The largest epsilon of the same mechanisms with other noise that the guesses contradict.

    Returns:
        Epsilon and the noise relative to the claim, as ``verdicts.family_bound``.
    """
    contradicted: Callable[[Claim], bool] = lambda claim: contradicts(correct, guesses, canaries, claim, significance)  # noqa: E731
    return largest_contradicted(family, contradicted)
