from types import SimpleNamespace

import pytest
import torch

from synth.models.base import Run
from synth.models.measured import warm
from synth.models.measured.beside import Beside
from synth.models.measured.warm import descend, trains, warm_plan
from synth.privacy.budget import RowCount, declared_rows
from synth.privacy.clipping import Clipping
from synth.privacy.dpsgd import SgdPlan
from synth.table import Domain


def test_training_needs_rows_and_budget():
    def rule(rows, epsilon, columns=15):
        return trains(declared_rows(rows), epsilon, 1e-5, columns, table_share=0.35)

    assert rule(40_000, 1.0)
    assert not rule(500, 1.0)
    assert not rule(40_000, 0.01)
    assert rule(4_000, 3.0, columns=5)
    assert not rule(4_000, 3.0, columns=100)


def test_rules_depend_on_public_figures_only():
    one, two = (RowCount(estimate=e, rung=40_000, highest=44_000, public=False) for e in (38_000, 43_000))
    first, second = (warm_plan(r, 1.0, steps=None, batch_size=None, max_grad_norm=1.0, clipping=Clipping()) for r in (one, two))
    assert (first.steps, first.sample_rate, first.max_grad_norm) == (second.steps, second.sample_rate, second.max_grad_norm)
    assert first.divisor == pytest.approx(first.sample_rate * 38_000)
    decisions = {
        trains(r, e, 1e-5, 15, table_share=0.35) == trains(one, e, 1e-5, 15, table_share=0.35)
        for r in (one, two)
        for e in (0.01, 0.1, 0.3, 1.0)
    }
    assert decisions == {True}


@pytest.mark.parametrize(("rows", "batch"), [(500, 500), (4_000, 1024), (40_000, 5_000), (1_000_000, 8_192)])
def test_batches_are_an_eighth_within_bounds(rows, batch):
    plan = warm_plan(declared_rows(rows), 1.0, steps=None, batch_size=None, max_grad_norm=1.0, clipping=Clipping())
    assert plan.sample_rate * rows == pytest.approx(batch)
    assert warm_plan(declared_rows(rows), 1.0, steps=3, batch_size=10, max_grad_norm=2.0, clipping=Clipping()).steps == 3


class Downhill:
    """Stands in for paid gradients: those of ``(w - 3)^2``."""

    def __init__(self, model):
        self.model, self.steps_left, self.norm = model, 60, 1.0

    def steps(self, state):
        assert [s.shape for s in state] == [(1, 1), (1, 1)]  # weight and momentum
        for step in range(60):
            self.steps_left -= 1
            self.model.weight.grad = 2 * (self.model.weight.detach() - 3)
            yield step


def test_all_paid_steps_are_taken_downhill():
    model = torch.nn.Linear(1, 1, bias=False)
    gradients = Downhill(model)
    descend(model, gradients, SgdPlan(steps=60, sample_rate=1.0, divisor=1.0), 0.05, Run())
    assert gradients.steps_left == 0
    assert model.weight.item() == pytest.approx(3.0, abs=0.2)


def test_the_rate_goes_against_an_adaptive_norm():
    """Gradients twice as long under a norm twice as large move the weights alike."""
    found = []
    for norm in (1.0, 2.0):
        model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(model.weight)

        class Steep(Downhill):
            def steps(self, state, norm=norm):
                self.norm = norm
                for step in range(3):
                    self.model.weight.grad = torch.full((1, 1), -norm)
                    yield step

        descend(model, Steep(model), SgdPlan(steps=3, sample_rate=1.0, divisor=1.0), 0.05, Run())
        found.append(model.weight.item())
    assert found[0] == pytest.approx(found[1])
    assert found[0] > 0


class Noted(torch.nn.Module):
    """Counts how often each first code is learnt from."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = torch.nn.Parameter(torch.zeros(3)), torch.zeros(3)

    def forward(self, codes):
        self.seen += torch.bincount(codes[:, 0], minlength=3)
        return self.weight[codes[:, 0]]


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_public_rows_are_part_of_each_batch(share, monkeypatch):
    monkeypatch.setattr(warm, "PRETRAINING", (100, 4, 40, 0.01))
    beside = Beside(torch.full((5, 2), 2), torch.full((5,), 0.2), share) if share else None
    monkeypatch.setattr(warm, "rows_beside", lambda *_: beside)
    mixture = SimpleNamespace(draw_rows=lambda domain, uniforms: torch.zeros(len(uniforms), 2, dtype=torch.long))
    learnt = SimpleNamespace(
        groups=SimpleNamespace(domain=Domain(names=("a", "b"), sizes=(3, 3))), mixture=mixture,
        view=SimpleNamespace(public=None), evidence=None, coarse=None,
    )  # fmt: skip
    model = Noted()
    warm.pretrain(model, model, learnt, Run(), torch.Generator().manual_seed(0))
    assert model.seen.tolist() == [160 * (1 - share), 0, 160 * share]
