import pytest

from evaluation.audit.ledgers import DELTA, audit_ledger, rows_of
from synth.errors import AccountingError
from synth.privacy.budget import Budget
from synth.privacy.ledger import Ledger


def test_many_canaries_do_not_make_delta_too_large():
    ledger = audit_ledger(1.0, rows=10**6)
    assert rows_of(ledger).estimate * DELTA < 1
    assert ledger.events == ()


def test_a_run_without_a_row_count_is_refused():
    with pytest.raises(AccountingError, match="no row count"):
        rows_of(Ledger(Budget(epsilon=1.0)))
