import math

import numpy as np
import torch

from synth.models.nets.adversarial import Critic, Game, Generator, Sight, shrunk
from synth.models.nets.tabular import column_of, fold_codes, one_hot, softmaxes

SIZES = (3, 2, 4)
ONE_WAY = [np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])]


def public(seed=0):
    return torch.Generator().manual_seed(seed)


def codes(n=50, seed=0):
    rng = np.random.default_rng(seed)
    offsets = np.cumsum((0, *SIZES[:-1]))
    return torch.from_numpy(np.column_stack([rng.integers(0, k, n) for k in SIZES]) + offsets)


def test_a_critic_starts_indifferent_and_scores_pairs():
    critic = Critic(Sight(sizes=SIZES, fold=torch.arange(9)))
    rows = codes() - torch.tensor([0, 3, 5])
    assert (critic(rows) == 0).all()
    with torch.no_grad():
        critic.bilinear.weight[0, 3] = 2.0
    assert torch.equal(critic(rows), 2.0 * (rows[:, 0] == 0) * (rows[:, 1] == 0))


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


def game(fold_width=12, split=-1, hidden=16):
    sight = Sight.splitting(SIZES, fold_codes(ONE_WAY, fold_width), split)
    shares = torch.from_numpy(np.concatenate(ONE_WAY)).float()
    generator = Generator(16, hidden, shares.log(), public())
    known = sight.moments(shares[None], torch.ones(1))
    return Game(sight, Critic(sight), generator, shares, known, public())


def exact_pairs(x):
    return x.T @ x / len(x)


def test_the_game_reaches_the_pairs_it_is_shown():
    """Exact gradients of dependent rows (the third column copies the first): the generator ends near their pair table."""
    played = game(hidden=32)
    rng = np.random.default_rng(0)
    n = 4000
    a = rng.choice(3, n, p=ONE_WAY[0])
    b = rng.choice(2, n, p=ONE_WAY[1])
    x = one_hot(torch.from_numpy(np.column_stack([a, 3 + b, 5 + a])), 9)
    played._target = x.mean(0)
    pairs = exact_pairs(x)
    for step in range(1, 31):
        played._critic.bilinear.weight.grad = -pairs
        played.critic_step(step, 0.0)
        for _ in range(20):
            played.generator_step(0.005, 1024)
    with torch.no_grad():
        made = softmaxes(played._average(torch.randn(4000, 16, generator=public(5))), SIZES)
    mask = played._mask
    before = (torch.outer(x.mean(0), x.mean(0)) - pairs) * mask
    after = (exact_pairs(made) - pairs) * mask
    assert after.norm() < 0.5 * before.norm()


def test_critic_steps_average_the_noisy_gradients():
    played = game()
    grads = [torch.randn(9, 9, generator=public(i)) for i in range(4)]
    for step, grad in enumerate(grads, start=1):
        played._critic.bilinear.weight.grad = grad
        played.critic_step(step, 0.0)
    mean = sum(-(g + g.T) / 2 for g in grads) / 4
    assert torch.allclose(played._real[0], mean, atol=1e-6)


def test_a_split_critic_sees_the_tables_of_each_class():
    """Moments of rows are the gradient that the core sums, and hold every pair's table within a class."""
    sight = Sight.splitting(SIZES, fold_codes(ONE_WAY, 12), 1)
    assert (sight.width, sight.classes) == (8, 2)
    rows = codes(200) - torch.tensor([0, 3, 5])
    critic = Critic(sight)
    critic(rows).sum().backward()
    found = torch.stack(critic.bilinear.weight.grad.split(8, 1))
    moments = sight.moments(one_hot(codes(200), 9), torch.ones(200))
    assert torch.allclose(found, moments)
    both = (rows[:, 0] == 2) & (rows[:, 1] == 1) & (rows[:, 2] == 3)
    assert moments[1, sight.fold[2], sight.fold[8]] == both.sum()
    assert moments[1, sight.fold[2], sight.fold[3]] == ((rows[:, 0] == 2) & (rows[:, 1] == 1)).sum()


def test_own_blocks_are_never_looked_at():
    played = game(fold_width=6)
    fold, column = fold_codes(ONE_WAY, 6), column_of(SIZES)
    for i, at in enumerate(fold):
        for j, other in enumerate(fold):
            assert played._mask[at, other] == float(column[i] != column[j])


def test_the_finished_generator_has_the_paid_one_way_tables():
    made = game().finished(16_384)
    with torch.no_grad():
        shares = softmaxes(made(torch.randn(20_000, 16, generator=public(4))), SIZES).mean(0)
        rows = made.draw_rows(torch.rand(20_000, 19, generator=public(5)), SIZES)
    assert (shares - torch.from_numpy(np.concatenate(ONE_WAY))).abs().max() < 0.01
    assert abs((rows[:, 1] == 0).float().mean() - 0.9) < 0.02
