"""The mixture: reproduces tables it can know exactly, and draws what it says."""

import numpy as np
import pytest
import torch

from synth.models.measured.evidence import Evidence, Table
from synth.models.measured.mixture import Mixture, MixturePlan, fit_mixture, neighbours
from synth.table import Domain

DOMAIN = Domain(names=("a", "b", "y"), sizes=(4, 3, 2), target="y", in_order=(4, 0, 0))
SMALL = MixturePlan(components=60, rank=6, steps=200, ridge=0.5, smooth=1.0)


def joint(seed=0):
    """A table of three columns: ``b`` follows ``a``, ``y`` follows both."""
    rng = np.random.default_rng(seed)
    p = np.full((4, 3, 2), 0.2)
    for a in range(4):
        p[a, a % 3] += 3
    p[1, 1, 1] += 4
    p *= rng.uniform(0.5, 1.5, p.shape)
    return p / p.sum()


def evidence(p, columns, sd=1e-3):
    every = [(0,), (1,), (2,), *columns]
    tables = [Table(columns=s, shares=p.sum(axis=tuple(j for j in range(3) if j not in s)), sd=np.asarray(sd)) for s in every]
    return Evidence(domain=DOMAIN, rows=1000.0, tables=tuple(tables))


def fitted(p, columns, split=-1, plan=SMALL, seed=0):
    steps = []
    logs = torch.from_numpy(np.log(np.concatenate([p.sum((1, 2)), p.sum((0, 2)), p.sum((0, 1))])))
    source = torch.Generator().manual_seed(seed)
    found = fit_mixture(evidence(p, columns), logs, plan, split=split, source=source, advance=lambda: steps.append(1))
    assert len(steps) == plan.steps
    return found


def table_of(mixture, columns):
    parts = [mixture.shares[:, o : o + k] for o, k in zip(DOMAIN.offsets, DOMAIN.sizes, strict=True)]
    spec = ",".join(f"k{'aby'[j]}" for j in columns)
    out = "".join("aby"[j] for j in columns)
    return torch.einsum(f"k,{spec}->{out}", mixture.weights, *(parts[j] for j in columns)).numpy()


def distance(a, b):
    return np.abs(a - b).sum() / 2


def test_noise_free_pairs_are_reproduced():
    p = joint()
    found = fitted(p, [(0, 1), (1, 2)])
    assert distance(table_of(found, (0, 1)), p.sum(2)) < 0.02
    assert distance(table_of(found, (1, 2)), p.sum(0)) < 0.02
    independent = np.outer(p.sum((1, 2)), p.sum((0, 2)))
    assert distance(independent, p.sum(2)) > 0.2  # which independent columns would not
    for one, wanted in zip(found.one_way(DOMAIN), (p.sum((1, 2)), p.sum((0, 2)), p.sum((0, 1))), strict=True):
        assert one.sum() == pytest.approx(1.0)
        assert distance(one, wanted) < 0.02


def test_noise_free_tables_of_the_targets_classes_are_reproduced():
    p = joint()
    assert distance(table_of(fitted(p, [(0, 1, 2)], split=2), (0, 1, 2)), p) < 0.03


def test_fits_repeat_with_their_source():
    p = joint()
    quick = MixturePlan(components=10, rank=2, steps=5)
    one, two, other = (fitted(p, [(0, 1)], plan=quick, seed=s) for s in (1, 1, 2))
    assert torch.equal(one.shares, two.shares)
    assert not torch.equal(one.shares, other.shares)


@pytest.mark.statistical
def test_drawn_rows_follow_the_mixture():
    """100,000 rows: each of the 24 cells within 0.008, over five standard errors (false alarm below 1e-5)."""
    rng = torch.Generator().manual_seed(3)
    shares = torch.cat([torch.randn(5, k, generator=rng).mul(2).softmax(1) for k in DOMAIN.sizes], 1)
    mixture = Mixture(torch.tensor([0.4, 0.3, 0.2, 0.1, 0.0]), shares)
    codes = mixture.draw_rows(DOMAIN, torch.rand(100_000, 4, generator=rng)).numpy()
    assert codes.shape == (100_000, 3)
    counts = np.zeros(DOMAIN.sizes)
    np.add.at(counts, tuple(codes.T), 1)
    np.testing.assert_allclose(counts / 100_000, table_of(mixture, (0, 1, 2)), atol=0.008)
    one_way = mixture.one_way(DOMAIN)
    assert [len(p) for p in one_way] == list(DOMAIN.sizes)
    np.testing.assert_allclose(one_way[0], table_of(mixture, (0,)), atol=1e-6)


def test_uniforms_at_the_ends_stay_inside():
    mixture = Mixture(torch.tensor([0.0, 1.0, 0.0]), torch.full((3, 9), 1 / 3))
    codes = mixture.draw_rows(DOMAIN, torch.tensor([[0.0] * 4, [1 - 2**-24] * 4, [1.0] * 4]))
    assert (codes >= 0).all()
    assert (codes < torch.tensor(DOMAIN.sizes)).all()


def test_only_ordered_codes_have_neighbours():
    left, right = neighbours(Domain(names=("a", "b", "c"), sizes=(4, 3, 5), in_order=(3, 0, 5)))
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (1, 2), (7, 8), (8, 9), (9, 10), (10, 11)]


def test_more_signal_carries_more_dimensions():
    ranks = [MixturePlan.for_budget(s).rank for s in (1.0, 2600, 26_000, 1e9)]
    assert ranks == sorted(ranks)
    assert (ranks[0], ranks[1], ranks[-1]) == (6, 15, 72)
