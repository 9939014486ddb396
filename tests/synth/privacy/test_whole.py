"""One gradient over all rows: what it is without noise, what it is charged, its noise, and a sample of very many rows."""

import numpy as np
import pytest
import torch
from torch import nn

from synth.errors import RefusedError
from synth.privacy import dpsgd
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.chain import read_ledger
from synth.privacy.events import GRADIENT, GaussianEvent
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import rounded_sensitivity
from synth.privacy.shares import sigma_for
from synth.privacy.vault import PrivateTable
from synth.privacy.whole import MOST_OF_ALL, MOST_ROWS, whole_plan
from synth.table import Domain

DOMAIN = Domain(names=("a", "b"), sizes=(5, 2))
CODES = np.column_stack([np.arange(60) % 5, np.arange(60) // 5 % 2])


def book(n=60, epsilon=3.0, path=None):
    ledger = Ledger(Budget(epsilon=epsilon, delta=1e-6), path)
    ledger.set_rows(declared_rows(n))
    return ledger


def private(ledger, entropy, codes=CODES):
    return PrivateTable(codes, DOMAIN, ledger.rows, ledger, entropy=entropy)


def slope(module, codes, _):
    """A linear loss: a row's gradient is its codes."""
    return module(codes.float()).sum(1)


def test_without_noise_it_is_the_mean_of_clipped_gradients(keystream, monkeypatch):
    monkeypatch.setattr(dpsgd, "noisy_gradient_sum", lambda exact_sum, **_: exact_sum)
    found, _ = private(book(), keystream(1)).noisy_gradient(nn.Linear(2, 1, bias=False), slope, max_grad_norm=2.0, share=0.1)
    lengths = np.linalg.norm(CODES, axis=1, keepdims=True)
    wanted = (CODES * np.minimum(1, 2.0 / np.maximum(lengths, 1e-9))).mean(0)
    np.testing.assert_allclose(found, wanted, rtol=2e-3)
    assert np.linalg.norm(found) <= 2.0


def test_it_is_charged_as_a_sum_before_noise_is_drawn(tmp_path, keystream):
    seen, stream, ledger = [], keystream(2), book(path=tmp_path / "l")

    def entropy(n):
        seen.append([r["record"] for r in read_ledger(tmp_path / "l")])
        return stream(n)

    module = nn.Linear(2, 1)
    _, sd = private(ledger, entropy).noisy_gradient(module, slope, max_grad_norm=2.0, share=0.1)
    (event,) = ledger.events
    assert isinstance(event, GaussianEvent)
    assert event.what == GRADIENT
    assert event.l2_sensitivity == pytest.approx(2.0 * rounded_sensitivity(3))
    assert event.mu == pytest.approx(1 / sigma_for(ledger, 0.1))
    assert sd == pytest.approx(event.sigma / 60)
    assert seen
    assert all(records == ["run", "rows", "event"] for records in seen)


def test_more_than_the_budget_is_refused_without_noise(script):
    ledger = book()
    with pytest.raises(RefusedError):
        private(ledger, script()).noisy_gradient(nn.Linear(2, 1), slope, max_grad_norm=1.0, share=1.5)
    assert ledger.events == ()


@pytest.mark.statistical
def test_its_noise_is_what_it_says(keystream):
    """20,000 coordinates without a signal: their spread is off by 3.5 % with a chance below 1e-6 (five and more deviations)."""
    module = nn.Linear(2, 10_000, bias=False)
    table = private(book(), keystream(3))
    found, sd = table.noisy_gradient(module, lambda m, c, _: 0 * m(c.float()).sum(1), max_grad_norm=1.0, share=0.5)
    assert found.shape == (20_000,)
    assert np.std(found) == pytest.approx(sd, rel=0.035)
    assert abs(np.mean(found)) < 5 * sd / np.sqrt(20_000)


def test_very_many_rows_are_sampled_at_full_charge():
    rows = declared_rows(10 * MOST_ROWS)
    plan = whole_plan(rows, 0.5)
    assert plan.sample_rate * rows.rung == pytest.approx(MOST_ROWS)
    assert plan.divisor == pytest.approx(plan.sample_rate * rows.estimate)
    assert whole_plan(declared_rows(1000), 0.5).sample_rate == 1
    assert whole_plan(declared_rows(100_000), 0.5, 100).sample_rate * 100_000 * 100 == pytest.approx(MOST_OF_ALL)
    assert (plan.steps, plan.max_grad_norm, plan.clipping.weight) == (1, 0.5, 0)


def test_layers_without_a_closed_form_are_taken_through_hooks(keystream, monkeypatch):
    monkeypatch.setattr(dpsgd, "noisy_gradient_sum", lambda exact_sum, **_: exact_sum)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 1))
    found, _ = private(book(), keystream(4)).noisy_gradient(
        module, lambda m, c, _: m(c[:, 0])[:, 0], max_grad_norm=1.0, share=0.1
    )
    assert found.shape == (13,)
    assert 0 < np.linalg.norm(found) <= 1.0
