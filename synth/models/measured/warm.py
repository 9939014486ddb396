"""Warm starts: a network learns from rows of the mixture for free; then DP-SGD, where noise would not drown it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from synth.models.base import Run
from synth.models.measured.beside import rows_beside
from synth.models.measured.stage import Learnt
from synth.models.nets.tabular import schedule
from synth.privacy.accounting import gaussian_mu
from synth.privacy.budget import RowCount
from synth.privacy.clipping import Clipping
from synth.privacy.dpsgd import NoisyGradient, SgdPlan

TABLE_SHARE = 0.35  # of the Gaussian budget, for tables of pairs
WARM_UP, MOMENTUM = 10, 0.9
PRETRAINING = (60_000, 250, 2048, 0.03)  # rows, steps, batch, peak rate of Adam
MOST_NOISE = 0.1  # beyond this ratio of noise to largest signal DP-SGD is left out and tables get its share
WIDE = 500  # groups of all columns beyond which pre-training takes half the batch
WIDE_BATCH = 2.7e6  # most rows in a batch times columns squared: what a step costs
LEAST_SIGNAL = 1500  # rows times mu: below it tables are so noisy themselves that they earn more with the whole budget
TYPICAL_GROUPS = 12  # per column, for that ratio: it must not depend on the rows
LEFT_OUT = "noise would drown a network on this many rows: learnt from tables alone"


def tells(rows: RowCount, epsilon: float, delta: float) -> bool:
    """Whether tables tell enough that something finer can be learnt beside or from them. Public."""
    return gaussian_mu(epsilon, delta) * rows.rung >= LEAST_SIGNAL


def trains(rows: RowCount, epsilon: float, delta: float, columns: int, *, table_share: float) -> bool:
    """Whether DP-SGD can add anything: from the row count's rung, the budget and the columns alone."""
    parameters = (TYPICAL_GROUPS * columns) ** 2 / 2
    mu = gaussian_mu(epsilon, delta)
    left = mu * math.sqrt(0.8 - table_share)
    return tells(rows, epsilon, delta) and math.sqrt(parameters) / (left * rows.rung) < MOST_NOISE


def pretrain(model: nn.Module, loss: Callable[[Tensor], Tensor], learnt: Learnt, run: Run, public: torch.Generator) -> None:
    """Teach a network what the mixture knows, and public rows as far as they can be trusted; no private row is touched.

    Args:
        model: To be taught.
        loss: From coarse codes, shape (rows, columns), to losses, shape (rows,).
        learnt: Holds the mixture, and public rows if there are any.
        run: Told about steps.
        public: For drawing.
    """
    rows, steps, batch, rate = PRETRAINING
    domain = learnt.groups.domain
    uniforms = torch.rand(rows, len(domain.sizes) + 1, generator=public)
    drawn = learnt.mixture.draw_rows(domain, uniforms)
    beside = rows_beside(learnt.view.public, learnt.evidence, learnt.coarse)
    batch = batch if domain.width < WIDE else batch // 2
    others = 0 if beside is None else round(beside.share * batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    run.progress.phase("pre-training", steps)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * schedule(step, steps, WARM_UP)
        chosen = drawn[torch.randint(rows, (batch - others,), generator=public)]
        if beside is not None and others:
            chosen = torch.cat([chosen, beside.draw(others, public)])
        optimizer.zero_grad()
        torch.autograd.backward(loss(chosen).mean())
        optimizer.step()
        run.progress.advance()


def warm_plan(
    rows: RowCount,
    epsilon: float,
    columns: int = 1,
    *,
    steps: int | None,
    batch_size: int | None,
    max_grad_norm: float,
    clipping: Clipping,
) -> SgdPlan:
    """Constants of DP-SGD after a warm start, from the row count's rung, epsilon and columns; ``None``: the defaults."""
    steps = steps if steps is not None else round(min(max(200 * math.sqrt(epsilon), 100), 400))
    most = int(min(max(WIDE_BATCH / columns**2, 1024), 8192))
    batch = batch_size if batch_size is not None else min(max(1024, rows.rung // 8), most)
    rate = min(1.0, batch / rows.rung)
    return SgdPlan(steps=steps, sample_rate=rate, divisor=rate * rows.estimate, max_grad_norm=max_grad_norm, clipping=clipping)


def logit_noise(gradients: NoisyGradient, plan: SgdPlan, columns: int) -> float:
    """Noise of a logit's mean gradient over the run: a logit sums that of one input per column."""
    return gradients.noise_std / math.sqrt(plan.steps) * math.sqrt(columns)


def descend(model: nn.Module, gradients: NoisyGradient, plan: SgdPlan, peak: float, run: Run) -> None:
    """All paid steps of SGD with momentum 0.9: warm-up, then a cosine.

    ``peak`` is a rate for the norm that clipping begins with; where that adapts, the rate goes against it, so that a step
    carries the noise that it was set for.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=peak, momentum=MOMENTUM)
    for p in model.parameters():
        optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
    state = [*model.parameters(), *(optimizer.state[p]["momentum_buffer"] for p in model.parameters())]
    run.progress.phase("training", gradients.steps_left)
    for step in gradients.steps(state):
        for group in optimizer.param_groups:
            group["lr"] = peak * schedule(step, plan.steps, WARM_UP) * plan.max_grad_norm / gradients.norm
        optimizer.step()
        run.progress.advance()
