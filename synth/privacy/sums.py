"""What events add up to where addition is exact: squared Gaussian-DP parameters, and deltas of partition selection."""

from __future__ import annotations

import math
from collections.abc import Sequence

from synth.privacy.events import Event, GaussianEvent, PartitionSelectionEvent


def total_mu(events: Sequence[Event]) -> float:
    """Root of the sum of squared ``mu`` of all counts."""
    return math.sqrt(math.fsum(e.mu**2 for e in events if isinstance(e, GaussianEvent | PartitionSelectionEvent)))


def selection_delta(events: Sequence[Event]) -> float:
    """Sum of the deltas of all partition selections."""
    return sum(e.delta for e in events if isinstance(e, PartitionSelectionEvent))
