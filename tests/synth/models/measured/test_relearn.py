"""The target learnt again from raked rows: its tables with single columns are met, products stay, wrong weights go."""

import types

import numpy as np
import torch

from synth.models.measured.evidence import Evidence, Table
from synth.models.measured.rake import fit_multipliers
from synth.models.measured.relearn import fit_target, raked_chances, relearn_target
from synth.models.nets.autoregressive import Autoregressive, target_scores
from synth.table import Domain

SIZES = (5, 3, 2)
DOMAIN = Domain(names=("a", "b", "t"), sizes=SIZES, target="t", in_order=(5, 0, 0))
EFFECTS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


def network(domain=DOMAIN):
    rng = np.random.default_rng(0)
    sizes = domain.sizes
    means = [rng.random(k) for k in sizes[:-1]] + [None]
    scores = target_scores(domain, [np.full(k, 1 / k) for k in sizes], means)
    model = Autoregressive(domain, torch.zeros(sum(sizes)), scores)
    with torch.no_grad():
        model.skip.weight.copy_(torch.from_numpy(rng.normal(0, 1.0, model.skip.weight.shape)))
        model.products.weight.copy_(torch.from_numpy(rng.normal(0, 0.05, model.products.weight.shape)))
    return model


def real(n=40_000):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 5, n), rng.integers(0, 3, n)
    return np.column_stack([a, b, rng.random(n) < 1 / (1 + np.exp(-EFFECTS[a] - 0.5 * (b == 1)))]).astype(np.int64)


def table(rows, columns, sizes=SIZES, sd=2e-4):
    shape = tuple(sizes[j] for j in columns)
    counts = np.bincount(np.ravel_multi_index(rows[:, columns].T, shape), minlength=int(np.prod(shape)))
    return Table(columns=columns, shares=counts.reshape(shape) / len(rows), sd=np.full(shape, sd))


def evidence(rows, subsets, domain=DOMAIN):
    return Evidence(domain=domain, rows=float(len(rows)), tables=tuple(table(rows, s, domain.sizes) for s in subsets))


def learnt(evidence):
    return types.SimpleNamespace(evidence=evidence, products=None, groups=types.SimpleNamespace(domain=evidence.domain))


def drawer(model, seed=0):
    source = torch.Generator().manual_seed(seed)
    return lambda n: model.draw_rows(torch.rand(n, len(model.sizes), generator=source))


def shares_by_a(model):
    """Share of the second class for each code of the first column, the second column as it is in the real rows."""
    rows = torch.from_numpy(real(6000))
    chance = model.logits(rows)[2].softmax(1)[:, 1].detach().numpy()
    return np.array([chance[(rows[:, 0] == code).numpy()].mean() for code in range(5)])


def test_a_wrong_conditional_is_put_right_by_tables_and_products_stay():
    model, rows = network(), real()
    before, products, others = (
        shares_by_a(model),
        model.products.weight.detach().clone(),
        model.skip.weight[:8].detach().clone(),
    )
    relearn_target(model, learnt(evidence(rows, [(0, 1), (0, 2), (1, 2), (0,), (1,), (2,)])), drawer(model))
    truth = np.array([rows[rows[:, 0] == code, 2].mean() for code in range(5)])
    assert np.abs(before - truth).max() > 0.2
    assert np.abs(shares_by_a(model) - truth).max() < 0.05
    assert torch.equal(model.products.weight, products)
    assert torch.equal(model.skip.weight[:8], others)


def test_many_classes_are_learnt_from_drawn_labels():
    domain = Domain(names=("a", "b", "t"), sizes=(5, 3, 5), target="t", in_order=(5, 0, 0))
    rng = np.random.default_rng(2)
    rows = real()
    rows[:, 2] = np.where(rng.random(len(rows)) < 0.7, rows[:, 0], rng.integers(0, 5, len(rows)))
    model = network(domain)
    asked = torch.tensor([[code, b, 0] for code in range(5) for b in range(3)])

    def right():
        return model.logits(asked)[2].softmax(1).detach().gather(1, asked[:, :1]).view(5, 3).mean(1).numpy()

    before = right()
    relearn_target(model, learnt(evidence(rows, [(0, 2), (1, 2), (0,), (1,), (2,)], domain)), drawer(model))
    assert before.min() < 0.2
    assert np.abs(right() - 0.76).max() < 0.2


def test_score_equations_keep_tables_of_single_columns():
    """The sum over rows of input times (chance asked for - chance of the net) is what the ridge takes, next to nothing."""
    model, rows = network(), torch.from_numpy(real(3000))
    rng = np.random.default_rng(3)
    chances = torch.from_numpy(rng.dirichlet([1.0, 2.0], len(rows))).float()
    weights = torch.from_numpy(rng.dirichlet(np.ones(len(rows)))).float()
    fit_target(model, rows, weights, chances)
    gap = (weights[:, None] * (chances - model.logits(rows)[2].softmax(1).detach())).numpy()
    for column, size in enumerate(SIZES[:-1]):
        for code in range(size):
            assert np.abs(gap[rows[:, column].numpy() == code].sum(0)).max() < 2e-3


def test_raked_chances_are_those_that_weights_leave():
    """For the joint distribution of a net on 30 cells: chance and weights of all cells, summed by hand."""
    model, rows = network(), real(4000)
    cells = torch.cartesian_prod(*(torch.arange(k) for k in SIZES))
    features, multipliers = fit_multipliers(drawer(model)(8192), evidence(rows, [(0, 2), (0, 1)]), None)
    found = raked_chances(model, cells, features, multipliers, DOMAIN)
    joint = (-model(cells)).exp().detach() * features.score(cells, multipliers, DOMAIN).exp()
    joint = joint.view(SIZES)
    wanted = (joint / joint.sum(2, keepdim=True)).repeat_interleave(2, 1).reshape(-1, 2)
    assert torch.allclose(found, wanted, atol=1e-4)


def test_a_net_without_products_is_learnt_too():
    model, rows = Autoregressive(DOMAIN, torch.zeros(10)), real()
    relearn_target(model, learnt(evidence(rows, [(0, 2), (0,), (1,), (2,)])), drawer(model))
    truth = np.array([rows[rows[:, 0] == code, 2].mean() for code in range(5)])
    assert np.abs(shares_by_a(model) - truth).max() < 0.05
