"""How much Laplace noise a budget buys, and the door that draws it."""

import math

import numpy as np
import pytest

from synth.errors import AccountingError, RefusedError
from synth.privacy import laplace
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.chain import read_ledger
from synth.privacy.events import GaussianEvent, LaplaceEvent
from synth.privacy.geometric import geometric_std
from synth.privacy.laplace import laplace_tables
from synth.privacy.ledger import Ledger
from synth.privacy.units import PrivacyUnits
from synth.privacy.vault import PrivateTable
from synth.table import Domain

COUNT = GaussianEvent(what="count", sigma=40.0)
CODES = np.array([[0, 1], [2, 1], [2, 0], [1, 0]], dtype=np.uint16)
DOMAIN = Domain(names=("a", "b"), sizes=(3, 2))


@pytest.mark.parametrize("tables", [1, 3, 20])
def test_the_noise_is_the_least_that_fits(tables):
    events = laplace_tables([COUNT], [("a",)] * tables, epsilon=1.0, delta=1e-5)
    assert epsilon_of([COUNT, *events], 1e-5) <= 1.0
    less = [LaplaceEvent(what="x", scale=e.scale * 0.99 - 2e-3) for e in events]
    assert epsilon_of([COUNT, *less], 1e-5) > 1.0


def test_many_tables_cost_less_than_the_sum_of_their_epsilons():
    events = laplace_tables([], [("a",)] * 40, epsilon=1.0, delta=1e-5)
    assert sum(e.epsilon for e in events) > 1.5


def test_the_scale_is_raised_until_the_fine_grid_agrees(monkeypatch):
    found = laplace_tables([], [("a",)], epsilon=1.0, delta=1e-5)[0].scale
    real, calls = laplace.epsilon_of, []

    def late(events, delta, **options):
        calls.append(1)
        return real(events, delta, **options) + (0.01 if len(calls) > 17 and events[-1].scale < found * 1.005 else 0)

    monkeypatch.setattr(laplace, "epsilon_of", late)
    assert laplace_tables([], [("a",)], epsilon=1.0, delta=1e-5)[0].scale >= found


def test_nothing_left_and_nothing_asked_are_refused():
    with pytest.raises(RefusedError, match="nothing is left"):
        laplace_tables([GaussianEvent(what="all", sigma=1.0)], [("a",)], epsilon=1.0, delta=1e-5)
    with pytest.raises(AccountingError, match="at least one"):
        laplace_tables([], [], epsilon=1.0, delta=1e-5)


def test_tables_are_charged_before_they_are_drawn(tmp_path, keystream, script):
    path, stream, seen = tmp_path / "l", keystream(6), []
    book = Ledger(Budget(epsilon=1.0, delta=1e-6), path)
    book.set_rows(declared_rows(1000))

    def entropy(n):
        seen.append(sum(r["record"] == "event" for r in read_ledger(path)))
        return stream(n)

    found = PrivateTable(CODES, DOMAIN, declared_rows(1000), book, (), entropy).noisy_laplace_tables([("a",), ("b",)])
    assert set(seen) == {2}
    assert [m.counts.shape for m in found] == [(3,), (2,)]
    assert float(found[0].sigma) == geometric_std(book.events[0].scale)
    assert 0.99 < book.spent() <= 1.0
    with pytest.raises(RefusedError):
        PrivateTable(CODES, DOMAIN, declared_rows(1000), book, (), script()).noisy_laplace_tables([("a",)])
    with pytest.raises(RefusedError):
        PrivateTable(CODES, DOMAIN, declared_rows(1000), book, (), script()).noisy_laplace_tables([("a",)], scale=1.0)


@pytest.mark.parametrize("owner", [None, [0, 0, 1, 1]])
def test_one_unit_more_moves_a_table_by_one_in_all(owner, keystream):
    """The same noise on both tables: their difference is that of the exact answers, at most 1 in the L1 norm."""
    found = []
    for keep in (slice(None), slice(0, 2) if owner else slice(0, 3)):
        codes = CODES[keep]
        units = PrivacyUnits(len(codes), np.array(owner)[keep], cap=3) if owner else None
        book = Ledger(Budget(epsilon=1.0, delta=1e-6))
        table = PrivateTable(codes, DOMAIN, declared_rows(1000), book, (), keystream(7), units)
        found.append(table.noisy_laplace_tables([("a", "b")], scale=3.0)[0].counts)
    assert math.isclose(np.abs(found[0] - found[1]).sum(), 1)
