"""The target's conditional: learnt, calibrated, drawn, also under conditions."""

import numpy as np
import pytest

from synth.errors import InputError
from synth.models.base import Run
from synth.models.given import FREE, Given
from synth.models.perturbed import NO_CONDITIONAL, Perturbed, chances, default_ridge, drawn, shifted
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.events import GaussianEvent
from synth.privacy.ledger import Ledger
from synth.privacy.vault import PrivateTable
from synth.table import Domain

N = 4000
DOMAIN = Domain(names=("a", "y", "b"), sizes=(3, 2, 2), target="y")
MODEL = Perturbed(features="independent")


def rows_of(seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 3, N), rng.integers(0, 2, N)
    y = rng.random(N) < np.array([0.1, 0.5, 0.9])[a]
    return np.column_stack([a, y, b]).astype(np.int64)


def fitted(codes=None, domain=DOMAIN, model=MODEL, epsilon=4.0):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(N))
    codes = rows_of() if codes is None else codes
    return model.fit(PrivateTable(codes, domain, book.rows, book), Run()), book


@pytest.fixture(scope="module")
def release():
    return fitted()[0]


def test_it_spends_everything_once_on_weights_and_then_on_tables():
    found, book = fitted()
    assert [e.what for e in book.events] == ["weights of a convex model", *["one-way table"] * 3]
    assert all(isinstance(e, GaussianEvent) for e in book.events)
    assert 0.99 * 4 < book.spent() <= 4
    assert found.tensors["logistic"].shape == (6, 2)


@pytest.mark.statistical
def test_the_conditional_is_learnt_and_the_target_keeps_its_table(release):
    """Shares of 4,000 draws and more: six standard errors are below .05; the rest is noise at epsilon 4 and the ridge."""
    codes = MODEL.sample(release, DOMAIN, 12_000, np.random.default_rng(0)).codes
    shares = [codes[codes[:, 0] == a, 1].mean() for a in range(3)]
    assert shares == pytest.approx([0.1, 0.5, 0.9], abs=0.12)
    assert codes[:, 1].mean() == pytest.approx(rows_of()[:, 1].mean(), abs=0.05)
    assert np.bincount(codes[:, 2]).min() > 5000


@pytest.mark.statistical
def test_conditions_on_the_target_and_on_features_weigh_rows(release):
    rng = np.random.default_rng(0)
    given = [FREE, Given(likelihood=np.array([0.0, 1.0])), FREE]
    found = MODEL.sample_where(release, DOMAIN, given, 12_000, rng)
    assert (found.codes[:, 1] == 1).all()
    weights = np.exp(found.log_weights)
    share = [weights[found.codes[:, 0] == a].sum() / weights.sum() for a in range(3)]
    assert share == pytest.approx([0.067, 0.333, 0.6], abs=0.1)  # as Bayes has it
    known = Given(codes=np.where(np.arange(100) % 2, 1, -1))
    found = MODEL.sample_where(release, DOMAIN, [Given(likelihood=np.array([1.0, 0.0, 0.0])), known, FREE], 100, rng)
    assert (found.codes[:, 0] == 0).all()
    assert (found.codes[1::2, 1] == 1).all()
    none = MODEL.sample_where(release, DOMAIN, [FREE, Given(likelihood=np.zeros(2)), FREE], 10, rng)
    assert np.isneginf(none.log_weights).all()


@pytest.mark.parametrize(
    "domain", [Domain(names=("a", "y"), sizes=(3, 2)), Domain(names=("a", "y"), sizes=(3, 1), target="y")], ids=["none", "one"]
)
def test_without_a_conditional_only_tables_are_learnt(domain):
    codes = np.column_stack([np.arange(N) % 3, np.arange(N) % domain.sizes[1]])
    found, book = fitted(codes, domain)
    assert NO_CONDITIONAL in found.facts["notes"]
    assert all(e.what == "one-way table" for e in book.events)
    assert MODEL.sample(found, domain, 10, np.random.default_rng(0)).codes.shape == (10, 2)
    assert MODEL.sample_where(found, domain, [FREE, FREE], 10, np.random.default_rng(0)).codes.shape == (10, 2)


def test_features_of_the_measured_model_are_the_default():
    found, book = fitted(model=Perturbed(), epsilon=8.0)
    assert "groups" in found.tensors
    assert book.spent() <= 8
    assert Perturbed().sample(found, DOMAIN, 50, np.random.default_rng(0)).codes.shape == (50, 3)


def test_the_ridge_is_a_function_of_public_figures_and_may_be_chosen():
    mean = default_ridge(10_000, 0.5, DOMAIN, 1)
    assert default_ridge(80_000, 0.5, DOMAIN, 1) == pytest.approx(mean / 4)
    assert default_ridge(10_000, 4.0, DOMAIN, 1) == pytest.approx(mean / 4)
    _, book = fitted(model=Perturbed(features="independent", ridge=0.1))
    assert book.events[0].l2_sensitivity == pytest.approx(1.04 * 2**0.5 / (0.1 * N), rel=0.01)


@pytest.mark.parametrize("options", [{"features": "magic"}, {"share": 1.0}, {"share": 0.0}, {"ridge": 0.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError, match="option"):
        Perturbed(**options)


def test_means_are_moved_and_codes_drawn_in_proportion():
    logits = np.random.default_rng(0).normal(size=(1000, 3))
    moved = logits + shifted(logits, np.array([0.7, 0.3, 0.0]))
    found = np.exp(moved) / np.exp(moved).sum(1, keepdims=True)
    assert found.mean(0) == pytest.approx([0.7, 0.3, 0.0], abs=1e-3)
    assert drawn(np.array([[0.0, 2.0], [1.0, 0.0]]), np.random.default_rng(0)).tolist() == [1, 0]
    assert chances(np.zeros((6, 2), np.float32), rows_of()[:4], DOMAIN, 1) == pytest.approx(np.full((4, 2), 0.5))
