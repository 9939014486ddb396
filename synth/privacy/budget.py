"""What the owner grants, and how the row count (paid for, unless declared public) steers delta and calibration.

Why rungs. Noise levels, sample rate and steps of later mechanisms depend on the row count, so they would depend on a
noisy answer. Adaptive choices may break a fixed-parameter composition theorem, so the noisy count is first rounded to a
*rung* of a public ladder whose gaps exceed sixteen standard deviations of the count's noise. Up to a chance below 1e-13
at most two neighbouring rungs can occur for a table and its neighbour. Later parameters are fixed functions of the rung,
so delta(total) <= sum over the two rungs of the delta of the fixed composition run on that rung. Each is calibrated to
half of a delta the user chose. Where delta itself comes from the rung (it falls by less than 2.4 from one rung to the
next), each is calibrated to a quarter, and (1 + 2.4) / 4 < 1 makes the printed delta valid on either rung.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from synth.errors import InputError, RefusedError

NUMERICAL_SLACK = 1e-13  # covers the samplers' 2^-64 words, tails of the ladder argument; subtracted from delta
REFERENCE_DELTA = 1e-6  # scales the row count's noise while delta is still unknown
LARGEST_DEFAULT_DELTA = 1e-5
LADDER_GAP = 16.0  # in standard deviations of the count
LADDER_RATIO = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the user grants, for add-or-remove-one-row neighbours.

    Attributes:
        epsilon: Finite, > 0.
        delta: In (0, 1), well below 1 / rows; ``None`` derives it from the row count.
    """

    epsilon: float
    delta: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon > 0):
            raise InputError(f"epsilon must be a finite number above 0, not {self.epsilon}; 1 is a common choice")
        if self.epsilon > 100:
            raise InputError(f"epsilon = {self.epsilon} promises nothing; choose at most 100, commonly 1")
        if self.delta is not None and not 1e-12 <= self.delta < 0.01:
            raise InputError(f"delta must lie between 1e-12 and 0.01 and well below 1 / rows, not {self.delta}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCount:
    """How many rows there are, as far as it may be known.

    Attributes:
        estimate: Declared or noisy count, at least 1; for scales and messages, never for noise or sampling rates.
        rung: Rows that noise levels, sampling rates and step counts may depend on.
        highest: Upper end of the rung.
        public: Whether the owner declared it.
    """

    estimate: int
    rung: int
    highest: int
    public: bool


def declared_rows(rows: int) -> RowCount:
    """A row count the owner declared public."""
    return RowCount(estimate=rows, rung=rows, highest=rows, public=True)


def counted_rows(noisy: int, sigma: float) -> RowCount:
    """Round a noisy row count to the public ladder.

    Args:
        noisy: Released count.
        sigma: Standard deviation of its noise.
    """
    gap = LADDER_GAP * sigma + 2  # the two neighbours' counts differ by one, and counts are whole
    low, high = 0.0, gap
    while noisy >= high:
        low, high = high, max(high + gap, LADDER_RATIO * high)
    middle = (low + high) / 2
    return RowCount(estimate=max(noisy, 1), rung=max(round(middle), 1), highest=math.ceil(high), public=False)


def default_delta(rows: RowCount) -> float:
    """``1 / (10 n^1.1)`` of the rung's upper end, to two digits, at most 1e-5.

    Raises:
        RefusedError: Of so many rows that nothing would be left of it beside ``NUMERICAL_SLACK``.
    """
    found = float(f"{min(LARGEST_DEFAULT_DELTA, 0.1 / rows.highest**1.1):.1e}")
    if found < 2 * NUMERICAL_SLACK:
        raise RefusedError("the default delta of so many rows is too small to compute with; see whether their number is right")
    return found


def calibration_delta(delta: float, rows: RowCount, *, chosen: bool) -> float:
    """The delta that mechanisms are calibrated to, so that the promised one holds over all rungs.

    Args:
        delta: Promised.
        rows: Row count in force.
        chosen: Whether the user chose ``delta`` (rather than deriving it from a rung).
    """
    share = 1.0 if rows.public else (0.5 if chosen else 0.25)
    return (delta - NUMERICAL_SLACK) * share


def room_for(rows: RowCount, rate: float, cap: int) -> int:
    """Places that hold a sample of one site's rows, but for a chance below 1e-16. Public.

    A site's units are at most the upper end of the rung and one gap of the ladder more (``Sites.committed``).

    Args:
        rows: Of all sites.
        rate: Of sampling.
        cap: Most rows of a unit.
    """
    expected = rate * (3 * rows.highest - 2 * rows.rung + 2)
    return cap * math.ceil(expected + 9 * math.sqrt(expected) + 40)
