"""The measured part: budget, and rows finished with it."""

import numpy as np
import pytest
import torch

from synth.errors import ArtifactError
from synth.models.base import Fitted, Run
from synth.models.measured import stage
from synth.models.measured.finished import coarse_domain, finished_rows, independent_rows
from synth.models.measured.mixture import MixturePlan
from synth.models.measured.stage import Learnt, finish, measure, one_way_share
from synth.models.nets.autoregressive import even_uniforms
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.shares import measurement_mu
from synth.privacy.vault import PrivateTable
from synth.table import Domain

DOMAIN = Domain(names=("a", "b", "c", "y"), sizes=(40, 5, 6, 2), target="y", in_order=(39, 0, 6, 0))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A small mixture on few rows."""
    plan = MixturePlan(components=60, rank=6, steps=150)
    monkeypatch.setattr(stage, "pool_size", lambda tables: 4096)
    monkeypatch.setattr(stage, "POOL", 4096)
    monkeypatch.setattr(MixturePlan, "for_budget", staticmethod(lambda signal: plan))


def private(n=3000, epsilon=3.0, domain=DOMAIN, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(0, k, n) for k in domain.sizes])
    if len(domain.sizes) > 2:
        codes[:, 1] = np.where(rng.random(n) < 0.8, codes[:, 0] * domain.sizes[1] // domain.sizes[0], codes[:, 1])
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(n))
    return PrivateTable(codes, domain, book.rows, book)


def learn(data, share=None, seed=0):
    return measure(data, Run(seed=0), share=share, source=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows", [1, 100, 10_000, 10**7])
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 50.0])
def test_the_one_way_share_stays_within_bounds_and_falls_with_the_signal(rows, epsilon):
    def share(n):
        book = Ledger(Budget(epsilon=epsilon, delta=1e-9))
        book.set_rows(declared_rows(n))
        return one_way_share(PrivateTable(np.zeros((0, 1), dtype=int), Domain(names=("a",), sizes=(1,)), book.rows, book))

    assert 0.1 <= share(10 * rows) <= share(rows) <= 0.5


@pytest.mark.parametrize("tables", [0.05, 0.35, 0.7])
def test_one_way_tables_leave_room_for_training_but_are_always_asked(tables):
    data = private(n=50, epsilon=0.1)
    assert one_way_share(data) == 0.5
    assert one_way_share(data, tables) == pytest.approx({0.05: 0.5, 0.35: 0.3, 0.7: 0.05}[tables])


@pytest.mark.parametrize("share", [None, 0.35])
def test_what_is_measured_costs_what_it_should(share):
    data = private()
    learnt = learn(data, share)
    assert isinstance(learnt, Learnt)
    whole = sum(e.mu**2 for e in data.ledger.events) / measurement_mu(data.ledger) ** 2
    if share is None:
        assert 0.9999 * 3.0 < data.ledger.spent() <= 3.0
    else:
        assert whole == pytest.approx(one_way_share(data, share) + 0.03 + 0.02 + share)
    assert learnt.view.ledger is data.ledger
    assert learnt.groups.domain == learnt.evidence.domain
    assert learnt.view.domain.sizes == learnt.groups.domain.sizes
    sizes = learnt.groups.domain.sizes
    assert [len(p) for p in learnt.coarse] == list(sizes)
    assert [p.sum() for p in learnt.coarse] == pytest.approx([1.0] * 4)
    assert [p.sum() for p in learnt.one_way] == pytest.approx([1.0] * 4)
    assert learnt.log_shares().shape == (sum(sizes),)
    assert torch.isfinite(learnt.log_shares()).all()
    assert sorted(t.columns for t in learnt.evidence.tables) == sorted(
        [(0,), (1,), (2,), (3,), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    )


def test_where_pairs_cannot_be_carried_columns_are_independent_and_the_budget_is_spent():
    data = private(n=50, epsilon=0.01)
    found = learn(data, 0.35)
    assert isinstance(found, Fitted)
    assert set(found.tensors) == {"one_way"}
    assert found.facts["notes"] == ["the budget does not carry tables of two columns: columns are independent"]
    assert 0.0099 < data.ledger.spent() <= 0.01
    rows = independent_rows(found, DOMAIN, 100, np.random.default_rng(0))
    assert rows.codes.shape == (100, 4)
    assert (rows.codes < DOMAIN.sizes).all()


@pytest.fixture
def finished():
    data = private()
    learnt = learn(data)
    domain = learnt.groups.domain

    def draw(rows, rng):
        return learnt.mixture.draw_rows(domain, even_uniforms(rows, len(domain.sizes) + 1, rng))

    spent = data.ledger.events
    tensors, facts = finish(learnt, draw, np.random.default_rng(0))
    assert data.ledger.events == spent  # post-processing
    return learnt, Fitted(tensors, facts), draw


def test_finished_rows_are_a_function_of_the_generator(finished):
    learnt, fitted, draw = finished
    assert coarse_domain(fitted, DOMAIN) == learnt.groups.domain
    for facts in ({"draws_per_row": 10**9}, {"draws_per_row": True}, {"draws_per_row": "4"}):
        with pytest.raises(ArtifactError, match="more memory"):
            coarse_domain(Fitted(fitted.tensors, fitted.facts | facts), DOMAIN)
    far = {"groups": fitted.tensors["groups"] + 30_000, "net_bias": np.zeros(3)}
    with pytest.raises(ArtifactError, match="more memory"):
        coarse_domain(Fitted(fitted.tensors | far, fitted.facts), DOMAIN)
    one, two, other = (finished_rows(fitted, DOMAIN, draw, 500, np.random.default_rng(s)).codes for s in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert one.shape == (500, 4)
    assert one.dtype == np.int32
    assert (one >= 0).all()
    assert (one < DOMAIN.sizes).all()
    for rows in (0, 1):
        assert len(finished_rows(fitted, DOMAIN, draw, rows, np.random.default_rng(1)).codes) == rows
    assert fitted.facts["draws_per_row"] in (2, 4)
    assert all(np.isfinite(np.asarray(v, dtype=float)).all() for v in fitted.tensors.values())


@pytest.mark.statistical
def test_finished_rows_keep_the_pair_and_the_one_way_tables(finished):
    """The second column follows the first in 8 of 10 rows: independence would agree in 2 of 10 (observed 0.7 or more)."""
    _, fitted, draw = finished
    codes = finished_rows(fitted, DOMAIN, draw, 8000, np.random.default_rng(3)).codes
    assert np.mean(codes[:, 0] * 5 // 40 == codes[:, 1]) > 0.55
    for j, size in enumerate(DOMAIN.sizes):
        shares = np.bincount(codes[:, j], minlength=size) / 8000
        assert shares.max() < 2.5 / size
