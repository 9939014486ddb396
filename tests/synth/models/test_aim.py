"""AIM: the workload, its limits, the whole budget."""

import numpy as np
import pytest

from synth.models.aim import AIM, _fits, _workload
from synth.models.base import Run
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
def test_it_finds_the_strongest_pair_and_spends_everything():
    data = private()
    model = AIM(rounds=6, iterations=200)
    fitted = model.fit(data, Run())
    tables = [e for e in events(data, GaussianEvent) if e.what == "table"]
    assert ("a", "b") in [e.target for e in tables]
    assert 1 <= len(events(data, SelectionEvent)) <= 6
    assert 3.999 < data.ledger.spent() <= 4.0
    codes = model.sample(fitted, DOMAIN, 20_000, np.random.default_rng(0)).codes
    assert np.mean(codes[:, 0] == codes[:, 1]) == pytest.approx(0.925, abs=0.02)


def test_each_round_spends_a_tenth_on_its_choice():
    data = private()
    AIM(rounds=2, iterations=50, degree=3).fit(data, Run())
    choices = events(data, SelectionEvent)
    tables = events(data, GaussianEvent)[len(DOMAIN.names) :]
    assert len(choices) == len(tables) <= 2
    for choice, table in zip(choices, tables, strict=True):
        assert choice.rho / (choice.rho + table.mu**2 / 2) == pytest.approx(0.1)


def test_without_pairs_everything_goes_into_one_way_tables():
    data = private(domain=Domain(names=("a", "b"), sizes=(5, 1)))
    AIM(iterations=50).fit(data, Run())
    assert all(e.what.endswith("(not needed)") for e in events(data, SelectionEvent))
    assert 0.01 > 4.0 - renyi_epsilon(data.ledger.events, data.ledger.working_delta) >= 0


def test_a_small_model_holds_small_tables_only():
    data = private()
    cells = sum(DOMAIN.sizes)
    fitted = AIM(rounds=3, iterations=50, max_megabytes=cells * 8 / 2**20).fit(data, Run())
    assert all(len(b) == 1 for b in fitted.facts["buckets"])
    assert all(len(e.target) <= 1 for e in events(data, GaussianEvent))
    assert 3.999 < data.ledger.spent() <= 4.0


def test_the_workload_weighs_tables_by_what_they_share_with_it():
    found = _workload([0, 2, 5], 2)
    assert found == {(0,): 0.5, (2,): 0.5, (5,): 0.5, (0, 2): 1.0, (0, 5): 1.0, (2, 5): 1.0}
    assert len(_workload([0, 1, 2, 3], 3)) == 4 + 6 + 4


def test_what_the_model_holds_always_fits():
    assert _fits((0,), [(0, 1)], (9, 9, 9), 0.0)
    assert not _fits((1, 2), [(0, 1)], (9, 9, 9), 0.0)
    assert _fits((1, 2), [(0, 1)], (9, 9, 9), 1.0)
