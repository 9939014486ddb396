"""How far tables of the rows are from public guesses, as one noisy number: what tries are judged by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError
from synth.privacy.choice import Guess, check_guesses
from synth.privacy.events import GaussianEvent
from synth.privacy.exact import GAP_GRID, exact_gap
from synth.privacy.mechanisms import noisy_counts
from synth.privacy.randomness import Entropy, Several
from synth.privacy.units import PrivacyUnits
from synth.privacy.vault import PrivateTable

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def distance_event(weights: Sequence[float], sigma: float) -> GaussianEvent:
    """The charge: a unit moves each distance by 1 at most, and their sum, rounded to a grid, by a step of the grid more."""
    return GaussianEvent(what="distance of tables", sigma=sigma, l2_sensitivity=math.fsum(weights) + 1 / GAP_GRID)


def exact_distance(tables: Sequence[IntArray], guesses: Sequence[Guess], weights: Sequence[float], scale: int) -> IntArray:
    """Weighted sum of L1 distances in ``1 / GAP_GRID``, shape (1,).

    Args:
        tables: Exact counts, in ``1 / scale``.
        guesses: Columns and public counts of each.
        weights: Of each.
        scale: What a unit counts at most.
    """
    gaps = (Fraction(w) * exact_gap(t, guess, scale) for w, t, (_, guess) in zip(weights, tables, guesses, strict=True))
    return np.array([round(sum(gaps, Fraction(0)) * GAP_GRID)], dtype=np.int64)


def noisy_distance(table: PrivateTable, guesses: Sequence[Guess], *, weights: Sequence[float], sigma: float) -> float:
    """The weighted sum of the L1 distances between tables of the rows and guesses, in rows.

    Args:
        table: The rows.
        guesses: Columns and public counts of shape ``sizes[columns]``, one per table.
        weights: Public, > 0.
        sigma: Standard deviation of the noise, in rows.

    Raises:
        AccountingError: Shapes do not match, or the rows are those of several processes, none of which knows a distance.
        RefusedError: The ledger does not grant it.
    """
    check_guesses(guesses, weights, [0.0] * len(guesses), table.domain)

    def noise(tables: list[IntArray], units: PrivacyUnits, entropy: Entropy) -> list[FloatArray]:
        if isinstance(entropy, Several):
            raise AccountingError("distances are asked about in one process")
        exact_sum = exact_distance(tables, guesses, weights, units.scale)
        return [noisy_counts(exact_sum, sigma=sigma * GAP_GRID, entropy=entropy) / GAP_GRID]

    about = [(names, guess.tobytes()) for names, guess in guesses]
    (found,) = table.ask_tables([names for names, _ in guesses], [distance_event(weights, sigma)], noise, about)
    return float(found[0])
