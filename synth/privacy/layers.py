"""Layers whose per-row gradients have a closed form: their squared norm and their weighted sum, without storing them.

For a layer used once per row, with input ``a`` and loss gradient ``g`` at its output, the weight gradient of a row is the
outer product of ``g`` and ``a``, so its norm is ``|g| |a|`` and a weighted sum over rows is one matrix product (Goodfellow
2015, arXiv:1510.01799; ghost clipping: Li et al. 2022, arXiv:2110.05679).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from synth.errors import AccountingError


class RowParameter(nn.Module):
    """A free parameter that every row's loss sees: handed out once per row, so that its per-row gradient is explicit.

    Meant for small parameters (a prior's means, a scale): the expanded gradient of a batch is kept in memory.
    """

    def __init__(self, value: Tensor) -> None:
        """Start at ``value``, any shape."""
        super().__init__()
        self.value = nn.Parameter(value)

    def forward(self, rows: int) -> Tensor:
        """``value`` for each row, shape (rows, *value.shape)."""
        return self.value.expand(rows, *self.value.shape).clone()


class MaskedLinear(nn.Linear):
    """A linear layer some of whose weights are fixed at zero, as autoregressive networks need.

    A row's weight gradient is the outer product of ``g`` and ``a`` under the mask ``M``: squared norm ``(g^2 M) . a^2``.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, *, bias: bool = True) -> None:
        """Let through where ``mask`` (out, in) is 1. Weights start at zero."""
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise AccountingError("a mask holds zeros and ones only")
        super().__init__(mask.shape[1], mask.shape[0], bias=bias)
        self.register_buffer("mask", mask.float(), persistent=False)
        nn.init.zeros_(self.weight)
        if bias:
            nn.init.zeros_(self.bias)

    def forward(self, a: Tensor) -> Tensor:
        """Shape (rows, in) to (rows, out)."""
        return nn.functional.linear(a, self.weight * self.mask, self.bias)


SUPPORTED: tuple[type[nn.Module], ...] = (nn.Linear, nn.LayerNorm, RowParameter, MaskedLinear)


def leaf_layers(module: nn.Module) -> Iterator[nn.Module]:
    """Layers that own trainable parameters, in the order of ``module.parameters()``."""
    for layer in module.modules():
        if any(p.requires_grad for p in layer.parameters(recurse=False)):
            yield layer


def is_closed_form(module: nn.Module) -> bool:
    """Whether every trainable parameter of ``module`` sits in a supported layer (exact type: no overridden forward)."""
    return all(
        type(layer) in SUPPORTED
        and all(p.requires_grad for p in layer.parameters(recurse=False))
        and not (isinstance(layer, nn.LayerNorm) and layer.bias is None)
        for layer in leaf_layers(module)
    )


def squared_norms(layer: nn.Module, a: Tensor | None, g: Tensor) -> Tensor:
    """Squared norm of each row's gradient of the layer's parameters.

    Args:
        layer: A supported layer.
        a: Its input, shape (rows, in); ``None`` for a ``RowParameter``.
        g: Gradient of the rows' losses at its output, shape (rows, ...). Either may be float64 already.

    Returns:
        Shape (rows,), float64.
    """
    if isinstance(layer, MaskedLinear) and a is not None:
        small = g.float()
        seen = (small * small @ layer.mask).double()
        weights: Tensor = torch.linalg.vecdot(seen, a.double().square())
        return weights + _squares(g) if layer.bias is not None else weights
    if isinstance(layer, nn.Linear) and a is not None:
        return (_squares(a) + (layer.bias is not None)) * _squares(g)
    if isinstance(layer, nn.LayerNorm) and a is not None:
        normal = nn.functional.layer_norm(a, layer.normalized_shape, eps=layer.eps)
        return _squares(normal * g) + _squares(g)
    return _squares(g)


def _squares(values: Tensor) -> Tensor:
    """Squared norm of each row, in float64, where large inputs and small gradients neither overflow nor vanish."""
    rows = values.flatten(1).double()
    squares: Tensor = torch.linalg.vecdot(rows, rows)
    return squares


def weighted_sums(layer: nn.Module, a: Tensor | None, g: Tensor, weight: Tensor) -> list[Tensor]:
    """Sum over rows of ``weight`` times the row's gradient, one tensor per parameter, float64.

    Args:
        layer: A supported layer.
        a: Its input, shape (rows, in), finite.
        g: Gradient at its output, shape (rows, ...), finite.
        weight: Clip factors, shape (rows,), float64.
    """
    scaled = g.double() * weight.reshape(-1, *[1] * (g.dim() - 1))
    if isinstance(layer, nn.Linear) and a is not None:
        sums = [scaled.T @ a.double()]
        if isinstance(layer, MaskedLinear):
            sums[0].mul_(layer.mask)
        return [*sums, scaled.sum(0)] if layer.bias is not None else sums
    if isinstance(layer, nn.LayerNorm) and a is not None:
        normal = nn.functional.layer_norm(a, layer.normalized_shape, eps=layer.eps)
        return [(scaled * normal.double()).sum(0), scaled.sum(0)]
    return [scaled.sum(0)]
