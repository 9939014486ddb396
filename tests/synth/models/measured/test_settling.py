"""Noise taken out of a trained net: its size is known exactly, pure noise goes, what rows said stays."""

import numpy as np
import pytest
import torch

from synth.models.measured.settling import (
    TRUSTED,
    Steps,
    curvatures,
    kept_shares,
    product_curvatures,
    settle_products,
    settle_weights,
)
from synth.models.measured.warm import MOMENTUM, WARM_UP
from synth.models.nets.autoregressive import Autoregressive, target_scores
from synth.models.nets.tabular import schedule
from synth.privacy.dpsgd import SgdPlan, exact_closed_form_sum
from synth.table import Domain

SIZES = (12, 3, 10, 2)
DOMAIN = Domain(names=("a", "b", "c", "t"), sizes=SIZES, target="t", in_order=(12, 0, 10, 0))
ONE_WAY = [np.full(k, 1 / k) for k in SIZES]


def steps(noise_std=1e-3, norm=1.0, peak=0.5, count=60):
    return Steps(SgdPlan(steps=count, sample_rate=0.1, divisor=100.0, max_grad_norm=norm), noise_std, peak)


def network(domain=DOMAIN):
    rng = np.random.default_rng(0)
    scores = target_scores(domain, ONE_WAY, [None if n == "t" else rng.random(k) for n, k in zip("abct", SIZES, strict=True)])
    model = Autoregressive(domain, torch.zeros(sum(SIZES)), scores)
    with torch.no_grad():
        model.skip.weight.copy_(torch.from_numpy(rng.normal(0, 0.3, model.skip.weight.shape)))
        model.products.weight.copy_(torch.from_numpy(rng.normal(0, 0.1, model.products.weight.shape)))
    return model


def rows(n=200, seed=1):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.column_stack([rng.integers(0, k, n) for k in SIZES]))


@pytest.mark.parametrize("curvature", [0.0, 0.01, 0.3])
def test_the_noise_that_is_left_is_that_of_momentum_descent(curvature):
    """Descent is linear in its noise: the variance is the sum of the squared effects of a unit push at each step."""
    run, total = steps(noise_std=0.02), 0.0
    for pushed in range(run.plan.steps):
        weight = velocity = 0.0
        for step in range(run.plan.steps):
            velocity = MOMENTUM * velocity + curvature * weight + (step == pushed)
            weight -= run.peak * schedule(step, run.plan.steps, WARM_UP) * velocity
        total += weight**2
    assert run.noise(np.array([curvature]))[0] == pytest.approx(0.02 * total**0.5, rel=1e-2)


def second_derivative(model, weight, place, codes, step):
    losses = []
    for move in (step, -2 * step, step):
        weight[place] += move
        losses.append(float(model(codes).mean()))
    return (losses[0] + losses[1] - 2 * losses[2]) / step**2


@pytest.mark.parametrize("products", [False, True])
@torch.no_grad()
def test_curvatures_are_second_derivatives_where_nothing_is_clipped(products):
    model, codes, run = network(), rows(40), steps(norm=1e9)
    found = product_curvatures(model, codes, run) if products else curvatures(model, codes, run)
    model.double()
    model.bases = [basis.double() for basis in model.bases]
    weight = model.products.weight if products else model.skip.weight
    for place in [(0, 1), (1, 3)] if products else [(15, 3), (13, 5), (20, 1), (20, 13), (26, 8)]:
        wanted = second_derivative(model, weight, place, codes, 1e-2 if products else 1e-3)
        assert float(found[place]) == pytest.approx(wanted, rel=1e-2 if products else 1e-3, abs=1e-6)


def test_clipped_rows_bend_the_loss_less():
    model, codes = network(), rows(1)
    gradient, _ = exact_closed_form_sum(model, lambda module, c: module(c), codes, 1e9)
    free, clipped = (curvatures(model, codes, steps(norm=norm)) for norm in (1e9, 0.5))
    assert torch.allclose(clipped, free * 0.5 / float(np.linalg.norm(gradient)), rtol=1e-3)


def test_noise_is_told_from_signal_by_the_company_it_keeps():
    """Pure noise keeps a few per cent of its square; the same moves among many large ones of their pair keep more."""
    rng = np.random.default_rng(2)
    noise, signal = rng.normal(size=4000) ** 2, (5 * rng.normal(size=200)) ** 2
    pair, band = np.repeat([0, 1], [4000, 200]), np.zeros(4200, dtype=np.int64)
    kept = kept_shares(np.append(noise, signal), pair, band)
    assert kept[:4000].mean() < 0.05
    assert kept[4000:].mean() > 0.7
    middling = kept_shares(np.append(noise, [4.0] * 10), np.append(pair[:4000], [1] * 10), band[:4010])
    beside = kept_shares(np.append(noise, [*signal, 4.0]), np.append(pair[:4000], [1] * 201), np.zeros(4201, dtype=np.int64))
    assert beside[-1] > middling[-1]


def test_noise_goes_signal_and_the_target_stay():
    model, run = network(), steps()
    start, rng = model.skip.weight.detach().clone(), np.random.default_rng(3)
    noise = run.noise(np.zeros(1))[0] * rng.normal(size=start.shape)
    noise[15 + 1 : 15 + 4, 1:4] += 60 * run.noise(np.zeros(1))[0]  # column c given a: slow cosines
    with torch.no_grad():
        model.skip.weight.add_(torch.from_numpy(noise))
    trained = model.skip.weight.detach().clone()
    settle_weights(model, start, rows(), run, target=3)
    left = (model.skip.weight - start).detach()
    assert torch.equal(model.skip.weight[25:], trained[25:])
    assert torch.equal(model.skip.weight * (1 - model.mask), trained * (1 - model.mask))
    assert torch.allclose(left[16:19, 1:4], torch.from_numpy(noise[16:19, 1:4]).float(), rtol=0.1)
    assert left[12:15, :12].norm() < 0.75 * float(np.linalg.norm(noise[12:15, :12]))


def test_a_net_of_one_column_before_the_target_is_left_alone():
    dom = Domain(names=("a", "t"), sizes=(4, 2), target="t", in_order=(0, 0))
    model = Autoregressive(dom, torch.zeros(6))
    settle_weights(model, torch.ones(6, 6), torch.zeros(5, 2, dtype=torch.long), steps(), target=1)
    assert not model.skip.weight.any()


@pytest.mark.parametrize(("size", "least", "most"), [(0.0, 0.0, 0.5), (30.0, 0.9, 1.001)])
def test_products_lose_noise_and_half_of_what_is_left(size, least, most):
    model, run = network(), steps()
    start, rng = model.products.weight.detach().clone(), np.random.default_rng(4)
    sd = run.noise(2 * product_curvatures(model, rows(), run).numpy())
    moved = sd * (rng.normal(size=start.shape) + size * rng.choice([-1, 1], start.shape))
    moved -= moved.mean(0)
    with torch.no_grad():
        model.products.weight.add_(torch.from_numpy(moved))
    settle_products(model, start, rows(), run)
    left = (model.products.weight / TRUSTED - start).detach().numpy()
    assert least <= np.linalg.norm(left) / np.linalg.norm(moved) <= most


def test_products_of_an_ordered_target_stay():
    domain = Domain(names=("a", "b", "t"), sizes=(4, 3, 6), target="t", in_order=(4, 0, 6))
    means = [np.arange(4.0), np.arange(3.0), None]
    model = Autoregressive(domain, torch.zeros(13), target_scores(domain, [np.full(k, 1 / k) for k in (4, 3, 6)], means))
    with torch.no_grad():
        model.products.weight.fill_(0.3)
    settle_products(model, torch.zeros_like(model.products.weight), torch.zeros(5, 3, dtype=torch.long), steps())
    assert (model.products.weight == 0.3).all()
