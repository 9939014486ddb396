import math

import numpy as np
import pytest
import torch

from synth.models.dpgan import DPGAN, Critic, Generator, _Game, shrunk
from synth.models.nets.tabular import column_of, fold_codes, one_hot, softmaxes
from synth.privacy.budget import RowCount, declared_rows
from synth.privacy.dpsgd import clip_factors

SIZES = (3, 2, 4)
ONE_WAY = [np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])]


def public(seed=0):
    return torch.Generator().manual_seed(seed)


def codes(n=50, seed=0):
    rng = np.random.default_rng(seed)
    offsets = np.cumsum((0, *SIZES[:-1]))
    return torch.from_numpy(np.column_stack([rng.integers(0, k, n) for k in SIZES]) + offsets)


@pytest.mark.parametrize("width", [12, 5])
def test_clipping_never_bites(width):
    """The gradient of a row in W is x x^T: as many ones as there are pairs of columns, so its norm is their number."""
    fold = fold_codes(ONE_WAY, width)
    x = one_hot(fold[codes()], int(fold.max()) + 1)
    critic = Critic(x.shape[1])
    torch.nn.init.normal_(critic.bilinear.weight, generator=public())
    norm = DPGAN().plan(declared_rows(10_000), len(SIZES)).max_grad_norm
    for row in x:
        critic.zero_grad()
        critic(row[None]).sum().backward()
        found = critic.bilinear.weight.grad.norm()
        assert found == pytest.approx(len(SIZES))
        assert clip_factors(found.square()[None], norm) == 1.0


def test_a_critic_starts_indifferent_and_scores_pairs():
    critic = Critic(9)
    x = one_hot(codes(), 9)
    assert (critic(x) == 0).all()
    with torch.no_grad():
        critic.bilinear.weight[0, 3] = 2.0
    assert torch.equal(critic(x), 2.0 * x[:, 0] * x[:, 3])


def test_a_generator_starts_near_the_paid_tables():
    bias = torch.from_numpy(np.log(np.concatenate(ONE_WAY))).float()
    made = softmaxes(Generator(16, 64, bias, public())(torch.randn(5000, 16, generator=public(1))), SIZES).mean(0)
    assert (made - bias.exp()).abs().max() < 0.05


def test_noise_alone_is_shrunk_to_nothing():
    """Pure symmetric noise has its spectrum inside 2 s sqrt(d) (plus an edge of a few percent at this width)."""
    d, s = 200, 0.5
    noise = torch.randn(d, d, generator=public()) * s
    noise = (noise + noise.T) / math.sqrt(2)
    assert shrunk(noise, s, columns=1).norm() < 0.05 * noise.norm()


def test_strong_directions_are_kept():
    d, s = 200, 0.01
    v = torch.randn(d, generator=public(1))
    v /= v.norm()
    noise = torch.randn(d, d, generator=public()) * s
    signal = 20.0 * torch.outer(v, v)
    found = shrunk(signal + (noise + noise.T) / math.sqrt(2), s, columns=1)
    assert (found - signal).norm() < 0.02 * signal.norm()


def test_without_noise_nothing_is_shrunk():
    matrix = torch.randn(8, 8, generator=public())
    matrix = matrix + matrix.T
    assert torch.allclose(shrunk(matrix, 0.0, columns=3), matrix, atol=1e-4)


def game(options, fold_width=12, rows=10_000, noise=0.0):
    fold = fold_codes(ONE_WAY, fold_width)
    return _Game(options, ONE_WAY, fold, Critic(int(fold.max()) + 1), noise, rows, public())


def exact_pairs(x):
    return x.T @ x / len(x)


def test_the_game_reaches_the_pairs_it_is_shown():
    """Exact gradients of dependent rows (the third column copies the first): the generator ends near their pair table."""
    options = DPGAN(steps=30, generator_steps=20, hidden=32)
    played = game(options)
    rng = np.random.default_rng(0)
    n = 4000
    a = rng.choice(3, n, p=ONE_WAY[0])
    b = rng.choice(2, n, p=ONE_WAY[1])
    x = one_hot(torch.from_numpy(np.column_stack([a, 3 + b, 5 + a])), 9)
    played._target = x.mean(0)
    pairs = exact_pairs(x)
    for step in range(1, 31):
        played._critic.bilinear.weight.grad = -pairs
        played.critic_step(step)
        for _ in range(20):
            played.generator_step(600)
    with torch.no_grad():
        made = softmaxes(played._average(torch.randn(4000, options.latent, generator=public(5))), SIZES)
    mask = played._mask
    before = (torch.outer(x.mean(0), x.mean(0)) - pairs) * mask
    after = (exact_pairs(made) - pairs) * mask
    assert after.norm() < 0.5 * before.norm()


def test_critic_steps_average_the_noisy_gradients():
    played = game(DPGAN())
    grads = [torch.randn(9, 9, generator=public(i)) for i in range(4)]
    for step, grad in enumerate(grads, start=1):
        played._critic.bilinear.weight.grad = grad
        played.critic_step(step)
    mean = sum(-(g + g.T) / 2 for g in grads) / 4
    assert torch.allclose(played._real, mean, atol=1e-6)


def test_own_blocks_are_never_looked_at():
    played = game(DPGAN(), fold_width=6)
    fold, column = fold_codes(ONE_WAY, 6), column_of(SIZES)
    for i, at in enumerate(fold):
        for j, other in enumerate(fold):
            assert played._mask[at, other] == float(column[i] != column[j])


def test_the_finished_generator_has_the_paid_one_way_tables():
    played = game(DPGAN(hidden=16))
    tensors = played.finished(ONE_WAY)
    made = Generator(16, 16, torch.zeros(9), public(3))
    made.load_state_dict({k: torch.from_numpy(v) for k, v in tensors.items()})
    with torch.no_grad():
        shares = softmaxes(made(torch.randn(20_000, 16, generator=public(4))), SIZES).mean(0)
    assert (shares - torch.from_numpy(np.concatenate(ONE_WAY))).abs().max() < 0.01


def test_plans_depend_on_public_figures_only():
    one, two = (RowCount(estimate=e, rung=10_000, highest=11_000, public=False) for e in (9_500, 10_700))
    first, second = DPGAN().plan(one, 5), DPGAN().plan(two, 5)
    assert (first.steps, first.sample_rate, first.max_grad_norm) == (second.steps, second.sample_rate, second.max_grad_norm)
    assert first.divisor == pytest.approx(first.sample_rate * 9_500)
    assert first.max_grad_norm == pytest.approx(5, rel=2e-3)
    assert DPGAN().plan(declared_rows(100), 5).sample_rate == 1.0
    assert DPGAN(batch_size=10).plan(declared_rows(100), 5).sample_rate == pytest.approx(0.1)
