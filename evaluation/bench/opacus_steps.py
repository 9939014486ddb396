"""Steps of Opacus, noise included, to time beside ours: hooks that store every row's gradient, and ghost clipping."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import torch
from opacus.grad_sample import GradSampleModule
from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizer
from opacus.optimizers.optimizer_fast_gradient_clipping import DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping
from torch import Tensor, nn

RowLosses = Callable[[nn.Module], Tensor]
HARMLESS = "Full backward hook is firing"  # on a first layer, at every step


def hooks_step(module: nn.Module, losses: RowLosses, batch: int, noise_multiplier: float) -> Callable[[], None]:
    """A step that keeps the gradient of every row; ``losses(module)`` are those of the batch's rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hooked = GradSampleModule(copy.deepcopy(module), loss_reduction="mean")
    optimizer = DPOptimizer(
        torch.optim.SGD(hooked.parameters(), lr=1e-3, momentum=0.9),
        noise_multiplier=noise_multiplier, max_grad_norm=1.0, expected_batch_size=batch,
    )  # fmt: skip

    warnings.filterwarnings("ignore", HARMLESS)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(losses(hooked).mean())
        optimizer.step()

    return step


class Losses:
    """Row losses as the criterion that Opacus wants."""

    reduction = "mean"

    def __init__(self, losses: RowLosses, module: nn.Module) -> None:
        """Of ``module``."""
        self._losses, self._module = losses, module

    def __call__(self) -> Tensor:
        """One loss a row."""
        return self._losses(self._module)


def ghost_step(module: nn.Module, losses: RowLosses, batch: int, noise_multiplier: float) -> Callable[[], None]:
    """A step with two backward passes: one for the norms, one of weighed losses (Li et al. 2022, arXiv:2110.05679)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hooked = GradSampleModuleFastGradientClipping(
            copy.deepcopy(module), loss_reduction="mean", max_grad_norm=1.0, use_ghost_clipping=True
        )
    optimizer = DPOptimizerFastGradientClipping(
        torch.optim.SGD(hooked.parameters(), lr=1e-3, momentum=0.9),
        noise_multiplier=noise_multiplier, max_grad_norm=1.0, expected_batch_size=batch,
    )  # fmt: skip
    criterion = DPLossFastGradientClipping(hooked, optimizer, Losses(losses, hooked))

    warnings.filterwarnings("ignore", HARMLESS)

    def step() -> None:
        optimizer.zero_grad()
        criterion().backward()
        optimizer.step()

    return step
