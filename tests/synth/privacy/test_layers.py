"""Closed forms of per-row gradients, each against autograd on single rows."""

import pytest
import torch
from torch import nn

from synth.errors import AccountingError
from synth.privacy.layers import MaskedLinear, RowParameter, is_closed_form, leaf_layers, squared_norms, weighted_sums

MASK = torch.tensor([[1, 0, 1], [0, 1, 1]])
LAYERS = {
    "linear": lambda: nn.Linear(3, 2),
    "linear without bias": lambda: nn.Linear(3, 2, bias=False),
    "layer norm": lambda: nn.LayerNorm(3),
    "masked": lambda: MaskedLinear(MASK),
    "masked without bias": lambda: MaskedLinear(MASK, bias=False),
    "row parameter": lambda: RowParameter(torch.ones(2, 2)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_norms_and_weighted_sums_equal_those_of_single_rows(kind):
    layer, generator = LAYERS[kind](), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
    free = isinstance(layer, RowParameter)
    a = None if free else torch.randn(5, 3, generator=generator)
    output = layer(5) if free else layer(a)
    g = torch.randn(output.shape, generator=generator)
    weight = torch.rand(5, generator=generator).double()
    rows = []
    for i in range(5):
        one = layer(1) if free else layer(a[i : i + 1])
        rows.append([p.double() for p in torch.autograd.grad((one * g[i : i + 1]).sum(), list(layer.parameters()))])
    norms = torch.stack([sum((p**2).sum() for p in parts) for parts in rows])
    torch.testing.assert_close(squared_norms(layer, a, g).double(), norms, rtol=1e-5, atol=1e-7)
    sums = weighted_sums(layer, a, g, weight)
    assert [s.dtype for s in sums] == [torch.float64] * len(sums)
    for k, (found, p) in enumerate(zip(sums, layer.parameters(), strict=True)):
        wanted = sum(w * parts[k] for w, parts in zip(weight, rows, strict=True))
        torch.testing.assert_close(found.reshape(p.shape), wanted, rtol=1e-5, atol=1e-6)


def test_masked_weights_stay_out_of_the_output():
    layer = MaskedLinear(MASK)
    assert all((p == 0).all() for p in layer.parameters())
    with torch.no_grad():
        layer.weight.fill_(1.0)
    assert layer(torch.tensor([[1.0, 10.0, 100.0]])).tolist() == [[101.0, 110.0]]


def test_row_parameter_is_handed_out_once_per_row():
    value = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(RowParameter(value)(4), value.expand(4, 2, 3))


class Changed(nn.Linear):
    def forward(self, x):
        return super().forward(x) * 2


def test_only_exact_types_without_frozen_parts_have_a_closed_form():
    assert is_closed_form(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.LayerNorm(2), nn.LayerNorm(2, elementwise_affine=False)))
    assert not is_closed_form(Changed(2, 2))
    assert not is_closed_form(nn.Sequential(nn.Linear(2, 2), nn.GroupNorm(1, 2)))
    half = nn.Linear(2, 2)
    half.bias.requires_grad_(False)
    assert not is_closed_form(half)
    half.weight.requires_grad_(False)
    assert is_closed_form(half)
    assert list(leaf_layers(half)) == []


def test_layers_come_in_the_order_of_the_parameters():
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.LayerNorm(3), RowParameter(torch.ones(1))))
    assert [p for layer in leaf_layers(net) for p in layer.parameters(recurse=False)] == list(net.parameters())


def test_a_mask_holds_zeros_and_ones_only():
    with pytest.raises(AccountingError, match="zeros and ones"):
        MaskedLinear(torch.tensor([[0.5]]))


def test_layer_norm_without_a_bias_has_no_closed_form_here():
    assert not is_closed_form(nn.LayerNorm(3, bias=False))
    assert is_closed_form(nn.LayerNorm(3))


def test_norms_survive_large_inputs_with_tiny_gradients():
    layer, a, g = nn.Linear(1, 1, bias=False), torch.tensor([[5e17]]), torch.tensor([[2.4e-23]])
    assert float(squared_norms(layer, a, g)) == pytest.approx((5e17 * 2.4e-23) ** 2, rel=1e-5)
