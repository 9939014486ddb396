"""The autoregressive net: a proper distribution, drawn from as it is trained, with gradients per row in closed form."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from synth.models.nets.autoregressive import (
    MAX_SCORES,
    Autoregressive,
    cosines,
    draw_mask,
    draw_order,
    even_uniforms,
    smooth_bases,
    target_scores,
)
from synth.privacy.clipping import NORM_MARGIN
from synth.privacy.dpsgd import exact_closed_form_sum
from synth.privacy.layers import is_closed_form
from synth.table import Domain

SIZES = (4, 2, 3)
ONE_WAY = [np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.7, 0.3]), np.array([0.5, 0.2, 0.3])]
EVERY = torch.tensor(list(itertools.product(*map(range, SIZES))))


def domain(target="a", in_order=(4, 0, 3)):
    return Domain(names=("a", "b", "c"), sizes=SIZES, target=target, in_order=in_order)


def network(target="a", scored=True, in_order=(4, 0, 3), seed=0):
    dom = domain(target, in_order)
    scores = None
    if target is not None and scored:
        rng = np.random.default_rng(seed)
        found = [None if n == target else rng.random(k) for n, k in zip(dom.names, SIZES, strict=True)]
        scores = target_scores(dom, ONE_WAY, found)
    model = Autoregressive(dom, torch.from_numpy(np.log(np.concatenate(ONE_WAY))).float(), scores)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=source) * 0.4)
    return model


NETWORKS = [("a", True), ("c", True), ("b", False), (None, False)]


def by_hand(model, dom, row):
    """Log likelihood of one row, column by column, in numpy."""
    weight = (model.skip.weight * model.skip.mask).detach().double().numpy()
    bases = [b.double().numpy() for b in model.bases]
    offsets, order, total = dom.offsets, draw_order(dom), 0.0
    for rank, j in enumerate(order):
        mine = slice(offsets[j], offsets[j] + SIZES[j])
        logits = model.bias[mine].double().numpy().copy()
        for k in order[:rank]:
            logits += bases[j] @ weight[mine, offsets[k] : offsets[k] + SIZES[k]] @ bases[k][row[k]]
        if model.products is not None and j == order[-1]:
            scores = sum(model.scores[offsets[k] + row[k]].double().numpy() for k in order[:-1])
            pairs = [scores[a] * scores[b] * model.scale for a, b in zip(model.first, model.second, strict=True)]
            logits += bases[j] @ model.products.weight.detach().double().numpy() @ np.array(pairs)
        total += logits[row[j]] - np.log(np.exp(logits).sum())
    return total


@pytest.mark.parametrize(("target", "scored"), NETWORKS)
def test_forward_is_minus_the_log_likelihood_of_a_distribution(target, scored):
    model = network(target, scored)
    assert (model.products is not None) == scored
    with torch.no_grad():
        losses = model(EVERY)
    assert losses.shape == (len(EVERY),)
    assert float((-losses).exp().sum()) == pytest.approx(1.0, abs=1e-5)
    wanted = [-by_hand(model, domain(target), row) for row in EVERY.tolist()]
    assert losses.tolist() == pytest.approx(wanted, abs=1e-5)


def test_it_starts_at_independent_columns():
    logs = torch.from_numpy(np.log(np.concatenate(ONE_WAY))).float()
    model = Autoregressive(domain(), logs, target_scores(domain(), ONE_WAY, [None, np.arange(2.0), np.arange(3.0)]))
    wanted = [np.prod([p[c] for p, c in zip(ONE_WAY, row, strict=True)]) for row in EVERY.tolist()]
    with torch.no_grad():
        assert (-model(EVERY)).exp().tolist() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("target", ["a", "b", None])
def test_no_column_sees_itself_or_a_later_one(target):
    dom = domain(target)
    order, mask = draw_order(dom), draw_mask(dom)
    assert sorted(order) == [0, 1, 2]
    assert target is None or dom.names[order[-1]] == target
    column = np.repeat(range(3), SIZES)
    rank = {j: r for r, j in enumerate(order)}
    for out, inside in itertools.product(range(9), range(9)):
        assert mask[out, inside] == float(rank[column[inside]] < rank[column[out]])


def test_the_score_of_the_target_would_not_be_seen():
    """Only the other columns' scores feed the target's logits, so a row's loss is normalised over the target."""
    model = network("a")
    with torch.no_grad():
        losses = model(EVERY).reshape(SIZES)
    conditional = (-losses).exp() / (-losses).exp().sum(0, keepdim=True)
    assert conditional.sum(0).flatten().tolist() == pytest.approx([1.0] * 6, abs=1e-5)


@pytest.mark.statistical
@pytest.mark.parametrize(("target", "scored"), NETWORKS)
def test_rows_are_drawn_from_what_forward_says(target, scored):
    """200,000 independent rows: every cell within 0.006, over five standard errors of the likeliest (false alarm < 1e-5)."""
    model = network(target, scored)
    codes = model.draw_rows(torch.rand(200_000, 3, generator=torch.Generator().manual_seed(5)))
    shares = torch.zeros(SIZES).index_put_(tuple(codes.T), torch.tensor(1 / 200_000), accumulate=True)
    with torch.no_grad():
        wanted = (-model(EVERY)).exp().reshape(SIZES)
    assert (shares - wanted).abs().max() < 0.006


@pytest.mark.statistical
@pytest.mark.parametrize(("target", "scored"), NETWORKS)
def test_targets_are_met_and_stay_met(target, scored):
    """Calibrated on 16,384 draws and redrawn: each share within 0.02 (over four standard errors of both)."""
    model, rng = network(target, scored), np.random.default_rng(0)
    targets = [torch.tensor(p).float() for p in ([0.1, 0.1, 0.1, 0.7], [0.2, 0.8], [0.6, 0.0, 0.4])]
    model.draw_rows(even_uniforms(16_384, 3, rng), targets)
    codes = model.draw_rows(torch.rand(20_000, 3, generator=torch.Generator().manual_seed(1)))
    for j, wanted in enumerate(targets):
        assert (torch.bincount(codes[:, j], minlength=SIZES[j]) / 20_000 - wanted).abs().max() < 0.02


def single_rows(model, codes, clip):
    """One backward pass per row, clipped and summed."""
    total = np.zeros(sum(p.numel() for p in model.parameters()))
    for row in codes:
        grads = torch.autograd.grad(model(row[None]).sum(), list(model.parameters()))
        flat = torch.cat([g.flatten() for g in grads]).double().numpy()
        total += flat * min(1.0, clip / (np.linalg.norm(flat) * (1 + NORM_MARGIN)))
    return total


@pytest.mark.parametrize(("target", "scored"), NETWORKS)
@pytest.mark.parametrize("clip", [0.05, 1.0, 100.0])
def test_clipped_gradients_are_those_of_single_rows(target, scored, clip):
    model, codes = network(target, scored), EVERY[::2]
    assert is_closed_form(model)
    found, _ = exact_closed_form_sum(model, lambda m, c: m(c), codes, clip)
    wanted = single_rows(model, codes, clip)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.linalg.norm(wanted))


def test_a_target_that_is_learnt_apart_has_no_part_in_the_loss():
    model = network()
    with torch.no_grad():
        whole, apart = model(EVERY), model.losses(EVERY, apart=True)
        target = torch.nn.functional.cross_entropy(model.logits(EVERY)[0], EVERY[:, 0], reduction="none")
    assert torch.allclose(whole - apart, target, atol=1e-5)
    model.losses(EVERY, apart=True).sum().backward()
    assert not model.skip.weight.grad[:4].any()
    assert model.skip.weight.grad[4:].any()


def test_a_row_has_its_loss_to_itself():
    model = network()
    with torch.no_grad():
        alone = [float(model(row[None])) for row in EVERY]
        assert model(EVERY).tolist() == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 33])
def test_cosines_are_orthonormal_and_slowest_first(n):
    waves = cosines(n)
    np.testing.assert_allclose(waves.T @ waves, np.eye(n), atol=1e-12)
    changes = [int((np.diff(np.sign(w)) != 0).sum()) for w in waves.T]
    assert changes == list(range(n))


def test_bases_are_smooth_where_codes_are_ordered_only():
    smooth, plain, mixed = smooth_bases(Domain(names=("a", "b", "c"), sizes=(8, 3, 6), in_order=(8, 0, 4)))
    assert torch.equal(plain, torch.eye(3))
    energy = smooth.square().sum(0)
    assert energy.tolist() == sorted(energy.tolist(), reverse=True)
    assert float(energy.sum()) == pytest.approx(8.0, abs=1e-5)  # as much as the identity has
    assert torch.equal(mixed[4:, 4:], torch.eye(2))
    assert not mixed[:4, 4:].any()
    assert not mixed[4:, :4].any()
    assert [torch.equal(b, torch.eye(len(b))) for b in smooth_bases(Domain(names=("a",), sizes=(8,)))] == [True]


def test_target_scores_are_standardised_functions_of_one_column():
    dom = domain("b")
    scores = target_scores(dom, ONE_WAY, [np.array([0.1, 0.9, 0.3, 0.2]), None, np.array([0.3, 0.3, 0.9])]).double().numpy()
    assert scores.shape == (9, 4)  # two cosines of each ordered column
    for score in scores.T:
        (column,) = {int(np.repeat(range(3), SIZES)[i]) for i in np.flatnonzero(np.abs(score) > 1e-9)}
        assert column != 1
        values = score[dom.offsets[column] : dom.offsets[column] + SIZES[column]]
        assert float(ONE_WAY[column] @ values) == pytest.approx(0.0, abs=1e-6)
        assert float(ONE_WAY[column] @ values**2) == pytest.approx(1.0, abs=1e-5)


def test_unordered_columns_are_scored_by_the_target_and_useless_ones_not_at_all():
    dom = domain("b", in_order=(0, 0, 0))
    means = np.array([0.1, 0.9, 0.3, 0.2])
    scores = target_scores(dom, ONE_WAY, [means, None, np.full(3, 0.5)])
    assert scores.shape == (9, 1)
    assert np.corrcoef(scores[:4, 0].numpy(), means)[0, 1] == pytest.approx(1.0)
    assert target_scores(dom, ONE_WAY, [None] * 3).shape == (9, 0)
    assert target_scores(domain("b", ()), ONE_WAY, [means, None, None]).shape == (9, 1)


def test_scores_are_few_and_the_strongest():
    names = tuple(f"c{j}" for j in range(40))
    dom = Domain(names=names, sizes=(2,) * 40, target="c39", in_order=(0,) * 40)
    even = [np.full(2, 0.5)] * 40
    scores = target_scores(dom, even, [*(np.array([0.0, j / 40]) for j in range(39)), None])
    assert scores.shape == (80, MAX_SCORES)
    assert scores[: 2 * (39 - MAX_SCORES)].abs().max() == 0


@pytest.mark.parametrize("rows", [0, 1, 5, 4096])
def test_even_uniforms_have_their_shape_and_range(rows):
    found = even_uniforms(rows, 3, np.random.default_rng(0))
    assert (tuple(found.shape), found.dtype) == ((rows, 3), torch.float32)
    assert (found >= 0).all()
    assert (found < 1).all()


def test_even_uniforms_stay_below_one_in_single_precision(monkeypatch):
    class Last:
        def __init__(self, columns, **_):
            self.columns = columns

        def random_base2(self, power):
            return np.full((2**power, self.columns), 1 - 2.0**-30)

    monkeypatch.setattr("synth.models.nets.autoregressive.qmc.Sobol", Last)
    assert float(even_uniforms(8, 3, np.random.default_rng(1)).max()) < 1


def test_even_uniforms_repeat_differ_and_are_more_even_than_chance():
    one, two, other = (even_uniforms(4096, 2, np.random.default_rng(s)) for s in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    for column in one.T.numpy():
        assert kstest(column, "uniform").statistic < 0.2 / np.sqrt(4096)  # of independent draws about 0.87 / sqrt(n)
    cells = np.histogram2d(*one.T.numpy(), bins=16)[0]
    assert ((cells - 16) ** 2 / 16).sum() < 100  # independent draws: 255 +- 23
    assert abs(np.corrcoef(np.arange(4096), one[:, 0])[0, 1]) < 0.08  # in random order (false alarm below 1e-6)
