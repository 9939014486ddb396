"""Ledgers in memory for rows of our own making."""

from __future__ import annotations

from synth.errors import AccountingError
from synth.privacy.budget import Budget, RowCount, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.shares import measurement_mu

DELTA = 1e-5


def audit_ledger(epsilon: float, delta: float = DELTA, rows: int = 1000) -> Ledger:
    """A ledger whose row count is declared: at most half of ``1 / delta``, however many canaries there are."""
    ledger = Ledger(Budget(epsilon=epsilon, delta=delta))
    ledger.set_rows(declared_rows(min(rows, int(0.5 / delta))))
    return ledger


def rows_of(ledger: Ledger) -> RowCount:
    """The row count in force.

    Raises:
        AccountingError: It is not set yet.
    """
    if ledger.rows is None:
        raise AccountingError("the run has no row count")
    return ledger.rows


def share_for(ledger: Ledger, sigma: float) -> float:
    """The share of the budget that buys one table with noise ``sigma``."""
    return 1 / (sigma * measurement_mu(ledger)) ** 2
