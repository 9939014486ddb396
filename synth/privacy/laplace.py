"""Tables with Laplace noise: how large the noise is, and what is charged for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from synth.errors import AccountingError, RefusedError
from synth.privacy.accounting import COARSE, epsilon_of
from synth.privacy.events import Event, LaplaceEvent
from synth.privacy.geometric import MOST_SCALE

SCALE_GRID = 1e3  # the scale is rounded up to a thousandth: last bits of a float tell nothing


def laplace_tables(
    before: Sequence[Event],
    subsets: Sequence[tuple[str, ...]],
    *,
    epsilon: float,
    delta: float,
    scale: float | None = None,
) -> list[LaplaceEvent]:
    """One event per table, by default with the least noise that still fits.

    Args:
        before: What was charged already.
        subsets: Columns of each table. A unit moves each table by at most 1 in the L1 norm.
        epsilon: Granted.
        delta: That mechanisms are calibrated to.
        scale: Of the noise, where it is given; then the ledger says whether it fits.

    Raises:
        RefusedError: Nothing is left.
        AccountingError: No tables.
    """
    if not subsets:
        raise AccountingError("tables with Laplace noise are at least one")

    def events(scale: float) -> list[LaplaceEvent]:
        return [LaplaceEvent(what="table with Laplace noise", target=tuple(names), scale=scale) for names in subsets]

    def over(scale: float, interval: float | None = None) -> bool:
        spent = [*before, *events(scale)]
        return not (epsilon_of(spent, delta) if interval is None else epsilon_of(spent, delta, interval=interval)) <= epsilon

    if scale is not None:
        return events(scale)
    high = max(len(subsets) / epsilon, 1e-3)
    while over(high, COARSE):
        high *= 2
        if high > MOST_SCALE / 16:
            raise RefusedError("nothing is left of the budget for the tables of this model; raise epsilon")
    low = high / 1024  # as small as composition ever makes it
    while high / low > 1 + 1e-4:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if over(middle) else (low, middle)
    found = math.ceil(high * SCALE_GRID) / SCALE_GRID
    while over(found):
        found = math.ceil(found * 1.001 * SCALE_GRID + 1) / SCALE_GRID
    return events(found)
