"""Shares of the budget: what part of the squared Gaussian-DP parameter a question may use, and the noise that it buys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError, RefusedError
from synth.privacy.accounting import gaussian_mu
from synth.privacy.events import BURNT_TRAINING, GaussianEvent, SelectionEvent
from synth.privacy.ledger import Ledger

FloatArray = npt.NDArray[np.float64]

SELECTION_SHARE = 0.05  # of the working delta, for partition selection


def measurement_mu(ledger: Ledger) -> float:
    """The whole budget as a Gaussian-DP ``mu``; shares of its square are what phases get."""
    return ledger.part * gaussian_mu(ledger.budget.epsilon, ledger.working_delta * (1 - SELECTION_SHARE))


def sigma_for(ledger: Ledger, share: float, queries: int = 1) -> float:
    """Noise for ``queries`` counts of sensitivity 1 that together cost ``share`` of the Gaussian budget."""
    return math.sqrt(queries / share) / measurement_mu(ledger)


def split_sigmas(ledger: Ledger, share: float, tables: int, weights: Sequence[float] | None) -> list[float]:
    """Noise of tables of sensitivity 1 that together cost ``share``, by positive weights; evenly by default."""
    parts = np.ones(tables) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(parts) or len(parts) != tables or not bool(((parts > 0) & np.isfinite(parts)).all()):
        raise AccountingError("tables need one finite weight above 0 each")
    return [sigma_for(ledger, share * float(part)) for part in parts / parts.sum()]


def rest_share(ledger: Ledger) -> float:
    """Share of the Gaussian budget that is left.

    Raises:
        RefusedError: Nothing is.
    """
    spent = math.fsum(e.mu**2 for e in ledger.events if not hasattr(e, "steps"))
    deltas = math.fsum(getattr(e, "delta", 0.0) for e in ledger.events)
    whole = gaussian_mu(ledger.budget.epsilon, ledger.working_delta - deltas)
    left = whole**2 * (1 - 1e-9) - spent
    if left <= 0:
        raise RefusedError("nothing is left of the budget for the tables of this model; raise epsilon")
    return left / measurement_mu(ledger) ** 2


def burn_training(ledger: Ledger) -> None:
    """Charge all that is left for nothing, so that figures on the card do not depend on which way noisy answers led."""
    ledger.announce(GaussianEvent(what=BURNT_TRAINING, sigma=sigma_for(ledger, rest_share(ledger))))


def burn(ledger: Ledger, what: str, share: float) -> None:
    """Charge a share for nothing: for an answer that noisy answers made pointless, so that what is left is the same."""
    ledger.announce(GaussianEvent(what=f"{what} (not needed)", sigma=sigma_for(ledger, share)))


def burn_choice(ledger: Ledger) -> None:
    """Charge a choice that takes place on another path, for next to nothing: the run is composed as it would be there."""
    ledger.announce(SelectionEvent(what="choice of a table (not needed)", epsilon=1e-6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A noisy contingency table. Public.

    Attributes:
        names: Columns.
        counts: Noisy counts, shape of the columns' sizes.
        sigma: Standard deviation of each cell (a scalar array or the shape of ``counts``).
    """

    names: tuple[str, ...]
    counts: FloatArray
    sigma: FloatArray
