import math

import numpy as np
import pytest
import torch

from synth.models.nets.autoregressive import smooth_bases
from synth.models.nets.tabular import fold_codes
from synth.models.nets.vae import VAE, Shape
from synth.privacy.layers import is_closed_form
from synth.table import Domain

SIZES = (3, 2, 4)
ONE_WAY = [np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])]


def public(seed=0):
    return torch.Generator().manual_seed(seed)


def uniforms(n, seed):
    return torch.rand(n, 6, generator=public(seed))


def network(target=-1, width=12, seed=0, trained=True):
    shape = Shape(sizes=SIZES, target=target, fold=fold_codes(ONE_WAY, width), latent=2, components=3)
    model = VAE(shape, torch.from_numpy(np.log(np.concatenate(ONE_WAY))).float(), public(seed))
    if trained:
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn(p.shape, generator=public(seed + 1)) * 0.5)
    return model


def rows(n=20, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.column_stack([rng.integers(0, k, n) for k in SIZES]) + np.array([0, 3, 5]))


def loss(model, outputs, noise):
    return model(outputs, lambda size: noise[: size[0]])


@pytest.mark.parametrize("width", [12, 6, 3])
@pytest.mark.parametrize("target", [-1, 0, 1])
def test_no_column_sees_itself_or_a_later_one(target, width):
    """Changing a column's code never moves the logits of a column drawn no later, and may move the later ones."""
    model = network(target, width)
    shape = model.shape
    order = shape.order()
    assert sorted(order) == [0, 1, 2]
    assert target < 0 or order[-1] == target
    outputs = rows(1)
    base = model.skip(shape.fold[outputs])
    for rank, j in enumerate(order):
        for code in range(SIZES[j]):
            changed = outputs.clone()
            changed[0, j] = shape.offsets[j] + code
            moved = model.skip(shape.fold[changed]) != base
            for earlier in order[: rank + 1]:
                low = shape.offsets[earlier]
                assert not moved[0, low : low + SIZES[earlier]].any()
    last, first = order[-1], order[0]
    low = shape.offsets[last]
    assert shape.mask()[low, shape.fold[shape.offsets[first]]] == 1


def test_a_row_has_its_loss_to_itself():
    """Given the same noise, other rows of the batch do not matter: otherwise clipping per row would bound nothing."""
    model, outputs, noise = network(), rows(), torch.randn(20, 2, generator=public(7))
    together = loss(model, outputs, noise)
    assert together.shape == (20,)
    for i in range(20):
        alone = loss(model, outputs[i : i + 1], noise[i : i + 1])
        assert alone.item() == pytest.approx(together[i].item(), rel=1e-5)
    assert loss(model, outputs.flip(0), noise.flip(0)).flip(0).tolist() == pytest.approx(together.tolist(), rel=1e-5)


def test_the_closed_form_covers_the_network():
    assert is_closed_form(network())


def test_the_loss_is_the_evidence_bound():
    """Averaged over the encoder's noise it is at least minus the log likelihood, found here by drawing from the prior."""
    model, outputs = network(), rows(3)
    with torch.no_grad():
        bound = torch.stack([loss(model, outputs, torch.randn(3, 2, generator=public(i))) for i in range(400)]).mean(0)
        z = model.draw_latents(torch.rand(40_000, 3, generator=public(3)))
        for i in range(3):
            logits = model.bias + model.decoder(z) + model.skip(model.shape.fold[outputs[i : i + 1]])
            parts = [p.log_softmax(1) for p in logits.split(SIZES, 1)]
            log_p = sum(p[:, outputs[i, j] - model.shape.offsets[j]] for j, p in enumerate(parts))
            evidence = -(log_p.logsumexp(0) - math.log(40_000))
            assert bound[i] > evidence - 0.05


def test_the_prior_is_a_density():
    model = network()
    grid = torch.linspace(-14, 14, 281)
    z = torch.cartesian_prod(grid, grid)
    with torch.no_grad():
        mass = model.log_prior(z).exp().sum() * 0.1 * 0.1
    assert mass == pytest.approx(1.0, abs=0.02)


@pytest.mark.statistical
def test_latents_follow_the_prior():
    """Mean of 50,000 draws within 0.05 of the mixture's (over four standard errors at these scales)."""
    model = network()
    with torch.no_grad():
        z = model.draw_latents(torch.rand(50_000, 3, generator=public(2)))
        mean = model.weights.value.softmax(0) @ model.means.value
    assert (z.mean(0) - mean).abs().max() < 0.05


def shares(codes):
    return [torch.bincount(codes[:, j], minlength=k) / len(codes) for j, k in enumerate(SIZES)]


@pytest.mark.statistical
@pytest.mark.parametrize("target", [-1, 0])
def test_targets_are_met_and_stay_met(target):
    """Calibrated on 30,000 draws and redrawn from another seed: each share within 0.02 (four standard errors twice)."""
    model = network(target)
    targets = [torch.tensor(p).float() for p in ([0.2, 0.2, 0.6], [0.5, 0.5], [0.7, 0.1, 0.1, 0.1])]
    with torch.no_grad():
        before = shares(model.draw_rows(uniforms(30_000, 1)))
        model.draw_rows(uniforms(30_000, 2), targets)
        after = shares(model.draw_rows(uniforms(30_000, 3)))
    assert max((b - t).abs().max() for b, t in zip(before, targets, strict=True)) > 0.05
    for found, wanted in zip(after, targets, strict=True):
        assert (found - wanted).abs().max() < 0.02


@pytest.mark.statistical
def test_rows_are_drawn_from_the_model_that_is_trained():
    """The share of one cell against its likelihood under the prior, both by Monte Carlo: within 0.012."""
    model = network(target=1)
    with torch.no_grad():
        codes = model.draw_rows(uniforms(40_000, 1))
        outputs = torch.tensor([[0, 3, 8]])
        z = model.draw_latents(torch.rand(40_000, 3, generator=public(2)))
        parts = (model.bias + model.decoder(z) + model.skip(model.shape.fold[outputs])).split(SIZES, 1)
        likelihood = torch.stack([p.softmax(1)[:, c] for p, c in zip(parts, (0, 0, 3), strict=True)]).prod(0).mean()
    drawn = ((codes == torch.tensor([0, 0, 3])).all(1)).float().mean()
    assert drawn == pytest.approx(likelihood.item(), abs=0.012)


def smooth_pair():
    """A network in a basis and its twin in codes: the same function of rows."""
    domain = Domain(names=("a", "b", "c"), sizes=SIZES, target="b", in_order=(3, 0, 4))
    basis = torch.block_diag(*smooth_bases(domain))
    shape = Shape(sizes=SIZES, target=1, fold=torch.arange(9), latent=2, components=3)
    smooth, plain = (VAE(shape, torch.zeros(9), public(), b) for b in (basis, None))
    with torch.no_grad():
        smooth.skip.weight.copy_(torch.randn(9, 9, generator=public(1)) * smooth.skip.mask)
        plain.load_state_dict(smooth.state_dict())
        plain.skip.weight.copy_(basis @ smooth.skip.weight @ basis.T)
        plain.decoder.weight.copy_(basis @ smooth.decoder.weight)
        plain.encoder.weight.copy_(smooth.encoder.weight @ basis.T)
    return smooth, plain


def test_a_basis_changes_the_coordinates_alone():
    smooth, plain = smooth_pair()
    codes, noise = rows() - torch.tensor([0, 3, 5]), torch.randn(20, 2, generator=public(7))
    one, two = (m.row_losses(codes, lambda size: noise[: size[0]]) for m in (smooth, plain))
    assert torch.allclose(one, two, atol=1e-4)
    drawn = [m.draw_rows(uniforms(2000, 3)) for m in (smooth, plain)]
    assert (drawn[0] != drawn[1]).float().mean() < 0.001
