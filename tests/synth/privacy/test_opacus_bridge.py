"""The fallback for other layers: refusals and cleaning up (sums and sensitivity: ``test_dpsgd``)."""

import numpy as np
import pytest
import torch
from torch import nn

from synth.errors import AccountingError
from synth.privacy.opacus_bridge import exact_hooks_sum


def square(module, codes):
    return (module(codes.float()) ** 2).sum(1)


CODES = torch.tensor([[1, 2], [3, 0], [1, 1]])


def test_layers_that_mix_rows_are_refused():
    with pytest.raises(AccountingError, match="no per-row gradients"):
        exact_hooks_sum(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), square, CODES, 1.0)


def test_a_layer_used_twice_is_refused():
    layer = nn.Linear(2, 2)

    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x.repeat(2, 1))[: len(x)]

    with pytest.raises(AccountingError):
        exact_hooks_sum(Wide(), square, CODES, 1.0)


def test_an_unused_parameter_gets_zeros():
    class Spare(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = nn.Linear(2, 2), nn.Linear(2, 1)

        def forward(self, x):
            return self.used(x)

    total, _ = exact_hooks_sum(Spare(), square, CODES, 1.0)
    assert np.array_equal(total[-3:], np.zeros(3))
    assert np.linalg.norm(total) > 0.1


def test_no_private_gradient_stays_on_the_module():
    module = nn.GroupNorm(1, 2)
    first, _ = exact_hooks_sum(module, square, CODES, 1.0)
    assert all(p.grad is None and getattr(p, "grad_sample", None) is None for p in module.parameters())
    assert not module._forward_hooks
    np.testing.assert_array_equal(exact_hooks_sum(module, square, CODES, 1.0)[0], first)


def test_a_failing_loss_leaves_no_hooks_behind():
    module = nn.Linear(2, 2)

    def fails(m, codes):
        m(codes.float())
        raise RuntimeError("loss")

    with pytest.raises(RuntimeError, match="loss"):
        exact_hooks_sum(module, fails, CODES, 1.0)
    assert not module._forward_hooks
    assert np.isfinite(exact_hooks_sum(module, square, CODES, 1.0)[0]).all()


def test_a_gradient_that_stands_there_is_left_alone():
    module = nn.Linear(3, 1)
    for p in module.parameters():
        p.grad = torch.full_like(p, 5.0)
    exact_hooks_sum(module, lambda m, c: m(c.float()).sum(1) * 1e6, torch.ones(4, 3), 1.0)
    assert all(bool((p.grad == 5.0).all()) for p in module.parameters())
