"""Closed forms of per-row gradients, each against autograd on single rows."""

import pytest
import torch
from torch import nn

from synth.errors import AccountingError
from synth.privacy.layers import OneHotLinear, RowParameter, is_closed_form, leaf_layers, squared_norms, weighted_sums

SLOTS = torch.tensor([0, 1, 0, 1, 2])
MASK = torch.tensor([[1, 0, 1], [0, 1, 1]])[:, SLOTS]
BASIS = torch.tensor([[2.0, 0, 1, 0, 0], [0, 1, 0, -1, 0], [0.5, 0, -1, 0, 0], [0, 3, 0, 1, 0], [0, 0, 0, 0, 0.3]])
POSITIONS = torch.tensor([[0, 1, 4], [2, 1, 4], [2, 3, 4], [0, 3, 4], [2, 3, 4]])
LAYERS = {
    "linear": lambda: nn.Linear(3, 2),
    "linear without bias": lambda: nn.Linear(3, 2, bias=False),
    "layer norm": lambda: nn.LayerNorm(3),
    "one-hot": lambda: OneHotLinear(SLOTS, 2, bias=torch.zeros(2)),
    "one-hot in a basis": lambda: OneHotLinear(SLOTS, 2, basis=BASIS, bias=torch.zeros(2)),
    "masked one-hot": lambda: OneHotLinear(SLOTS, 2, mask=MASK, bias=torch.zeros(2)),
    "masked one-hot in a basis without bias": lambda: OneHotLinear(SLOTS, 2, mask=MASK, basis=BASIS),
    "row parameter": lambda: RowParameter(torch.ones(2, 2)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_norms_and_weighted_sums_equal_those_of_single_rows(kind):
    layer, generator = LAYERS[kind](), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
    free = isinstance(layer, RowParameter)
    a = None if free else POSITIONS if isinstance(layer, OneHotLinear) else torch.randn(5, 3, generator=generator)
    output = layer(5) if free else layer(a)
    g = torch.randn(output.shape, generator=generator)
    weight = torch.rand(5, generator=generator).double()
    rows = []
    for i in range(5):
        one = layer(1) if free else layer(a[i : i + 1])
        rows.append([p.double() for p in torch.autograd.grad((one * g[i : i + 1]).sum(), list(layer.parameters()))])
    norms = torch.stack([sum((p**2).sum() for p in parts) for parts in rows])
    torch.testing.assert_close(squared_norms(layer, a, g).double(), norms, rtol=1e-5, atol=1e-7)
    sums = weighted_sums(layer, a, g.double(), weight)
    assert [s.dtype for s in sums] == [torch.float64] * len(sums)
    for k, (found, p) in enumerate(zip(sums, layer.parameters(), strict=True)):
        wanted = sum(w * parts[k] for w, parts in zip(weight, rows, strict=True))
        torch.testing.assert_close(found.reshape(p.shape), wanted, rtol=1e-5, atol=1e-6)


def test_masked_weights_stay_out_of_the_output():
    layer = OneHotLinear(SLOTS, 2, mask=MASK)
    assert all((p == 0).all() for p in layer.parameters())
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 10, 2, 20, 100]] * 2))
    assert layer(POSITIONS[1:2]).tolist() == [[102.0, 110.0]]


def test_weights_without_effect_are_cleared():
    for layer, wanted in ((OneHotLinear(SLOTS, 2, mask=MASK), MASK.float()), (OneHotLinear(SLOTS, 2), torch.ones(2, 5))):
        torch.nn.init.ones_(layer.weight)
        layer.clear()
        assert torch.equal(layer.weight, wanted)


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("basis", [None, BASIS])
def test_one_hot_rows_pass_as_through_a_dense_layer(mask, basis):
    layer, generator = OneHotLinear(SLOTS, 2, mask=mask, basis=basis, bias=torch.zeros(2)), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
    x = torch.zeros(5, 5).scatter_(1, POSITIONS, 1.0) @ (torch.eye(5) if basis is None else basis)
    dense = nn.functional.linear(x, layer.weight * (torch.ones(2, 5) if mask is None else mask), layer.bias)
    torch.testing.assert_close(layer(POSITIONS), dense)
    pull = torch.randn(5, 2, generator=generator)
    found, wanted = (torch.autograd.grad((out * pull).sum(), list(layer.parameters())) for out in (layer(POSITIONS), dense))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("positions", [[[0, 1, 1]], [[1, 0, 4]], [[0, 2, 4]]])
def test_a_row_has_one_position_in_each_slot(positions):
    with pytest.raises(AccountingError, match="one position in each slot"):
        OneHotLinear(SLOTS, 2)(torch.tensor(positions))


def test_a_basis_that_mixes_slots_is_refused():
    with pytest.raises(AccountingError, match="keeps slots apart"):
        OneHotLinear(SLOTS, 2, basis=torch.ones(5, 5))


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


@pytest.mark.parametrize("mask", [MASK * 0.5, torch.tensor([[1, 0, 0, 1, 1], [1, 1, 1, 1, 1]])])
def test_a_mask_holds_zeros_and_ones_by_slot(mask):
    with pytest.raises(AccountingError, match="zeros and ones"):
        OneHotLinear(SLOTS, 2, mask=mask)


def test_layer_norm_without_a_bias_has_no_closed_form_here():
    assert not is_closed_form(nn.LayerNorm(3, bias=False))
    assert is_closed_form(nn.LayerNorm(3))


def test_norms_survive_large_inputs_with_tiny_gradients():
    layer, a, g = nn.Linear(1, 1, bias=False), torch.tensor([[5e17]]), torch.tensor([[2.4e-23]])
    assert float(squared_norms(layer, a, g)) == pytest.approx((5e17 * 2.4e-23) ** 2, rel=1e-5)
