import numpy as np

from synth.privacy.budget import Budget, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.shares import Measurement
from synth.privacy.vault import PrivateTable
from synth.privacy.views import behind, with_columns
from synth.table import Domain, EncodedTable


def test_rows_behind_another_ledger_are_charged_there(keystream):
    domain = Domain(names=("a",), sizes=(2,))
    books = [Ledger(Budget(epsilon=100.0, delta=1e-3)) for _ in range(2)]
    for book in books:
        book.set_rows(declared_rows(3))
    known = (Measurement(names=("a",), counts=np.zeros(2), sigma=np.ones(2)),)
    table = PrivateTable(np.array([[0], [1], [1]]), domain, declared_rows(3), books[0], known, keystream(1))
    table.public, table.merged = EncodedTable(domain, np.zeros((1, 1), dtype=np.int32)), "m"
    other = behind(table, books[1])
    (found,) = other.noisy_marginals([("a",)], share=0.9)
    assert np.abs(found.counts - [1, 2]).max() <= 1
    assert (books[0].events, len(books[1].events)) == ((), 1)
    assert (other.public, other.merged, other.measured) == (table.public, "m", known)
    assert with_columns(table, ["a"]).ledger is books[0]
