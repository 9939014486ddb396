"""The receipt adds up, survives JSON, and is not written for a run that does not hold."""

import json

import pytest

from synth.errors import AccountingError
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import NUMERICAL_SLACK, Budget
from synth.privacy.events import GaussianEvent, PartitionSelectionEvent, SubsampledGaussianEvent, event_from_dict
from synth.privacy.ledger import Ledger
from synth.receipt import Receipt, write_receipt

EVENTS = (
    GaussianEvent(what="table", target=("a",), sigma=30.0),
    PartitionSelectionEvent(what="domain", target=("a",), sigma=30.0, threshold=200, delta=1e-9),
    SubsampledGaussianEvent(what="DP-SGD", noise_multiplier=3.0, sample_rate=0.01, steps=20),
)


@pytest.fixture
def receipt(ledger):
    for event in EVENTS:
        ledger.charge(event)
    return write_receipt(ledger, model="m", learnt={"a": ["kind"]})


def test_the_events_on_the_receipt_give_its_epsilon(receipt):
    events = [event_from_dict({k: v for k, v in e.items() if k != "share_of_counts"}) for e in receipt.events]
    assert tuple(events) == EVENTS
    assert receipt.epsilon_spent == epsilon_of(events, receipt.delta - NUMERICAL_SLACK) <= receipt.epsilon == 10.0
    assert [e.get("share_of_counts", 1.0) for e in receipt.events] == pytest.approx([0.5, 0.5, 1.0])
    assert receipt.epsilon_spent < receipt.replace_one_epsilon < 2.5 * receipt.epsilon_spent
    assert receipt.epsilon_spent < receipt.group_epsilon["2"] < receipt.group_epsilon["5"]
    assert receipt.accountants["pld"] == receipt.epsilon_spent
    assert (receipt.rows, receipt.rows_public, receipt.model) == (1000, True, "m")


def test_round_trip(receipt):
    assert Receipt.from_dict(json.loads(json.dumps(receipt.to_dict()))) == receipt


@pytest.mark.parametrize("harm", [{"epsilon": "1"}, {"delta": True}, {"rows": 1.5}, {"events": {}}, {"more": 1}])
def test_damaged_receipts_are_refused(receipt, harm):
    with pytest.raises((TypeError, ValueError)):
        Receipt.from_dict(receipt.to_dict() | harm)


def test_no_receipt_without_a_row_count():
    with pytest.raises(AccountingError, match="no row count"):
        write_receipt(Ledger(Budget(epsilon=1.0)), model="m", learnt={})


def test_no_receipt_for_an_overdrawn_run(ledger):
    ledger._events.append(GaussianEvent(what="x", sigma=0.1))
    with pytest.raises(AccountingError, match="exceed the budget"):
        write_receipt(ledger, model="m", learnt={})


def test_figures_that_do_not_exist_are_left_out(ledger):
    ledger.charge(PartitionSelectionEvent(what="domain", target=("a",), sigma=30.0, threshold=170, delta=4e-7))
    found = write_receipt(ledger, model="m", learnt={})
    assert found.group_epsilon == {"2": found.group_epsilon["2"], "5": None}
    assert found.versions["python"]
