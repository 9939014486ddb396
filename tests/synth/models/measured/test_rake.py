"""Weights that agree with noisy answers, and rows resampled by them."""

import numpy as np
import pytest
import torch

from synth.models.measured import rake
from synth.models.measured.evidence import Evidence, Table
from synth.models.measured.interactions import Products
from synth.models.measured.rake import (
    LEAST_POOL,
    MAX_INDICES,
    POOL,
    Features,
    effective,
    fit_multipliers,
    level,
    pool_size,
    proportioned,
    striking,
)
from synth.privacy.signs import SignProduct
from synth.table import Domain

SIZES = (3, 4, 2)
DOMAIN = Domain(names=("a", "b", "y"), sizes=SIZES, target="y")
SUBSETS = [(0,), (0, 1), (0, 1, 2)]
HALVES = tuple(np.array(s, dtype=np.int8) for s in ([1, -1, -1], [1, 1, -1, -1], [1, -1]))
PARITY = SignProduct((0, 1, 2), HALVES)


def rows(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.column_stack([rng.integers(0, k, n) for k in SIZES]))


def products(means, sd=0.002):
    queries = (PARITY, SignProduct((1,), (HALVES[1],)))
    return Products(queries=queries, means=np.array(means), sd=np.full(2, sd))


def table(codes, columns, weights=None):
    counts = np.zeros([SIZES[j] for j in columns])
    np.add.at(counts, tuple(codes[:, columns].numpy().T), np.full(len(codes), 1 / len(codes)) if weights is None else weights)
    return counts


def test_cells_are_numbered_end_to_end():
    features = Features.of(SUBSETS, None, DOMAIN)
    assert features.cells == 3 + 12 + 24
    codes = rows(200)
    index = features.index(codes).numpy().T
    a, b, y = codes.numpy().T
    assert index[:, 0].tolist() == a.tolist()
    assert index[:, 1].tolist() == (3 + a * 4 + b).tolist()
    assert index[:, 2].tolist() == (15 + (a * 4 + b) * 2 + y).tolist()


def test_products_of_rows_are_their_signs():
    codes = rows(200)
    found = Features.of([(0,)], products([0.0, 0.0]), DOMAIN).values(codes, DOMAIN).numpy()
    a, b, y = codes.numpy().T
    assert found[:, 0].tolist() == (HALVES[0][a] * HALVES[1][b] * HALVES[2][y]).tolist()
    assert found[:, 1].tolist() == HALVES[1][b].tolist()


@pytest.mark.parametrize("asked", [None, products([0.1, 0.2])])
def test_features_round_trip(asked):
    features = Features.of(SUBSETS, asked, DOMAIN)
    again = Features.from_arrays(features.to_arrays(), features.cells + (0 if asked is None else 2))
    assert again.cells == features.cells
    codes, multipliers = rows(100), torch.randn(features.cells + (0 if asked is None else 2))
    assert torch.equal(again.weigh(codes, multipliers, DOMAIN), features.weigh(codes, multipliers, DOMAIN))


def test_no_multipliers_weigh_all_rows_alike():
    features = Features.of(SUBSETS, products([0, 0]), DOMAIN)
    weights = features.weigh(rows(100), torch.zeros(features.cells + 2), DOMAIN)
    assert weights.tolist() == pytest.approx([0.01] * 100)
    assert effective(weights) == pytest.approx(1.0)


def test_weighted_rows_agree_with_planted_tables_and_products(monkeypatch):
    """Uniform rows, raked to a strong pair and a parity; exact answers are met where rows are plenty."""
    monkeypatch.setattr(rake, "FINITE", 3.0)
    pair = np.full((3, 4), 1.0) + 4 * np.eye(3, 4)
    pair /= pair.sum()
    tables = (
        Table(columns=(0, 1), shares=pair, sd=np.asarray(1e-4)),
        Table(columns=(2,), shares=np.array([0.7, 0.3]), sd=np.asarray(1e-4)),
    )
    evidence = Evidence(domain=DOMAIN, rows=1000.0, tables=tables)
    parity = Products(queries=(PARITY,), means=np.array([0.5]), sd=np.array([1e-3]))
    codes = rows(20_000)
    features, multipliers = fit_multipliers(codes, evidence, parity)
    assert len(multipliers) == features.cells + 1
    weights = features.weigh(codes, multipliers, DOMAIN)
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-5)
    assert np.abs(table(codes, [0, 1], weights.numpy()) - pair).sum() / 2 < 0.01
    assert table(codes, [2], weights.numpy()).tolist() == pytest.approx([0.7, 0.3], abs=0.01)
    assert float(weights @ features.values(codes, DOMAIN)[:, 0]) == pytest.approx(0.5, abs=0.03)
    fresh = rows(20_000, seed=1)  # multipliers hold for other rows of the same model
    assert np.abs(table(fresh, [0, 1], features.weigh(fresh, multipliers, DOMAIN).numpy()) - pair).sum() / 2 < 0.05
    assert 0.1 < effective(weights) < 0.9


def test_answers_that_are_all_noise_hardly_move_a_weight():
    wild = np.array([0.9, 0.1, 0.0])
    evidence = Evidence(domain=DOMAIN, rows=1000.0, tables=(Table(columns=(0,), shares=wild, sd=np.asarray(10.0)),))
    codes = rows()
    features, multipliers = fit_multipliers(codes, evidence, None)
    weights = features.weigh(codes, multipliers, DOMAIN)
    assert effective(weights) > 0.999


def test_only_products_that_the_rows_do_not_explain_are_striking():
    codes = rows(16_000)
    assert striking(None, codes, DOMAIN) is None
    assert striking(products([0.0, 0.0], sd=0.01), codes, DOMAIN) is None
    kept = striking(products([0.3, 0.0], sd=0.01), codes, DOMAIN)
    assert kept.queries == (PARITY,)
    assert (kept.means.tolist(), kept.sd.tolist()) == ([0.3], [0.01])


@pytest.mark.parametrize("together", [1, 1 << 14])
def test_proportioned_rows_agree_with_single_columns(together, monkeypatch):
    monkeypatch.setattr("synth.models.measured.rake.TOGETHER", together)
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.choice(3, 5000, p=[0.5, 0.3, 0.2]), rng.integers(2, size=5000)])
    codes[:, 1] |= codes[:, 0] == 2
    wanted = [np.array([0.45, 0.33, 0.22]), np.array([0.35, 0.65])]
    after = proportioned(codes, np.full(5000, 1 / 5000), wanted)
    assert after.sum() == pytest.approx(1)
    for column, shares in zip(codes.T, wanted, strict=True):
        assert np.bincount(column, after) == pytest.approx(shares, abs=1e-4)


def test_no_row_is_weighed_for_what_no_row_has():
    after = proportioned(np.array([[0], [0], [2]]), np.full(3, 1 / 3), [np.array([0.5, 0.3, 0.2])])
    assert np.isfinite(after).all()
    assert after[:2].sum() == pytest.approx(5 / 7, abs=0.01)


def test_the_effective_share_of_one_heavy_row():
    assert effective(torch.tensor([1.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)


@pytest.mark.parametrize(("tables", "wanted"), [(0, POOL), (1, POOL), (244, POOL), (1000, LEAST_POOL), (10**6, LEAST_POOL)])
def test_pools_shrink_with_the_number_of_tables(tables, wanted):
    size = pool_size(tables)
    assert size == wanted or (LEAST_POOL <= size <= POOL)
    assert size == LEAST_POOL or size * max(tables, 1) <= MAX_INDICES
    assert size & (size - 1) == 0


def test_levelled_rows_agree_with_single_columns():
    """Tables that contradict single columns pull them away; levelling brings them back, and leaves the rest."""
    codes = rows(20_000)
    wrong = np.array([[0.3, 0.02, 0.02, 0.02], [0.3, 0.02, 0.02, 0.02], [0.1, 0.06, 0.06, 0.06]])
    right = np.array([0.5, 0.3, 0.2])
    tables = (
        Table(columns=(0, 1), shares=wrong / wrong.sum(), sd=np.full((3, 4), 0.001)),
        Table(columns=(0,), shares=right, sd=np.full(3, 0.01)),
    )
    evidence = Evidence(domain=DOMAIN, rows=20_000, tables=tables)
    features, before = fit_multipliers(codes[:8192], evidence, None)
    after = level(codes, features, before, evidence)
    shares = [table(codes, (0,), features.weigh(codes, m, DOMAIN).numpy()) for m in (before, after)]
    assert np.abs(shares[0] - right).sum() > 0.02
    assert np.abs(shares[1] - right).sum() < 0.002
    assert torch.equal(before[:12], after[:12])
