import numpy as np
import pytest
import torch

from synth.errors import ArtifactError, InputError
from synth.models.base import Run
from synth.models.dpvae import DPVAE, released, restored
from synth.models.nets.vae import VAE, Shape
from synth.privacy.budget import Budget, RowCount, declared_rows
from synth.privacy.clipping import Clipping
from synth.privacy.ledger import Ledger
from synth.privacy.vault import PrivateTable
from synth.table import Domain

SIZES = (3, 2, 4)


@pytest.mark.parametrize("warm", [True, False])
def test_plans_depend_on_public_figures_only(warm):
    one, two = (RowCount(estimate=e, rung=40_000, highest=44_000, public=False) for e in (38_000, 43_000))
    first, second = (DPVAE(warm_start=warm).plan(rows, 1.0) for rows in (one, two))
    assert (first.steps, first.sample_rate, first.max_grad_norm) == (second.steps, second.sample_rate, second.max_grad_norm)
    assert first.divisor == pytest.approx(first.sample_rate * 38_000)


@pytest.mark.parametrize(("epsilon", "steps"), [(0.01, 60), (1.0, 200), (4.0, 400), (50.0, 400)])
def test_steps_grow_with_epsilon(epsilon, steps):
    assert DPVAE(warm_start=False).plan(declared_rows(40_000), epsilon).steps == steps
    assert DPVAE().plan(declared_rows(40_000), epsilon).steps == max(steps, 100)
    assert DPVAE(steps=7).plan(declared_rows(40_000), epsilon).steps == 7


def test_small_tables_take_part_whole():
    assert DPVAE().plan(declared_rows(500), 1.0).sample_rate == 1.0


def test_rates_fall_with_the_noise_and_can_be_set():
    cold = DPVAE(warm_start=False)
    rates = [cold._peak_rate(noise) for noise in (1e-6, 1e-4, 7e-4, 1e-2, 10.0)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[-1]) == (3.0, 0.1)
    assert rates[2] == pytest.approx(2.0)
    assert DPVAE()._peak_rate(7e-4) == pytest.approx(1.0)
    assert DPVAE(learning_rate=0.3)._peak_rate(5.0) == 0.3


def test_clipping_is_a_choice():
    assert DPVAE(clipping="adaptive", clip_quantile=0.7).plan(declared_rows(500), 1.0).clipping == Clipping(
        kind="adaptive", quantile=0.7
    )
    with pytest.raises(InputError, match="clipping must be one of"):
        DPVAE(clipping="ghost")


def test_a_release_without_weights_is_refused():
    shape = Shape(sizes=(2, 2), target=-1, fold=torch.arange(4), latent=2, components=3)
    model = VAE(shape, torch.zeros(4), torch.Generator())
    arrays = released(model)
    assert not any(name.startswith("encoder") for name in arrays)
    restored(model, arrays)
    del arrays["skip.weight"]
    with pytest.raises(ArtifactError, match="lacks weights"):
        restored(model, arrays)


def private(seed=0, n=4000):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 3, n)
    codes = np.column_stack([a, rng.integers(0, 2, n), np.where(rng.random(n) < 0.8, a, 3)])
    domain = Domain(names=("a", "b", "c"), sizes=SIZES, target="b", in_order=(0, 0, 0))
    return PrivateTable(codes, domain, declared_rows(n), Ledger(Budget(epsilon=3.0, delta=1e-5))), codes


@pytest.mark.parametrize("warm", [True, False])
def test_both_starts_learn_dependence_and_spend_the_budget(warm):
    """c copies a in 8 of 10 rows; a fit of few steps must find a good part of it (independent columns: 0.27)."""
    table, codes = private()
    model = DPVAE(warm_start=warm, steps=10)
    fitted = model.fit(table, Run())
    made = model.sample(fitted, table.domain, 4000, np.random.default_rng(0)).codes
    assert abs((made[:, 0] == 0).mean() - (codes[:, 0] == 0).mean()) < 0.05
    assert (made[:, 0] == made[:, 2]).mean() > (0.7 if warm else 0.3)
    assert table.ledger.spent() == pytest.approx(3.0, rel=0.01)
