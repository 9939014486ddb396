"""Opacus' hooks: clipped sums for layers without a closed form here, and the oracle that tests compare with."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from opacus.grad_sample import GradSampleModule
from torch import Tensor, nn

from synth.errors import AccountingError
from synth.privacy.clipping import FLAT, bounded
from synth.privacy.dpsgd import BatchLoss, Sums
from synth.privacy.layers import leaf_layers


def exact_hooks_sum(
    module: nn.Module, loss: BatchLoss, codes: Tensor, norm: float, weights: Tensor | None = None, kind: str = FLAT
) -> Sums:
    """Sums of clipped per-row gradients, through Opacus' per-sample gradients, and of the rows' scores. Private.

    Args:
        module: Layers Opacus supports.
        loss: ``loss(module, codes)``, per-row losses of shape (rows,).
        codes: Shape (rows, d), at least one row.
        norm: Clipping norm.
        weights: As in ``exact_closed_form_sum``.
        kind: The same.

    Returns:
        As there.

    Raises:
        AccountingError: Opacus does not support a layer, or the loss has another shape.
    """
    layers = [[p for p in layer.parameters(recurse=False) if p.requires_grad] for layer in leaf_layers(module)]
    parameters = [p for layer in layers for p in layer]  # in the order of ``module.parameters()``
    before = [p.grad for p in parameters]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            hooked = GradSampleModule(module, loss_reduction="sum", strict=True)
        except (NotImplementedError, ValueError) as error:
            raise AccountingError(f"a layer of the network has no per-row gradients: {type(error).__name__}") from None
        try:
            for p in parameters:
                p.grad = None  # backward adds in place to what is there
            losses = loss(hooked, codes)
            if losses.shape != (len(codes),):
                raise AccountingError("a private loss returns one number per row, shape (rows,)")
            torch.autograd.backward(losses.sum())
            samples = [[_sample(p, len(codes)) for p in layer] for layer in layers]
        finally:
            hooked.to_standard_module()
            for p, grad in zip(parameters, before, strict=True):
                p.grad = grad
    with torch.no_grad():
        squared = torch.stack([torch.stack([(s.double() ** 2).sum(1) for s in layer]).sum(0) for layer in samples])
        (factors, scores), bad = bounded(squared, norm, kind), ~torch.isfinite(squared.sum(0))
        if weights is not None:
            factors, scores = factors * weights, scores * weights
        sums = [
            torch.where(bad[:, None], torch.zeros_like(s), s).double().T @ factor
            for layer, factor in zip(samples, factors, strict=True)
            for s in layer
        ]
        return np.asarray(torch.cat(sums).numpy(), dtype=np.float64), float(scores.sum())


def _sample(parameter: nn.Parameter, rows: int) -> Tensor:
    sample = getattr(parameter, "grad_sample", None)
    if sample is None:
        return torch.zeros(rows, parameter.numel())
    if not isinstance(sample, Tensor) or sample.shape[0] != rows:
        raise AccountingError("a layer is used twice per row; per-row gradients do not cover that")
    return sample.reshape(rows, -1)
