"""Per-row clipping, steps and their noise. C is the clipping norm; sums are compared before noise."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2
from torch import nn

from synth.errors import AccountingError, InputError, RefusedError
from synth.models.nets.autoregressive import Autoregressive
from synth.privacy import dpsgd
from synth.privacy.clipping import Clipping, clip_factors
from synth.privacy.dpsgd import NoisyGradient, SgdPlan, check_signal, exact_closed_form_sum, secret_normals
from synth.privacy.layers import RowParameter
from synth.privacy.mechanisms import grid_bits
from synth.privacy.opacus_bridge import exact_hooks_sum
from synth.privacy.randomness import os_entropy
from synth.table import Domain

SHAPES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10**6),
        "hidden": st.integers(2, 6),
        "bias": st.booleans(),
        "norm": st.booleans(),
        "masked": st.booleans(),
    }
)
ROWS = st.lists(st.tuples(*[st.integers(-5, 5)] * 3, st.integers(0, 6)), min_size=2, max_size=7)


def closed_form_sum(*args):
    return exact_closed_form_sum(*args)[0]


def hooks_sum(*args):
    return exact_hooks_sum(*args)[0]


@given(SHAPES, ROWS, st.sampled_from([1e-3, 1.0, 50.0]), st.booleans())
def test_one_row_moves_the_closed_form_sum_by_at_most_the_clipping_norm(net, loss, shape, rows, clip, free):
    module, codes = net(**shape, free=free), torch.tensor(rows)
    whole = closed_form_sum(module, loss, codes, clip)
    assert np.isfinite(whole).all()
    for i in range(len(codes)):
        without = closed_form_sum(module, loss, codes[torch.arange(len(codes)) != i], clip)
        assert np.linalg.norm(whole - without) <= clip * (1 + 1e-6)


@given(SHAPES, ROWS, st.sampled_from([1e-3, 1.0, 50.0]))
def test_one_row_moves_the_hooks_sum_by_at_most_the_clipping_norm(net, loss, shape, rows, clip):
    module, codes = net(**shape | {"masked": False}, free=False), torch.tensor(rows)
    whole = hooks_sum(module, loss, codes, clip)
    assert np.isfinite(whole).all()
    without = hooks_sum(module, loss, codes[1:], clip)
    assert np.linalg.norm(whole - without) <= clip * (1 + 1e-6)


@given(SHAPES, ROWS, st.integers(0, 6), st.integers(0, 6))
def test_scaling_one_loss_moves_the_sum_by_at_most_both_its_gradients(net, loss, shape, rows, before, after):
    module, codes = net(**shape), torch.tensor(rows)
    sums = []
    for factor in (before, after):
        codes[0, -1] = factor
        sums.append(closed_form_sum(module, loss, codes, 1.0))
    rest = closed_form_sum(module, loss, codes[1:], 1.0)
    assert all(np.linalg.norm(s - rest) <= 1 + 1e-6 for s in sums)


@given(SHAPES, ROWS, st.booleans())
def test_closed_form_hooks_and_single_rows_agree(net, loss, slow_sum, shape, rows, free):
    module, codes = net(**shape, free=free), torch.tensor(rows)
    codes[codes[:, -1] == 6, -1] = 0  # its squared norm overflows float32, and the closed form drops the row
    wanted = slow_sum(module, loss, codes, 0.5)
    close = {"rtol": 1e-5, "atol": 1e-5 * max(1e-9, np.linalg.norm(wanted))}
    np.testing.assert_allclose(closed_form_sum(module, loss, codes, 0.5), wanted, **close)
    if not free and not shape["masked"]:
        np.testing.assert_allclose(hooks_sum(module, loss, codes, 0.5), wanted, **close)


@pytest.mark.parametrize("factor", [4, 5])
def test_a_row_without_a_finite_gradient_counts_as_nothing(net, loss, factor):
    module, codes = net(), torch.tensor([[1, 2, 3, 0], [2, 0, 1, factor]])
    alone = closed_form_sum(module, loss, codes[:1], 1.0)
    np.testing.assert_allclose(closed_form_sum(module, loss, codes, 1.0), alone, rtol=1e-6)


def test_clip_factors_leave_a_margin_and_never_enlarge():
    squared = torch.tensor([0.0, 1e-8, 1.0, 4.0, 1e30, float("inf"), float("nan")])
    factor = clip_factors(squared, 1.0)
    assert factor.dtype == torch.float64
    assert factor[:2].tolist() == [1.0, 1.0]
    assert 0.999 < float(factor[2]) < 1
    assert (factor[2:5] * squared[2:5].double().sqrt() < 1).all()
    assert factor[5:].tolist() == [0.0, 0.0]


def test_an_unused_layer_gets_zeros_in_its_place(net, loss):
    module = net(norm=False, free=False)
    module.spare = nn.Linear(2, 2)
    total = closed_form_sum(module, loss, torch.tensor([[1, 2, 3, 0]]), 1.0)
    assert np.array_equal(total[-6:], np.zeros(6))
    assert np.abs(total[:-6]).min() > 0


def test_a_layer_whose_output_the_loss_drops_gets_zeros(net):
    module = net(norm=False)

    def loss(m, codes):
        m(codes)
        return (m.free.value * 1).sum() * 0 + m_free(m, codes)

    def m_free(m, codes):
        return codes[:, 0].float() * 0 + captured[0].sum(1)

    captured = []
    module.first.register_forward_hook(lambda layer, args, out: captured.insert(0, out))
    total = closed_form_sum(module, loss, torch.tensor([[1, 2, 3, 0], [0, 1, 1, 0]]), 1.0)
    assert np.abs(total[: sum(p.numel() for p in module.first.parameters())]).sum() > 0
    assert np.abs(total[sum(p.numel() for p in module.first.parameters()) :]).sum() == 0


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, codes):
        return self.layer(self.layer(codes.float()))


class Crowd(Twice):
    def forward(self, codes):
        return self.layer(codes.float().repeat(2, 1))[: len(codes)]


class Sequence(Twice):
    def forward(self, codes):
        return self.layer(codes.float()[:, None, :].expand(-1, 3, -1)).sum(1)


@pytest.mark.parametrize("kind", [Twice, Crowd, Sequence])
def test_uses_the_closed_form_does_not_cover_are_refused(kind):
    with pytest.raises(AccountingError, match=r"layer"):
        closed_form_sum(kind(), lambda m, c: m(c).sum(1), torch.ones(3, 2, dtype=torch.int64), 1.0)


@pytest.mark.parametrize("sums", [closed_form_sum, hooks_sum])
@pytest.mark.parametrize("reduce", [torch.sum, lambda x: x, lambda x: x.sum(1, keepdim=True)])
def test_losses_of_another_shape_are_refused(sums, reduce, net):
    with pytest.raises(AccountingError, match="one number per row"):
        sums(net(free=False), lambda m, c: reduce(m(c)), torch.ones(3, 4, dtype=torch.int64), 1.0)


def plan(**changes):
    return SgdPlan(**({"steps": 3, "sample_rate": 0.5, "divisor": 10.0, "max_grad_norm": 1.0} | changes))


def noisy(module, loss, batch, entropy, multiplier=1.0, **changes):
    def drawn(module, codes, normals):
        assert normals((len(codes), 2)).shape == (len(codes), 2)
        return loss(module, codes)

    return NoisyGradient(module, drawn, plan(**changes), multiplier, lambda: (batch(), None), entropy)


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"sample_rate": 0.0},
        {"sample_rate": 1.5},
        {"divisor": 0.0},
        {"max_grad_norm": -1.0},
        {"divisor": float("nan")},
    ],
)
def test_impossible_plans_are_refused(bad):
    with pytest.raises(InputError):
        plan(**bad)


def test_exactly_the_charged_steps_are_handed_out(net, loss, keystream):
    gradient = noisy(net(), loss, lambda: np.ones((2, 4), np.uint16), keystream(1), steps=2)
    gradient.step()
    gradient.step()
    with pytest.raises(AccountingError, match="have been used"):
        gradient.step()


def test_a_failing_step_is_used_up(net, keystream):
    def fails(module, codes):
        raise RuntimeError

    gradient = noisy(net(), fails, lambda: np.ones((2, 4), np.uint16), keystream(1), steps=1)
    with pytest.raises(RuntimeError):
        gradient.step()
    with pytest.raises(AccountingError):
        gradient.step()


def test_an_empty_sample_still_gets_noise_and_uses_a_step(net, loss, keystream):
    module = net()
    gradient = noisy(module, loss, lambda: np.empty((0, 4), np.uint16), keystream(2), steps=1)
    gradient.step()
    drawn = torch.cat([p.grad.flatten() for p in module.parameters()])
    assert (drawn != 0).float().mean() > 0.9
    with pytest.raises(AccountingError):
        gradient.step()


@pytest.mark.parametrize("layer", [True, False])
def test_gradient_is_the_noisy_clipped_sum_over_a_constant(net, loss, slow_sum, keystream, layer):
    module = net(free=False) if layer else nn.Sequential(net(free=False), nn.GroupNorm(1, 2))
    codes = np.random.default_rng(3).integers(0, 2, (9, 4))
    codes[:, -1] = 0
    gradient = noisy(module, loss, lambda: codes.astype(np.uint16), keystream(5), multiplier=1e-9, divisor=7.0)
    gradient.step()
    found = torch.cat([p.grad.flatten() for p in module.parameters()]).numpy()
    wanted = slow_sum(module, loss, torch.from_numpy(codes), 1.0) / 7
    assert np.abs(found - wanted).max() < 1e-4 + 2.0 ** -grid_bits(len(wanted))


def test_the_divisor_does_not_depend_on_the_batch(net, loss, keystream):
    found = []
    for rows in (0, 5):
        module = net()
        noisy(
            module, loss, lambda rows=rows: np.full((rows, 4), 1, np.uint16), keystream(6), multiplier=1e-9, divisor=1e6
        ).step()
        found.append(torch.cat([p.grad.flatten() for p in module.parameters()]))
    assert torch.linalg.norm(found[0] - found[1]) <= 5 * 1.01 / 1e6


def test_noise_std_is_that_of_the_gradient(net, loss, keystream):
    module = net()
    gradient = noisy(module, loss, lambda: np.empty((0, 4), np.uint16), keystream(11), multiplier=3.0, divisor=5.0, steps=300)
    draws = []
    for _ in range(300):
        gradient.step()
        draws.append(torch.cat([p.grad.flatten() for p in module.parameters()]).numpy())
    scaled = np.stack(draws) / gradient.noise_std
    size = scaled.size
    assert chi2.isf(1 - 1e-7, size) < (scaled**2).sum() < chi2.isf(1e-7, size)  # false alarm 2e-7
    assert (np.stack(draws) != 0).all(axis=1).mean() > 0.9


def test_a_long_batch_is_summed_in_chunks(net, loss, keystream, monkeypatch):
    codes = np.random.default_rng(3).integers(0, 2, (11, 4)).astype(np.uint16)
    grads = []
    for chunk in (4, 8192):
        monkeypatch.setattr(dpsgd, "chunk_rows", lambda _, chunk=chunk: chunk)
        module = net()
        noisy(module, loss, lambda: codes, keystream(7), multiplier=1e-9).step()
        grads.append(torch.cat([p.grad.flatten() for p in module.parameters()]))
    torch.testing.assert_close(*grads, rtol=1e-4, atol=2.0**-12)  # one cell of the grid, over the divisor of 10


def test_a_module_without_parameters_is_refused(loss, keystream):
    with pytest.raises(AccountingError, match="no trainable"):
        noisy(nn.ReLU(), loss, lambda: None, keystream(1))


def test_tied_parameters_are_refused(net, loss, keystream):
    module = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    module[1].weight = module[0].weight
    with pytest.raises(AccountingError, match="share a parameter"):
        noisy(module, loss, lambda: None, keystream(1))


def test_frozen_parameters_get_no_gradient(net, loss, keystream):
    module = net(free=False)
    for p in module.first.parameters():
        p.requires_grad_(False)
    noisy(module, loss, lambda: np.ones((2, 4), np.uint16), keystream(8)).step()
    assert all(p.grad is None for p in module.first.parameters())
    assert module.last.weight.grad is not None


def test_drowned_training_is_refused_and_the_epsilon_it_names_is_enough():
    module = nn.Linear(100, 100)
    with pytest.raises(RefusedError, match=r"use --epsilon 11 or more"):
        check_signal(module, plan(steps=100), 10.04, 1.0)
    check_signal(module, plan(steps=100), 0.9, 1.0)


def test_latent_draws_come_from_fresh_secret_bits(keystream):
    entropy = keystream(9)
    a, b = secret_normals((4, 2), entropy), secret_normals((4, 2), entropy)
    assert a.shape == (4, 2)
    assert not torch.equal(a, b)
    assert entropy.drawn == 2 * 32
    assert torch.equal(a, secret_normals((4, 2), keystream(9)))


def test_row_parameter_sums_its_gradient_per_row(slow_sum):
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = RowParameter(torch.zeros(2, 2))

    def loss(module, codes):
        return ((module.mean(len(codes)) - codes.float().reshape(-1, 2, 2)) ** 2).sum((1, 2))

    codes = torch.tensor([[1, 2, 3, 4], [0, 0, 1, 0]])
    np.testing.assert_allclose(closed_form_sum(Mean(), loss, codes, 1.0), slow_sum(Mean(), loss, codes, 1.0), rtol=1e-6)


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3, affine=False), nn.BatchNorm1d(3), nn.Dropout(0.5)])
def test_layers_that_mix_rows_or_draw_predictable_masks_are_refused(layer):
    module = nn.Sequential(nn.Linear(3, 3), layer)
    plan = SgdPlan(steps=1, sample_rate=0.5, divisor=1.0)
    with pytest.raises(AccountingError, match="not allowed where rows pass"):
        NoisyGradient(module, lambda m, c, _: m(c.float()).sum(1), plan, 1.0, lambda: np.zeros((2, 3)), os_entropy)


@pytest.mark.parametrize("sums", [closed_form_sum, hooks_sum])
def test_weights_count_after_clipping_so_rows_that_share_a_weight_of_one_move_the_sum_by_one_norm(sums, net, loss):
    module, codes = net(free=False), torch.tensor([[1, 2, 3, 2], [1, 2, 3, 2], [2, 0, 1, 0], [3, 1, 1, 2]])
    weights = torch.tensor([0.25, 0.5, 0.75, 1.0], dtype=torch.float64)
    alone = [sums(module, loss, row[None], 0.5) for row in codes]
    wanted = sum(float(w) * one for w, one in zip(weights, alone, strict=True))
    np.testing.assert_allclose(sums(module, loss, codes, 0.5, weights), wanted, rtol=1e-5, atol=1e-7)
    thirds = torch.full((3,), 1 / 3, dtype=torch.float64)
    whole = sums(module, loss, codes[[0, 0, 0]], 0.5, thirds)
    assert np.linalg.norm(whole) <= 0.5
    np.testing.assert_allclose(whole, alone[0], rtol=1e-5, atol=1e-7)


def test_a_step_weighs_the_rows_of_every_chunk(net, loss, keystream, monkeypatch):
    monkeypatch.setattr(dpsgd, "chunk_rows", lambda _: 2)
    seen = []
    rows, weights = np.array([[1, 2, 3, 0]] * 5, dtype=np.uint16), np.array([0.5, 0.25, 0.25, 1.0, 0.125])
    real = dpsgd.exact_closed_form_sum
    monkeypatch.setattr(
        dpsgd, "exact_closed_form_sum", lambda m, f, c, n, w, *k: seen.extend(w.tolist()) or real(m, f, c, n, w, *k)
    )
    NoisyGradient(net(), lambda m, c, _: loss(m, c), plan(), 1.0, lambda: (rows, weights), keystream(3)).step()
    assert sorted(seen) == sorted([*weights.tolist(), 0.0])


def test_weights_that_make_last_bits_decide_do_not_make_one_row_move_those_of_others():
    """Two codes have equal, huge logits; which is larger is rounding, which BLAS does in another way for three rows."""
    sizes = (40, 40)
    model = Autoregressive(Domain(names=("a", "b"), sizes=sizes, target="b", in_order=sizes), torch.zeros(80))
    rng, whole, worst = np.random.default_rng(0), model.skip.basis.double(), 0.0
    for _ in range(25):
        logits = torch.zeros(40, dtype=torch.float64)
        logits[rng.choice(7, 2, replace=False)] = 10.0 ** rng.uniform(6, 12)
        wanted = torch.zeros(80, 80, dtype=torch.float64)
        wanted[:40, 40:] = torch.linalg.solve(model.bases[1].double(), logits)
        with torch.no_grad():
            model.skip.weight.copy_(torch.linalg.solve(whole, wanted).T)
        sums = [released(model, rows) for rows in (2, 3, 4, 5)]
        worst = max(worst, *(float(np.linalg.norm(b - a)) for a, b in itertools.pairwise(sums)))
    assert worst <= 1.01


def released(model, rows):
    """The clipped sum of equal rows, next to no noise."""
    codes = np.array([[0, 7]] * rows, dtype=np.uint16)
    quiet = SgdPlan(steps=1, sample_rate=1.0, divisor=1.0, clipping=Clipping(count_weight=0.0))
    NoisyGradient(model, lambda m, c, _: m(c), quiet, 1e-9, lambda: (codes, None), os_entropy).step()
    return torch.cat([p.grad.flatten() for p in model.parameters()]).numpy()
