"""Rules for clipping, and the count beside the gradients. C is the norm, w what a row adds to the count."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2
from torch import nn

from synth.errors import AccountingError, InputError
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.checkpoint import read_checkpoint
from synth.privacy.clipping import (
    ADAPTIVE,
    CLIPPINGS,
    FARTHEST,
    FLAT,
    GAMMA,
    HEADROOM,
    NORM_MARGIN,
    NORMALIZED,
    PER_LAYER,
    Clipping,
    ClipState,
    adapted,
    bounded,
    joint_norm,
    layer_norm,
    scores,
)
from synth.privacy.dpsgd import NoisyGradient, SgdPlan, exact_closed_form_sum
from synth.privacy.kept import KeptLedger
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import grid_bits
from synth.privacy.opacus_bridge import exact_hooks_sum
from synth.privacy.vault import PrivateTable
from synth.table import Domain

ROWS = st.lists(st.tuples(*[st.integers(-5, 5)] * 3, st.integers(0, 6)), min_size=2, max_size=6)


def joint(sums, module, loss, codes, norm, kind, weights=None):
    """Gradient and count with w = 1, as they get noise together."""
    total, score = sums(module, loss, codes, norm, weights, kind)
    return np.append(total, norm * (1 - HEADROOM) * score)


@pytest.mark.parametrize("kind", CLIPPINGS)
@pytest.mark.parametrize("sums", [exact_closed_form_sum, exact_hooks_sum])
@given(seed=st.integers(0, 10**6), rows=ROWS, norm=st.sampled_from([1e-3, 1.0, 50.0]))
def test_one_row_moves_gradient_and_count_together_by_at_most_their_bound(net, loss, sums, kind, seed, rows, norm):
    module, codes = net(seed, free=False), torch.tensor(rows)
    whole, without = (joint(sums, module, loss, some, norm, kind) for some in (codes, codes[1:]))
    assert np.isfinite(whole).all()
    assert np.linalg.norm(whole - without) <= joint_norm(norm, 1.0) * (1 + 1e-6)
    assert np.linalg.norm((whole - without)[:-1]) <= norm * (1 + 1e-6)


@pytest.mark.parametrize("kind", CLIPPINGS)
@given(parts=st.lists(st.integers(1, 12), min_size=1, max_size=5), rows=ROWS)
def test_rows_of_one_person_move_both_by_at_most_what_one_row_does(net, loss, kind, parts, rows):
    module, codes = net(), torch.tensor(rows)
    codes, owned = codes[torch.arange(12) % len(codes)], torch.tensor([1 / len(parts)] * len(parts), dtype=torch.float64)
    weights = torch.cat([owned, torch.ones(12 - len(parts), dtype=torch.float64)])
    whole = joint(exact_closed_form_sum, module, loss, codes, 0.5, kind, weights)
    without = joint(exact_closed_form_sum, module, loss, codes[len(parts) :], 0.5, kind, weights[len(parts) :])
    assert np.linalg.norm(whole - without) <= joint_norm(0.5, 1.0) * (1 + 1e-6)


def loop(module, loss, codes, norm, kind):
    """One backward pass a row, every rule as it is written down."""
    layers = [list(layer.parameters(recurse=False)) for layer in module.modules() if list(layer.parameters(recurse=False))]
    total, score = 0, 0.0
    for row in codes:
        flat = []
        for layer in layers:
            grads = torch.autograd.grad(loss(module, row[None]).sum(), layer, allow_unused=True)
            pairs = zip(grads, layer, strict=True)
            flat.append(torch.cat([torch.zeros(p.numel()) if g is None else g.flatten() for g, p in pairs]).double())
        lengths = torch.stack([torch.linalg.norm(f) for f in flat]) * (1 + NORM_MARGIN)
        whole = torch.linalg.norm(lengths)
        if kind == PER_LAYER:
            bound = norm / math.sqrt(len(layers))
            flat = [f * min(1.0, bound / max(float(n), 1e-30)) for f, n in zip(flat, lengths, strict=True)]
        elif kind == NORMALIZED:
            flat = [f * norm / (float(whole) + GAMMA) for f in flat]
        else:
            flat = [f * min(1.0, norm / max(float(whole), 1e-30)) for f in flat]
        bound, of = (norm / math.sqrt(len(layers)), lengths) if kind == PER_LAYER else (norm, whole[None])
        score += float((((1 - of / (1 + NORM_MARGIN) / bound) / 0.25).clamp(-1, 1)).mean())
        total = total + torch.cat(flat).numpy()
    return total, score


@pytest.mark.parametrize("kind", CLIPPINGS)
@pytest.mark.parametrize("sums", [exact_closed_form_sum, exact_hooks_sum])
@pytest.mark.parametrize("norm", [0.3, 3.0])
def test_sums_are_those_of_a_loop_over_rows(net, loss, sums, kind, norm):
    module = net(free=sums is exact_closed_form_sum, masked=sums is exact_closed_form_sum)
    codes = torch.from_numpy(np.random.default_rng(3).integers(0, 4, (9, 4)))
    codes[:, -1] %= 2
    wanted, wanted_score = loop(module, loss, codes, norm, kind)
    found, score = sums(module, loss, codes, norm, None, kind)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert score == pytest.approx(wanted_score, abs=1e-4)


def test_layers_are_cut_one_by_one_and_their_squares_add_up_to_the_norm():
    squared = torch.tensor([[100.0, 1e-6, 0.0], [4.0, 4.0, 0.0], [1e8, 1.0, 0.0]], dtype=torch.float64)
    factors, score = bounded(squared, 2.0, PER_LAYER)
    lengths = factors * squared.sqrt()
    assert (lengths <= layer_norm(2.0, 3)).all()
    assert 2 * 0.998 < float(lengths[:, 0].square().sum().sqrt()) <= 2
    assert factors[0, 1] == 1.0 > factors[1, 1]
    assert score[0] == -1.0
    assert score[2] == 1.0
    assert -1 < float(score[1]) < 1


@given(st.floats(0, 1e30), st.floats(1e-3, 1e3))
def test_a_normalized_gradient_is_shorter_than_the_norm_and_half_of_it_at_gamma(length, norm):
    (factor,), _ = bounded(torch.tensor([[length**2]], dtype=torch.float64), norm, NORMALIZED)
    assert float(factor) * length < norm
    (half,), _ = bounded(torch.tensor([[GAMMA**2]], dtype=torch.float64), norm, NORMALIZED)
    assert float(half) * GAMMA == pytest.approx(norm / 2, rel=1e-3)


@pytest.mark.parametrize("kind", CLIPPINGS)
def test_a_row_without_a_finite_norm_has_no_gradient_and_counts_as_cut(kind):
    squared = torch.tensor([[math.inf, math.nan, 0.0, 1e-9], [0.0, 0.0, math.nan, 1e-9]], dtype=torch.float64)
    factors, score = bounded(squared, 1.0, kind)
    assert factors.shape == (2, 4)
    assert not factors[:, :3].any()
    assert score.tolist() == [-1.0, -1.0, -1.0, 1.0]


@given(st.floats(0, 4), st.floats(0, 4))
def test_scores_do_not_jump(one, other):
    first, second = scores(torch.tensor([one, other], dtype=torch.float64).square(), 1.0).tolist()
    assert abs(first - second) <= 4 * abs(one - other) + 1e-9
    assert scores(torch.tensor([1.0]), 1.0) == 0


@pytest.mark.parametrize(
    "bad", [{"kind": "soft"}, {"quantile": 0.0}, {"kind": ADAPTIVE, "count_weight": 0.0}, {"count_weight": 2}]
)
def test_impossible_rules_are_refused(bad):
    with pytest.raises(InputError, match="clipping"):
        Clipping(**bad)


def test_what_a_count_costs_is_the_split_of_the_paper():
    """Bits of 1/2 either way: z_gradient^-2 = z^-2 - (2 sigma_b)^-2."""
    z, weight = 1.7, 0.3
    on_gradients, on_bits = z * joint_norm(1.0, weight), z * joint_norm(1.0, weight) / (2 * weight)
    assert on_gradients**-2 == pytest.approx(z**-2 - (2 * on_bits) ** -2)
    assert joint_norm(1.0, Clipping().weight) < 1.0003
    assert joint_norm(2.0, Clipping(kind=NORMALIZED).weight) == 2.0


class Line(nn.Module):
    """A row's gradient is its code: its norm is known."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(1, 1, bias=False)

    def forward(self, codes, normals=None):
        return self.line(codes.float()).squeeze(1)


def training(codes, keystream, clipping, *, steps=60, multiplier=1.0, norm=1.0, seed=1, divisor=None):
    plan = SgdPlan(
        steps=steps,
        sample_rate=0.5,
        divisor=divisor if divisor is not None else len(codes),
        max_grad_norm=norm,
        clipping=clipping,
    )
    batch = np.asarray(codes).reshape(-1, 1).astype(np.uint16)
    return NoisyGradient(Line(), lambda m, c, _: m(c), plan, multiplier, lambda: (batch, None), keystream(seed))


@pytest.mark.parametrize("quantile", [0.3, 0.5, 0.9])
def test_an_adaptive_norm_comes_to_the_quantile_from_either_side(keystream, quantile):
    """Norms 1 to 1,000 in equal shares; the noise of a share is 0.025 a step, and that of the norm about a twentieth."""
    codes = np.arange(1, 1001)
    for start in (3.0, 30_000.0):
        found = training(codes, keystream, Clipping(kind=ADAPTIVE, quantile=quantile), steps=200, norm=start)
        assert list(found.steps([])) == list(range(200))
        assert found.norm == pytest.approx(1000 * quantile, rel=0.25)


def test_other_norms_stay_where_they_are(keystream):
    for kind in (FLAT, PER_LAYER, NORMALIZED):
        found = training([1, 2, 3], keystream, Clipping(kind=kind), steps=3)
        std = found.noise_std
        list(found.steps([]))
        assert (found.norm, found.noise_std) == (1.0, std)


@pytest.mark.parametrize("kind", CLIPPINGS)
def test_the_share_that_was_cut_is_told_with_its_noise(keystream, kind):
    """Three of four are cut; the noise is 0.0005 of a share, and 6 of that are a false alarm in 5e8."""
    found = training([1, 9, 9, 9] * 500, keystream, Clipping(kind=kind, quantile=0.25), steps=80, norm=3.0)
    assert found.clipped() is None
    list(found.steps([]))
    told = found.clipped()
    if kind == NORMALIZED:
        assert told is None
        assert found.counted == 0.0
        return
    assert told.sd == pytest.approx(found._noise_multiplier / (2 * 0.02 * 0.95 * 2000 * math.sqrt(80)), rel=0.01)
    if kind != ADAPTIVE:
        assert told.share == pytest.approx(0.75, abs=6 * told.sd)
        assert told.norm == 3.0


@pytest.mark.statistical
@pytest.mark.parametrize("weight", [0.02, 0.5])
def test_both_parts_carry_noise_for_the_joint_bound(keystream, weight):
    """Sum of squares over the steps; false-alarm rate 4e-7."""
    found = training([], keystream, Clipping(count_weight=weight), steps=2000, multiplier=3.0, norm=0.5, divisor=10.0)
    drawn = []
    for _ in found.steps([]):
        drawn.append([float(found._parameters[0].grad), found.counted * weight * (1 - HEADROOM) * 0.5 / 10])
    gradient, count = (np.array(drawn) ** 2).sum(0) / found.noise_std**2
    for power in (gradient, count):
        assert chi2.isf(1 - 1e-7, 2000) < power < chi2.isf(1e-7, 2000)
    assert found.noise_std == pytest.approx(3.0 * 0.5 * math.sqrt(1 + weight**2) / 10, rel=0.006)
    assert abs(np.corrcoef(np.array(drawn).T)[0, 1]) < 5.5 / math.sqrt(2000)


def test_the_count_is_over_the_expected_batch_not_the_real_one(keystream):
    """With an empty sample, half of the expected rows seem uncut: the norm turns on noise alone."""
    found = training([], keystream, Clipping(kind=ADAPTIVE), steps=3, multiplier=1e-9, divisor=100.0)
    list(found.steps([]))
    assert found.norm == pytest.approx(1.0)
    assert found.clipped().share == pytest.approx(0.5)


def test_the_norm_is_a_function_of_released_counts_alone(keystream):
    found, norm = training(np.arange(1, 50), keystream, Clipping(kind=ADAPTIVE, quantile=0.8), steps=20), 1.0
    for _ in found.steps([]):
        assert found.norm == pytest.approx(norm, rel=1e-12)
        norm = adapted(norm, (1 + found.counted / 49) / 2, 0.8)


def test_updates_are_geometric_and_bounded():
    assert adapted(2.0, 0.5, 0.5) == 2.0
    assert adapted(2.0, 1e9, 0.5) == adapted(2.0, 1.0, 0.5) == pytest.approx(2 * math.exp(-0.1))
    assert adapted(2.0, -5.0, 0.5) == pytest.approx(2 * math.exp(0.1))
    state = ClipState(Clipping(kind=ADAPTIVE), 3.0)
    for _ in range(200):
        state.learn(-1.0)
    assert state.norm == 3.0 * FARTHEST


@pytest.mark.parametrize("norm", [math.nan, math.inf, 0.0, 1e-9, 1e9])
def test_a_norm_that_no_step_leads_to_is_refused(norm):
    state = ClipState(Clipping(), 1.0)
    state.kept[0] = norm
    with pytest.raises(AccountingError, match="clipping norm"):
        _ = state.norm


def test_charges_are_the_same_whatever_the_rule():
    """The count is paid for with noise on the gradients, not with budget."""
    charged = set()
    for kind in CLIPPINGS:
        book = Ledger(Budget(epsilon=3.0, delta=1e-6))
        book.set_rows(declared_rows(1000))
        table = PrivateTable(np.zeros((4, 1), dtype=np.int64), Domain(names=("a",), sizes=(2,)), book.rows, book)
        table.noisy_gradients(
            Line(), Line.forward, SgdPlan(steps=2, sample_rate=0.5, divisor=500.0, clipping=Clipping(kind=kind))
        )
        charged.add(book.events)
    assert len(charged) == 1


def part(book, stop, clipping):
    """Norms in force, and what is left at the end, of one part of a run on a table of one row."""
    rows = declared_rows(1000)
    book.set_rows(rows)
    table, module = PrivateTable(np.ones((1, 1), dtype=np.int64), Domain(names=("a",), sizes=(2,)), rows, book), Line()
    plan = SgdPlan(steps=40, sample_rate=0.5, divisor=100.0, max_grad_norm=0.1, clipping=clipping)
    gradients, norms = table.noisy_gradients(module, lambda m, c, _: m(c), plan), []
    for _ in gradients.steps(list(module.parameters())):
        norms.append(gradients.norm)
        if len(norms) == stop:
            break
    return norms, gradients


def test_a_run_that_goes_on_has_the_norm_and_the_count_it_had(tmp_path):
    how = Clipping(kind=ADAPTIVE, quantile=0.8)
    book = KeptLedger(Budget(epsilon=3.0, delta=1e-5), tmp_path / "ledger", tmp_path / "checkpoint", {}, 0)
    first, before = part(book, 11, how)  # two steps are kept at a time: the last of these is lost
    expected, count = read_checkpoint(tmp_path / "checkpoint").state[0][[0, 2]]
    assert count == 10
    book = KeptLedger.going_on(tmp_path / "ledger", tmp_path / "checkpoint", read_checkpoint(tmp_path / "checkpoint"))
    second, after = part(book, 100, how)
    assert second[0] == expected == pytest.approx(first[10])
    assert len(second) == 28
    assert float(after._clip.kept[2]) == 38
    assert before.clipped() is not None


def test_a_run_does_not_go_on_under_another_rule(tmp_path):
    book = KeptLedger(Budget(epsilon=3.0, delta=1e-5), tmp_path / "ledger", tmp_path / "checkpoint", {}, 0)
    part(book, 3, Clipping(kind=ADAPTIVE))
    book = KeptLedger.going_on(tmp_path / "ledger", tmp_path / "checkpoint", read_checkpoint(tmp_path / "checkpoint"))
    with pytest.raises(AccountingError, match="another question"):
        part(book, 3, Clipping(kind=ADAPTIVE, quantile=0.6))


def test_the_grid_has_room_for_the_count():
    """A row's share of the count is hundreds of cells, so that rounding costs it nothing that matters."""
    assert Clipping().weight * 2.0 ** grid_bits(2) > 20
