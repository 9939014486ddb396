import numpy as np
import pytest
import torch

from synth.errors import InputError
from synth.models.base import Run
from synth.models.dpgan import DPGAN, Noise, sharpened
from synth.models.measured.evidence import Evidence, Table
from synth.models.nets.adversarial import Critic, Sight
from synth.models.nets.tabular import fold_codes, one_hot
from synth.privacy.budget import Budget, RowCount, declared_rows
from synth.privacy.clipping import clip_factors
from synth.privacy.ledger import Ledger
from synth.privacy.vault import PrivateTable
from synth.table import Domain

SIZES = (3, 2, 4)
ONE_WAY = [np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])]


@pytest.mark.parametrize("split", [-1, 1])
@pytest.mark.parametrize("width", [12, 5])
def test_clipping_never_bites(width, split):
    """The gradient of a row in W is x x^T: as many ones as there are pairs of columns, so its norm is their number."""
    rng = np.random.default_rng(0)
    sight = Sight.splitting(SIZES, fold_codes(ONE_WAY, width), split)
    critic = Critic(sight)
    torch.nn.init.normal_(critic.bilinear.weight, generator=torch.Generator())
    norm = DPGAN().plan(declared_rows(10_000), len(SIZES)).max_grad_norm
    for row in torch.from_numpy(np.column_stack([rng.integers(0, k, 50) for k in SIZES])):
        critic.zero_grad()
        critic(row[None]).sum().backward()
        found = critic.bilinear.weight.grad.norm()
        assert found == pytest.approx(len(SIZES))
        assert clip_factors(found.square()[None], norm) == 1.0


@pytest.mark.parametrize("rule", ["adaptive", "per_layer", "normalized"])
def test_rules_that_have_no_use_where_nothing_is_cut_are_refused(rule):
    with pytest.raises(InputError, match="leave clipping at flat"):
        DPGAN(clipping=rule)
    assert DPGAN().plan(declared_rows(500), 3).clipping.weight == 0.0


def test_tables_and_critic_meet_by_inverse_variance():
    """A critic without noise replaces the tables; one of the tables' own noise is averaged with them."""
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(np.column_stack([rng.integers(0, k, 500) for k in SIZES]))
    domain = Domain(names=("a", "b", "c"), sizes=SIZES, target="b", in_order=(0, 0, 0))
    sight = Sight.splitting(SIZES, fold_codes(ONE_WAY, 12), 1)
    seen = sight.moments(one_hot(rows + torch.tensor([0, 3, 5]), 9), torch.full((500,), 1 / 500))
    truth = np.zeros((3, 4, 2))
    np.add.at(truth, tuple(rows[:, [0, 2, 1]].T.numpy()), 1 / 500)
    blank = Table(columns=(0, 2, 1), shares=np.zeros((3, 4, 2)), sd=np.asarray(0.1))
    pair = Table(columns=(0, 2), shares=np.zeros((3, 4)), sd=np.asarray(0.1))
    evidence = Evidence(domain=domain, rows=500.0, tables=(blank, pair))
    exact = sharpened(evidence, sight, seen, Noise(1e-9, 0.0)).tables
    assert exact[0].shares == pytest.approx(truth, abs=1e-6)
    assert exact[1].shares == pytest.approx(truth.sum(2), abs=1e-6)
    even = sharpened(evidence, sight, seen, Noise(0.1, 0.0)).tables[0]
    assert even.shares == pytest.approx(truth / 2, abs=1e-6)
    assert even.sd == pytest.approx(np.full((3, 4, 2), 0.1 / np.sqrt(2)))


def test_plans_depend_on_public_figures_only():
    one, two = (RowCount(estimate=e, rung=10_000, highest=11_000, public=False) for e in (9_500, 10_700))
    first, second = DPGAN().plan(one, 5), DPGAN().plan(two, 5)
    assert (first.steps, first.sample_rate, first.max_grad_norm) == (second.steps, second.sample_rate, second.max_grad_norm)
    assert first.divisor == pytest.approx(first.sample_rate * 9_500)
    assert first.max_grad_norm == pytest.approx(5, rel=2e-3)
    assert DPGAN().plan(declared_rows(100), 5).sample_rate == 1.0
    assert DPGAN(batch_size=10).plan(declared_rows(100), 5).sample_rate == pytest.approx(0.1)


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
    model = DPGAN(warm_start=warm, steps=10, generator_batch=128)
    fitted = model.fit(table, Run())
    made = model.sample(fitted, table.domain, 4000, np.random.default_rng(0)).codes
    assert abs((made[:, 0] == 0).mean() - (codes[:, 0] == 0).mean()) < 0.05
    assert (made[:, 0] == made[:, 2]).mean() > (0.7 if warm else 0.3)
    assert table.ledger.spent() == pytest.approx(3.0, rel=0.01)
