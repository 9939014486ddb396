"""A numeric target learnt by a regression: its scores, the line, the filter of noise, and a net that has the line's means."""

import types
from copy import deepcopy

import numpy as np
import pytest
import torch

from synth.models.base import Run
from synth.models.measured import regress as module
from synth.models.measured.regress import Filter, Line, Mean, affordable, normal_scores, regress, tilt_target
from synth.models.nets.autoregressive import Autoregressive, target_scores
from synth.table import Domain
from tests.synth.models.measured.test_relearn import drawer, evidence

SIZES = (6, 3, 8)
DOMAIN = Domain(names=("a", "b", "t"), sizes=SIZES, target="t", in_order=(6, 0, 8))
EVEN = [np.full(k, 1 / k) for k in SIZES]


def network(products=True, domain=DOMAIN):
    means = [np.arange(6) / 6, np.array([0.1, 0.5, 0.9]), None] if products else [None] * 3
    return Autoregressive(domain, torch.zeros(sum(SIZES)), target_scores(domain, EVEN, means) if products else None)


def real(n=20_000):
    """The target rises with the first column; the second has no part in it."""
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 6, n), rng.integers(0, 3, n)
    t = np.clip(np.round(a + rng.normal(0.5, 1, n)), 0, 7)
    return np.column_stack([a, b, t]).astype(np.int64)


class Rows:
    """Gradients without noise, but for what the test adds; in place of a private table."""

    def __init__(self, rows, sd=1e-6):
        self.rows, self.sd, self.asked = torch.from_numpy(rows), sd, []
        self.ledger = types.SimpleNamespace(spent=lambda: 0.5)

    def noisy_gradient(self, line, loss, *, max_grad_norm, share):
        self.asked.append((max_grad_norm, share))
        found = torch.autograd.grad(loss(line, self.rows, None).mean(), list(line.parameters()))
        slope = torch.cat([part.flatten() for part in found])
        noise = np.random.default_rng(len(self.asked)).normal(0, self.sd, len(slope))
        return slope.double().numpy() + noise, self.sd


def learnt(rows, view=None):
    found = evidence(rows, [(0, 1), (0,), (1,), (2,)], DOMAIN)
    shares = [np.bincount(rows[:, j], minlength=k) / len(rows) for j, k in enumerate(SIZES)]
    groups = types.SimpleNamespace(domain=DOMAIN)
    return types.SimpleNamespace(evidence=found, products=None, groups=groups, coarse=shares, view=view)


def true_means(rows, scores):
    return np.array([scores[rows[rows[:, 0] == code, 2]].mean() for code in range(6)])


def test_scores_are_standard_and_rise_and_know_nothing_of_codes_behind():
    shares = np.array([0.1, 0.2, 0.4, 0.1, 0.15, 0.05])
    scores = normal_scores(shares, 5)
    ordered = shares[:5] / shares[:5].sum()
    assert scores[5] == 0
    assert (np.diff(scores[:5]) > 0).all()
    assert ordered @ scores[:5] == pytest.approx(0, abs=1e-12)
    assert ordered @ scores[:5] ** 2 == pytest.approx(1)
    assert np.isfinite(normal_scores(np.array([0.0, 0.0, 1.0, 0.0]), 4)).all()


@pytest.mark.parametrize("products", [True, False])
def test_a_line_is_its_inputs_times_its_weights(products):
    model, rows = network(products), torch.from_numpy(real(300))
    line = Line(model)
    pairs = model.pairs(rows) if products else None
    inputs = line.inputs(rows, pairs)
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=inputs.shape[1]))
    line.put(weights)
    assert torch.allclose(line(rows, pairs), inputs @ weights.float(), atol=1e-4)
    assert line.blocks().tolist() == [0] * 6 + [1] * 3 + ([2] * len(model.first) if products else [])
    assert 0.5 < float(inputs.square().sum(1).mean()) < 1.5
    assert affordable(line) == 32_768


def test_exact_slopes_tell_the_weights_wherever_they_were_taken():
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.normal(size=(500, 6)))
    bends, wanted = inputs.T @ inputs / 500, torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0, 1.0]).double()
    found = Filter(bends, torch.tensor([0, 0, 0, 1, 1, 1]))
    for step in range(3):
        weights = found.learn(bends @ (wanted - found.weights), 1e-6, step + 1)
    assert torch.allclose(weights, wanted, atol=1e-3)


@pytest.mark.statistical
def test_blocks_without_a_signal_are_left_out_and_noise_with_them():
    """Twenty blocks of five, of which one tells something; with plain least squares noise alone would have a length of 0.5."""
    wanted = torch.zeros(100).double()
    wanted[:5] = 1.0
    found = Filter(torch.eye(100).double(), torch.arange(100) // 5)
    source = torch.Generator().manual_seed(3)
    for step in range(6):
        slope = wanted - found.weights + 0.1 * torch.randn(100, generator=source).double()
        weights = found.learn(slope, 0.1, step + 1)
    assert float((weights[:5] - 1).abs().max()) < 0.3
    assert float(weights[5:].norm()) < 0.25


def test_noise_alone_moves_next_to_nothing():
    found = Filter(0.01 * torch.eye(50).double(), torch.zeros(50, dtype=torch.long))
    weights = found.learn(torch.randn(50, generator=torch.Generator().manual_seed(0)).double(), 1.0, 1)
    assert float(weights.abs().max()) < 0.1


def test_answers_that_cannot_be_are_still_filtered():
    """Sites may be told anything; curvatures of one-hot columns have directions without any."""
    found = Filter(torch.ones(40, 40).double() / 40, torch.arange(40) // 10)
    for step in range(6):
        weights = found.learn(torch.full((40,), 1e12).double(), 1e-6, step + 1)
    assert torch.isfinite(weights).all()


@pytest.mark.parametrize("products", [True, False])
def test_the_mean_is_learnt_for_its_share_and_the_net_then_has_it(products):
    rows, model = real(), network(products)
    view = Rows(rows)
    found = regress(deepcopy(model), learnt(rows, view), drawer(model), Run())
    assert sum(share for _, share in view.asked) == pytest.approx(module.SHARE)
    scores = found.scores.numpy()
    wanted = true_means(rows, scores)
    asked = torch.tensor([[a, b, 0] for a in range(6) for b in range(3)])
    assert found.of(asked).numpy() == pytest.approx(np.repeat(wanted, 3), abs=0.05)
    with torch.no_grad():
        model.skip.weight[9:] += 5.0  # what noise left in the target's weights
    tilt_target(model, learnt(rows), found, drawer(model))
    with torch.no_grad():
        chances = model.logits(asked)[2].softmax(1).numpy()
        shares = model.logits(torch.from_numpy(rows))[2].softmax(1).mean(0).numpy()
    assert chances @ scores == pytest.approx(np.repeat(wanted, 3), abs=0.1)
    assert shares == pytest.approx(np.bincount(rows[:, 2], minlength=8) / len(rows), abs=0.02)


def test_means_lie_within_the_scores():
    model = network()
    scores = torch.from_numpy(normal_scores(EVEN[2], 8)).float()
    mean = Mean(scores, model, Line(model))
    mean.line.put(torch.full((len(mean.line.blocks()),), 1e3).double())
    found = mean.of(torch.from_numpy(real(100)))
    assert float(found.max()) == float(scores.max())
    assert float(found.min()) >= float(scores.min())
