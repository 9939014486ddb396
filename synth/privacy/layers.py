"""Layers whose per-row gradients have a closed form: their squared norm and their weighted sum, without storing them.

For a layer used once per row, with input ``a`` and loss gradient ``g`` at its output, the weight gradient of a row is the
outer product of ``g`` and ``a``, so its norm is ``|g| |a|`` and a weighted sum over rows is one matrix product (Goodfellow
2015, arXiv:1510.01799; ghost clipping: Li et al. 2022, arXiv:2110.05679), taken in float64: in float32 one more row could
move the rounding of a sum of n rows by n^2 2^-24 clipping norms, which no margin here would cover.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from synth.errors import AccountingError

LONGEST = 1e3  # entry of a basis


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


class OneHotLinear(nn.Module):
    """A linear layer on one-hot rows, given as the positions of their ones, seen through a fixed basis.

    Positions fall into slots (columns of a table); a row has one position in each slot, in order. So a row's input is a sum
    of one basis vector per slot, which adding up looks up instead of multiplying, forwards and in the clipped sum. A mask says
    which slots an output sees; its other weights have no effect and no gradient.

    A row's weight gradient is the outer product of ``g`` and its input ``a`` under the mask: squared norm
    ``sum over slots s of |a_s|^2 |g on the outputs that see s|^2``, as basis vectors of different slots are orthogonal.
    """

    slots: Tensor
    mask: Tensor | None
    basis: Tensor | None
    sees: Tensor | None
    lengths: Tensor | None

    def __init__(
        self, slots: Tensor, out: int, *, mask: Tensor | None = None, basis: Tensor | None = None, bias: Tensor | None = None
    ) -> None:
        """Start with weights of zero.

        Args:
            slots: Slot of each position, shape (in,), int64; all of 0 to slots - 1 occur.
            out: Number of outputs.
            mask: 1 where an output sees a position, shape (out, in); the same for all positions of a slot.
            basis: Vector that stands for each position, shape (in, in), zero between slots; by default its unit vector.
            bias: Where the outputs' biases start, shape (out,); by default there are none.

        Raises:
            AccountingError: A mask or basis that mixes slots: the norm above would not hold.
        """
        super().__init__()
        if mask is not None and not torch.equal(mask, (_by_slot(mask, slots) == 1)[:, slots].to(mask.dtype)):
            raise AccountingError("a mask holds zeros and ones only, and the same within a slot")
        if basis is not None and not bool(((basis.abs() <= LONGEST) & ((slots[:, None] == slots) | (basis == 0))).all()):
            raise AccountingError("a basis keeps slots apart, and is short")
        self.register_buffer("slots", slots, persistent=False)
        self.register_buffer("mask", None if mask is None else mask.float(), persistent=False)
        self.register_buffer("basis", basis, persistent=False)
        self.register_buffer("sees", None if mask is None else _by_slot(mask.float(), slots), persistent=False)
        self.register_buffer("lengths", None if basis is None else basis.double().square().sum(1), persistent=False)
        self.weight = nn.Parameter(torch.zeros(out, len(slots)))
        self.bias = None if bias is None else nn.Parameter(bias.clone())

    def table(self) -> Tensor:
        """What each position adds to the outputs, shape (in, out)."""
        seen = self.weight if self.mask is None else self.weight * self.mask
        return seen.T if self.basis is None else self.basis @ seen.T

    @torch.no_grad()
    def clear(self) -> None:
        """Set the weights that have no effect to zero."""
        if self.mask is not None:
            self.weight.mul_(self.mask)

    def forward(self, positions: Tensor) -> Tensor:
        """Positions, shape (rows, slots), to outputs, shape (rows, out).

        Raises:
            AccountingError: A row does not have one position in each slot, in order.
        """
        if not torch.equal(self.slots[positions], torch.arange(positions.shape[1]).expand_as(positions)):
            raise AccountingError("a one-hot row has one position in each slot, in order")
        outputs: Tensor = Gathered.apply(positions, self.table())  # type: ignore[no-untyped-call]
        return outputs if self.bias is None else outputs + self.bias


class Gathered(torch.autograd.Function):
    """Sum of the table's rows at each row's positions; its gradient adds up where positions are equal."""

    @staticmethod
    def forward(ctx: Any, positions: Tensor, table: Tensor) -> Tensor:
        """Shapes (rows, slots) and (in, out) to (rows, out)."""
        ctx.save_for_backward(positions)
        ctx.width = len(table)
        return nn.functional.embedding_bag(positions, table.contiguous(), mode="sum")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        """Gradient of the table."""
        return None, scattered(ctx.saved_tensors[0], grads[0], ctx.width)


def scattered(positions: Tensor, values: Tensor, width: int, weight: Tensor | None = None) -> Tensor:
    """Add ``weight`` times each row of ``values`` (rows, out) to all of its positions (rows, slots): shape (width, out).

    Each sum is taken in the order of the rows, in the type of ``values``.
    """
    rows, slots = positions.shape
    ends = np.arange(0, rows * slots + 1, slots, dtype=np.int32)
    ones = torch.ones(rows, dtype=values.dtype) if weight is None else weight
    data = ones[:, None].expand(rows, slots).reshape(-1).numpy()
    hot = csr_matrix((data, positions.to(torch.int32).reshape(-1).numpy(), ends), (rows, width))
    return torch.from_numpy(np.asarray(hot.T @ values.numpy()))


def _by_slot(mask: Tensor, slots: Tensor) -> Tensor:
    """Columns of ``mask`` at the first position of each slot, shape (out, slots)."""
    first = torch.stack([(slots == s).nonzero()[0, 0] for s in range(int(slots.max()) + 1)])
    return mask[:, first]


SUPPORTED: tuple[type[nn.Module], ...] = (nn.Linear, nn.LayerNorm, RowParameter, OneHotLinear)


def leaf_layers(module: nn.Module) -> Iterator[nn.Module]:
    """Layers that own trainable parameters, in the order of ``module.parameters()``."""
    for layer in module.modules():
        if any(p.requires_grad for p in layer.parameters(recurse=False)):
            yield layer


def shapes(module: nn.Module) -> list[tuple[int, ...]]:
    """Of all parameters that are trained."""
    return [tuple(p.shape) for p in module.parameters() if p.requires_grad]


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
        a: Its input, shape (rows, in) or positions (rows, slots); ``None`` for a ``RowParameter``.
        g: Gradient of the rows' losses at its output, shape (rows, ...), float32.

    Returns:
        Shape (rows,), float64.
    """
    if isinstance(layer, OneHotLinear) and a is not None:
        return _one_hot_norms(layer, a, g)
    if isinstance(layer, nn.Linear) and a is not None:
        return (_squares(a) + (layer.bias is not None)) * _squares(g)
    if isinstance(layer, nn.LayerNorm) and a is not None:
        normal = nn.functional.layer_norm(a, layer.normalized_shape, eps=layer.eps)
        return _squares(normal.double() * g.double()) + _squares(g)
    return _squares(g)


def _one_hot_norms(layer: OneHotLinear, positions: Tensor, g: Tensor) -> Tensor:
    """In float32: inputs are short and public, so that what overflows is dropped, and what vanishes is far below any norm."""
    squares = g.square()
    if layer.sees is None:
        seen = squares.sum(1).double()
        length = float(positions.shape[1]) if layer.lengths is None else layer.lengths[positions].sum(1)
        return seen * (length + (layer.bias is not None))
    by_slot = (squares @ layer.sees).double()
    weights = by_slot.sum(1) if layer.lengths is None else torch.linalg.vecdot(by_slot, layer.lengths[positions])
    return weights + squares.sum(1).double() if layer.bias is not None else weights


def _squares(values: Tensor) -> Tensor:
    """Squared norm of each row, in float64, where large inputs and small gradients neither overflow nor vanish."""
    norms: Tensor = torch.linalg.vector_norm(values.flatten(1), dim=1, dtype=torch.float64)
    return norms.square()


def weighted_sums(layer: nn.Module, a: Tensor | None, g: Tensor, weight: Tensor) -> list[Tensor]:
    """Sum over rows of ``weight`` times the row's gradient, one tensor per parameter, float64.

    Args:
        layer: A supported layer.
        a: Its input, shape (rows, in) or positions (rows, slots), finite.
        g: Gradient at its output, shape (rows, ...), float64, finite.
        weight: Clip factors, shape (rows,), float64.
    """
    if isinstance(layer, nn.Linear | OneHotLinear) and a is not None:
        total = _one_hot_sum(layer, a, g, weight) if isinstance(layer, OneHotLinear) else _linear_sum(a, g, weight)
        return [total, weight @ g] if layer.bias is not None else [total]
    if isinstance(layer, nn.LayerNorm) and a is not None:
        normal = nn.functional.layer_norm(a, layer.normalized_shape, eps=layer.eps)
        return [weight @ (g * normal.double()), weight @ g]
    return [weight @ g.flatten(1)]


def _linear_sum(a: Tensor, g: Tensor, weight: Tensor) -> Tensor:
    wide = a.double()
    if wide.shape[1] < g.shape[1]:  # weigh the smaller
        return g.T @ (wide * weight[:, None])
    return (g * weight[:, None]).T @ wide


def _one_hot_sum(layer: OneHotLinear, positions: Tensor, g: Tensor, weight: Tensor) -> Tensor:
    whole = scattered(positions, g, len(layer.slots), weight).T
    whole = whole if layer.basis is None else whole @ layer.basis.double()
    return whole if layer.mask is None else whole * layer.mask
