"""MST: thirds of the budget, a tree, the strongest pair."""

import sys

import numpy as np
import pytest

from synth.models.base import Run
from synth.models.mst import MST
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.events import GaussianEvent, SelectionEvent
from synth.privacy.ledger import Ledger
from synth.privacy.renyi import renyi_epsilon
from synth.privacy.vault import PrivateTable
from synth.table import Domain

DOMAIN = Domain(names=("a", "b", "c", "d"), sizes=(4, 4, 2, 3))


def private(n=6000, domain=DOMAIN, epsilon=4.0):
    """The second column repeats the first in nine rows of ten; the others are on their own, uniform."""
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, size, n) for size in domain.sizes])
    if domain.sizes[:2] == (4, 4):
        codes[:, 1] = np.where(rng.random(n) < 0.9, codes[:, 0], codes[:, 1])
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(n))
    return PrivateTable(codes, domain, book.rows, book)


def events(data, kind):
    return [e for e in data.ledger.events if isinstance(e, kind)]


@pytest.mark.statistical
def test_it_measures_a_tree_with_the_strongest_pair(monkeypatch):
    """The pair's gap is thousands of rows, and the chance to miss it below 1e-50."""
    data = private()
    fitted = MST(iterations=200).fit(data, Run())
    choices, tables = events(data, SelectionEvent), events(data, GaussianEvent)
    pairs = [e.target for e in tables if len(e.target) == 2]
    assert len(choices) == len(pairs) == 3
    assert ("a", "b") in pairs
    assert len({name for pair in pairs for name in pair}) == 4
    thirds = [sum(e.rho for e in choices), *(sum(e.mu**2 / 2 for e in tables if len(e.target) == k) for k in (1, 2))]
    assert thirds == pytest.approx([thirds[0]] * 3)
    assert 3.999 < data.ledger.spent() <= 4.0
    for module in ("mbi", "jax"):
        monkeypatch.setitem(sys.modules, module, None)  # drawing rows needs neither
    codes = MST().sample(fitted, DOMAIN, 20_000, np.random.default_rng(0)).codes
    assert np.mean(codes[:, 0] == codes[:, 1]) == pytest.approx(0.925, abs=0.02)


def test_without_pairs_everything_goes_into_one_way_tables():
    data = private(domain=Domain(names=("a", "b"), sizes=(5, 1)))
    fitted = MST(iterations=50).fit(data, Run())
    assert all(e.what.endswith("(not needed)") for e in events(data, SelectionEvent))
    assert 0.01 > 4.0 - renyi_epsilon(data.ledger.events, data.ledger.working_delta) >= 0
    assert fitted.facts == {"buckets": [[1], [0]]}
