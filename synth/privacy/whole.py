"""One noisy gradient over all rows: where the next step is worth thinking about, a few of these beat hundreds of small ones.

The same sum as a step of DP-SGD (``dpsgd``), charged as one of known sensitivity, like counts. Of more than ``MOST_ROWS`` units
that many are taken, by a Poisson sample that bounds memory; no privacy is claimed for it. (Given who else is in the sample, a
unit takes part or not: where it does, the sums differ by its own gradient, else not at all; and what holds for both holds for
their mixture.)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from torch import nn

from synth.privacy.budget import RowCount
from synth.privacy.clipping import Clipping
from synth.privacy.dpsgd import Batch, NoisyGradient, RowLoss, SgdPlan
from synth.privacy.events import GRADIENT, GaussianEvent
from synth.privacy.layers import shapes
from synth.privacy.mechanisms import rounded_sensitivity
from synth.privacy.randomness import Entropy

FloatArray = npt.NDArray[np.float64]

MOST_ROWS, MOST_OF_ALL = 200_000, 2_000_000  # units in a sample; rows, if all units had as many as they may


def whole_plan(rows: RowCount, max_grad_norm: float, cap: int = 1) -> SgdPlan:
    """One step over all units that memory carries, of up to ``cap`` rows each; its gradient is a mean over these. Public."""
    rate = min(1.0, MOST_ROWS / rows.rung, MOST_OF_ALL / (rows.rung * cap))
    clipping = Clipping(count_weight=0)
    return SgdPlan(steps=1, sample_rate=rate, divisor=rate * rows.estimate, max_grad_norm=max_grad_norm, clipping=clipping)


def gradient_event(module: nn.Module, max_grad_norm: float, sigma: float) -> GaussianEvent:
    """What it costs, where a count of sensitivity 1 would get noise of ``sigma``."""
    sensitivity = rounded_sensitivity(sum(math.prod(shape) for shape in shapes(module))) * max_grad_norm
    return GaussianEvent(what=GRADIENT, sigma=sigma * sensitivity, l2_sensitivity=sensitivity)


def one_gradient(
    module: nn.Module,
    loss: RowLoss,
    plan: SgdPlan,
    event: GaussianEvent,
    exact_batch: Callable[[], Batch],
    entropy: Entropy,
    room: int,
) -> FloatArray:
    """Mean gradient with noise, shape (parameters,); see ``NoisyGradient``."""
    gradients = NoisyGradient(module, loss, plan, 1 / event.mu, exact_batch, entropy, room=room)
    gradients.step()
    parts = [p.grad.flatten() for p in module.parameters() if p.requires_grad and p.grad is not None]
    return np.concatenate([part.double().numpy() for part in parts])
