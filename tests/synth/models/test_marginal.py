"""Tables of pairs, a mixture, raked samples: what it learns, how it degrades, and odd tables."""

import numpy as np
import pytest

from synth.models.base import Run
from synth.models.marginal import Marginal
from synth.models.measured import stage
from synth.models.measured.mixture import MixturePlan
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.vault import PrivateTable
from synth.progress import Silent
from synth.table import Domain


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    plan = MixturePlan(components=60, rank=6, steps=80)
    monkeypatch.setattr(MixturePlan, "for_budget", staticmethod(lambda signal: plan))
    monkeypatch.setattr(stage, "pool_size", lambda tables: 8192)
    monkeypatch.setattr(stage, "POOL", 8192)


def private(codes, domain, epsilon=5.0):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(max(len(codes), 1)))
    return PrivateTable(codes, domain, book.rows, book)


def uniform(sizes, n=1000, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, k, n) for k in sizes])


def domain(sizes, target=None, in_order=None):
    names = tuple(f"c{j}" for j in range(len(sizes)))
    in_order = (0,) * len(sizes) if in_order is None else in_order
    return Domain(names=names, sizes=sizes, target=target, in_order=in_order)


def drawn(fitted, dom, rows=8000, seed=1):
    return Marginal().sample(fitted, dom, rows, np.random.default_rng(seed)).codes


@pytest.mark.statistical
def test_a_pair_and_a_parity_with_the_target_are_learnt():
    """Observed 0.8 or more of either; independence gives 0.25 and 0.5."""
    codes = uniform((4, 4, 2, 2, 2), 4000)
    rng = np.random.default_rng(9)
    codes[:, 1] = np.where(rng.random(4000) < 0.9, codes[:, 0], codes[:, 1])
    codes[:, 4] = np.where(rng.random(4000) < 0.9, codes[:, 2] ^ codes[:, 3], codes[:, 4])
    dom = domain((4, 4, 2, 2, 2), "c4")
    data = private(codes, dom)
    fitted = Marginal().fit(data, Run())
    assert 4.999 < data.ledger.spent() <= 5.0
    rows = drawn(fitted, dom)
    assert np.mean(rows[:, 0] == rows[:, 1]) > 0.75
    assert np.mean(rows[:, 4] == rows[:, 2] ^ rows[:, 3]) > 0.75


def test_progress_shows_what_tables_cost_as_soon_as_they_are_measured():
    class Told(Silent):
        def __init__(self):
            self.facts = []

        def phase(self, name, total=None):
            self.facts.append(name)

        def spent(self, epsilon):
            self.facts.append(epsilon)

    told = Told()
    Marginal().fit(private(uniform((4, 4, 2), 2000), domain((4, 4, 2), "c2")), Run(progress=told))
    assert told.facts[told.facts.index("fitting the mixture") - 2] == pytest.approx(5.0, abs=1e-3)


def test_a_tiny_budget_leaves_independent_columns_and_a_note():
    dom = domain((4, 4, 2), "c2")
    data = private(uniform((4, 4, 2), 100), dom, epsilon=0.01)
    fitted = Marginal().fit(data, Run())
    assert "independent" in fitted.facts["notes"][0]
    assert 0.0099 < data.ledger.spent() <= 0.01
    assert drawn(fitted, dom, 50).shape == (50, 3)


ODD = {
    "one column": ((5,), None, None),
    "one column, a target": ((5,), "c0", (5,)),
    "two columns": ((5, 3), None, (5, 0)),
    "two columns, a target": ((5, 3), "c1", (5, 0)),
    "one-code columns": ((1, 4, 1, 3), "c2", (1, 4, 0, 0)),
    "nothing but one-code columns": ((1, 1, 1), None, (0, 1, 0)),
    "no target": ((4, 3, 5), None, (4, 0, 0)),
    "a target of many classes": ((4, 3, 40), "c2", (4, 0, 0)),
    "an ordered target": ((4, 3, 60), "c2", (4, 0, 59)),
    "300 categories": ((300, 4, 2), "c2", (0, 4, 0)),
    "300 bins and missing": ((301, 4, 2), "c2", (300, 3, 0)),
    "no order stated": ((6, 5, 2), "c2", ()),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_tables_work(case):
    sizes, target, in_order = ODD[case]
    dom = domain(sizes, target, in_order)
    data = private(uniform(sizes, 500), dom)
    fitted = Marginal().fit(data, Run())
    assert data.ledger.spent() <= 5.0
    for rows in (0, 1, 100):
        codes = drawn(fitted, dom, rows)
        assert codes.shape == (rows, len(sizes))
        assert (codes >= 0).all()
        assert (codes < sizes).all()


def test_sampling_needs_tensors_and_plain_facts_only():
    dom = domain((4, 4, 2), "c2")
    fitted = Marginal().fit(private(uniform((4, 4, 2)), dom), Run())
    assert all(isinstance(v, np.ndarray) for v in fitted.tensors.values())
    assert set(fitted.facts) == {"draws_per_row", "notes", "in_order"}
    again = drawn(fitted, dom, 200)
    assert np.array_equal(again, drawn(fitted, dom, 200))
    assert not np.array_equal(again, drawn(fitted, dom, 200, seed=2))
