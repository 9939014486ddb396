"""Tables, votes and a student: what it learns, what it asks, what it releases, and odd tables."""

import numpy as np
import pytest
import torch

from synth.errors import InputError
from synth.models import pate
from synth.models.base import Run
from synth.models.given import FREE, Given
from synth.models.measured import stage
from synth.models.measured.mixture import Mixture, MixturePlan
from synth.models.pate import NO_COLUMN, STAND_IN, Pate, Student, voted_column
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.events import GaussianEvent
from synth.privacy.ledger import Ledger
from synth.privacy.vault import PrivateTable
from synth.table import Domain


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    plan = MixturePlan(components=60, rank=6, steps=80)
    monkeypatch.setattr(MixturePlan, "for_budget", staticmethod(lambda signal: plan))
    monkeypatch.setattr(stage, "pool_size", lambda tables: 8192)
    monkeypatch.setattr(stage, "POOL", 8192)
    monkeypatch.setattr(pate, "ROWS", 4096)


def private(codes, domain, epsilon=5.0):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(max(len(codes), 1)))
    return PrivateTable(codes, domain, book.rows, book)


def uniform(sizes, n=1000, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, k, n) for k in sizes])


def domain(sizes, target=None, in_order=None):
    names = tuple(f"c{j}" for j in range(len(sizes)))
    return Domain(names=names, sizes=sizes, target=target, in_order=(0,) * len(sizes) if in_order is None else in_order)


def drawn(fitted, dom, rows=8000, seed=1):
    return Pate().sample(fitted, dom, rows, np.random.default_rng(seed)).codes


@pytest.mark.statistical
def test_a_pair_and_the_target_are_learnt():
    """Observed .9; independence gives .25 and .5."""
    codes, rng = uniform((4, 4, 2, 2), 4000), np.random.default_rng(9)
    codes[:, 1] = np.where(rng.random(4000) < 0.9, codes[:, 0], codes[:, 1])
    codes[:, 3] = np.where(rng.random(4000) < 0.9, codes[:, 2] ^ (codes[:, 0] > 1), codes[:, 3])
    dom = domain((4, 4, 2, 2), "c3")
    data = private(codes, dom)
    fitted = Pate().fit(data, Run())
    assert 4.999 < data.ledger.spent() <= 5.0
    rows = drawn(fitted, dom)
    assert np.mean(rows[:, 0] == rows[:, 1]) > 0.75
    assert np.mean(rows[:, 3] == (rows[:, 2] ^ (rows[:, 0] > 1))) > 0.75


def test_votes_are_one_event_that_takes_what_tables_leave():
    data = private(uniform((4, 4, 2), 2000), domain((4, 4, 2), "c2"))
    Pate().fit(data, Run())
    *_, last = data.ledger.events
    assert isinstance(last, GaussianEvent)
    assert (last.what, last.target) == ("votes of teachers", ("c2",))
    assert last.mu**2 > 0.3 * sum(e.mu**2 for e in data.ledger.events)


def test_more_tables_leave_less_for_votes():
    mus = []
    for share in (0.2, 0.6):
        data = private(uniform((4, 4, 2), 2000), domain((4, 4, 2), "c2"))
        Pate(table_share=share).fit(data, Run())
        mus.append(data.ledger.events[-1].mu)
    assert mus[0] > mus[1]
    with pytest.raises(InputError, match="table_share"):
        Pate(table_share=0.9)


def test_a_tiny_budget_leaves_independent_columns_and_a_note():
    dom = domain((4, 4, 2), "c2")
    data = private(uniform((4, 4, 2), 100), dom, epsilon=0.01)
    fitted = Pate().fit(data, Run())
    assert "independent" in fitted.facts["notes"][0]
    assert 0.0099 < data.ledger.spent() <= 0.01
    assert drawn(fitted, dom, 50).shape == (50, 3)
    where = Pate().sample_where(fitted, dom, [FREE, FREE, Given(likelihood=np.array([0.0, 1.0]))], 50, np.random.default_rng(0))
    assert where.codes.shape == (50, 3)


def test_without_a_target_the_last_column_stands_in_and_the_release_says_so():
    dom = domain((4, 3, 5))
    data = private(uniform((4, 3, 5)), dom)
    fitted = Pate().fit(data, Run())
    assert data.ledger.events[-1].target == ("c2",)
    assert STAND_IN in fitted.facts["notes"]


@pytest.mark.parametrize(
    ("sizes", "target", "expected"),
    [((4, 3, 2), "c1", 1), ((4, 3, 2), None, 2), ((4, 3, 1), None, 1), ((4, 3, 1), "c2", 1), ((1, 1), None, None)],
)
def test_the_voted_column_is_the_target_or_the_last_that_has_two_codes(sizes, target, expected):
    assert voted_column(domain(sizes, target)) == expected


def test_the_rest_is_burnt_where_there_is_nothing_to_vote_on(monkeypatch):
    monkeypatch.setattr(pate, "voted_column", lambda domain: None)
    dom = domain((4, 3, 2), "c2")
    data = private(uniform((4, 3, 2)), dom)
    fitted = Pate().fit(data, Run())
    assert NO_COLUMN in fitted.facts["notes"]
    assert 4.999 < data.ledger.spent() <= 5.0
    assert drawn(fitted, dom, 50).shape == (50, 3)


ODD = {
    "one column": ((5,), None, None),
    "two columns": ((5, 3), None, (5, 0)),
    "two columns, a target": ((5, 3), "c1", (5, 0)),
    "one-code columns": ((1, 4, 1, 3), "c2", (1, 4, 0, 0)),
    "nothing but one-code columns": ((1, 1, 1), None, (0, 1, 0)),
    "a target of many classes": ((4, 3, 40), "c2", (4, 0, 0)),
    "an ordered target": ((4, 3, 60), "c2", (4, 0, 59)),
    "300 categories": ((300, 4, 2), "c2", (0, 4, 0)),
    "no order stated": ((6, 5, 2), "c2", ()),
    "a target in front": ((2, 5, 4), "c0", (0, 5, 0)),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_tables_work(case):
    sizes, target, in_order = ODD[case]
    dom = domain(sizes, target, in_order)
    data = private(uniform(sizes, 500), dom)
    fitted = Pate().fit(data, Run())
    assert data.ledger.spent() <= 5.0
    for rows in (0, 1, 100):
        codes = drawn(fitted, dom, rows)
        assert codes.shape == (rows, len(sizes))
        assert (codes >= 0).all()
        assert (codes < sizes).all()


def test_sampling_needs_tensors_and_plain_facts_only():
    dom = domain((4, 4, 2), "c2")
    fitted = Pate().fit(private(uniform((4, 4, 2)), dom), Run())
    assert all(isinstance(v, np.ndarray) for v in fitted.tensors.values())
    assert set(fitted.facts) == {"draws_per_row", "notes", "in_order", "voted"}
    again = drawn(fitted, dom, 200)
    assert np.array_equal(again, drawn(fitted, dom, 200))
    assert not np.array_equal(again, drawn(fitted, dom, 200, seed=2))


COARSE = domain((3, 2), "c1")
TWO = Mixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.8, 0.1, 0.1, 0.9, 0.1], [0.1, 0.1, 0.8, 0.2, 0.8]]))


def test_an_untilted_student_is_the_mixture():
    codes = torch.tensor([[0, 0], [1, 1], [2, 0]])
    found = Student(TWO, 1, torch.zeros(5, 2)).shares(COARSE, codes)
    prior = TWO.shares[:, :3].T / TWO.shares[:, :3].T.sum(1, keepdim=True)
    assert torch.allclose(found, prior @ TWO.shares[:, 3:], atol=1e-6)


def test_a_tilt_adds_log_odds():
    tilt = torch.zeros(5, 2)
    tilt[0, 1] = 1.5
    codes = torch.tensor([[0, 0], [1, 0]])
    flat, tilted = (Student(TWO, 1, t).shares(COARSE, codes) for t in (torch.zeros(5, 2), tilt))
    odds = [torch.log(s[:, 1] / s[:, 0]) for s in (flat, tilted)]
    assert (odds[1] - odds[0]).tolist() == pytest.approx([1.5, 0.0], abs=1e-4)


@pytest.mark.statistical
def test_conditions_on_the_target_weigh_rows_by_the_students_chances():
    """Shares of the first column given the target: within .02 of Bayes' rule (eight standard deviations)."""
    tilt = torch.zeros(5, 2)
    tilt[2, 1] = 1.0
    student, rng = Student(TWO, 1, tilt), np.random.default_rng(0)
    every = torch.tensor([[a, 0] for a in range(3)])
    joint = TWO.one_way(COARSE)[0] * student.shares(COARSE, every)[:, 1].double().numpy()
    codes, mass = student.draw_where(COARSE, 1 << 15, [FREE, Given(likelihood=np.array([0.0, 1.0]))], rng)
    assert (codes[:, 1] == 1).all()
    found = np.bincount(codes[:, 0], mass.double().exp().numpy(), minlength=3)
    assert np.abs(found / found.sum() - joint / joint.sum()).max() < 0.02
