r"""How a row's gradient is bounded before it is added up, and a noisy count of the rows that the bound leaves as they are.

Four rules, all with a bound of C on what a row adds. *Flat* cuts the whole gradient to norm C. *Per layer* cuts the part of
each of L layers to C / sqrt(L) (McMahan et al. 2018, arXiv:1710.06963). *Normalized* scales every gradient to C g / (|g| +
gamma), shorter than C (Bu et al. 2022, arXiv:2206.07136). *Adaptive* is flat, with a C that follows a quantile of the norms
(Andrew et al. 2021, arXiv:1905.03871).

The count is one more coordinate of the sum that gets noise: a row of score s in [-1, 1] adds w C s beside its gradient, so
with w = ``count_weight`` it moves the whole by at most C sqrt(1 + w^2), and noise of z times that in every coordinate is what
an event of noise multiplier z charges for. For bits of 1/2 either way this is the split of Andrew et al., Theorem 1:
noise z sqrt(1 + w^2) on the gradients, in units of C, and sigma_b = z sqrt(1 + w^2) / (2 w) on the count, so that
z_gradient^-2 = z^-2 - (2 sigma_b)^-2.

Scores are a ramp around C, not a step: where norms are computed in float32, one row more may move those of others in the last
digits, and a row whose norm is just C must not jump for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from synth.errors import AccountingError, InputError

FLAT, ADAPTIVE, PER_LAYER, NORMALIZED = CLIPPINGS = ("flat", "adaptive", "per_layer", "normalized")

NORM_MARGIN = 1e-3  # float32: error of a norm, and drift of other rows' gradients with the batch (seen: 4e-6 C)
GAMMA = 0.01  # norm at which a normalized gradient has half the length: the published constant
RATE = 0.2  # of the geometric update, as published
COUNT_WEIGHT = 0.02  # makes the gradients' noise 0.02 % larger
RAMP = 0.25  # a row counts in part where its norm is within a quarter of the bound
# Of a score, kept free for the drift of other rows' scores: 8,192 rows, all on the ramp, whose norms all drift one way by
# 1.5e-6 of themselves. (Float32 rounds to 6e-8; errors that do not conspire are a thousandth of it.)
HEADROOM = 0.05
FARTHEST = 1e6  # an adaptive norm stays within this factor of where it began


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipping:
    """How gradients are bounded. Public.

    Attributes:
        kind: One of ``CLIPPINGS``.
        quantile: Share of rows that an adaptive norm leaves uncut.
        count_weight: What a row adds to the count, in clipping norms; 0 for no count. Normalizing has nothing to count.
    """

    kind: str = FLAT
    quantile: float = 0.5
    count_weight: float = COUNT_WEIGHT

    def __post_init__(self) -> None:
        if self.kind not in CLIPPINGS:
            raise InputError(f"clipping must be one of {', '.join(CLIPPINGS)}, not {self.kind!r}")
        if not (0 < self.quantile < 1 and (self.kind == ADAPTIVE) <= (self.count_weight > 0) and 0 <= self.count_weight <= 1):
            raise InputError("clipping needs a quantile between 0 and 1, and a count from which an adaptive norm can learn")

    @property
    def weight(self) -> float:
        """What a row adds to the count in force."""
        return 0.0 if self.kind == NORMALIZED else self.count_weight


def joint_norm(norm: float, weight: float) -> float:
    """Bound on what one unit adds to gradient and count together: ``norm`` and ``weight * norm`` at right angles."""
    return norm * math.sqrt(1 + weight * weight)


def layer_norm(norm: float, layers: int) -> float:
    """Bound on each of ``layers`` parts whose squares add up to that of ``norm``."""
    return norm / math.sqrt(layers)


def clip_factors(squared: Tensor, norm: float) -> Tensor:
    """What to multiply gradients with so that none is longer than ``norm``; float64, 0 where a norm is not finite."""
    found = squared.double().sqrt()
    factor = (norm / (found * (1 + NORM_MARGIN)).clamp_min(1e-30)).clamp_max(1.0)
    return torch.where(torch.isfinite(found), factor, torch.zeros_like(factor))


def scale_factors(squared: Tensor, norm: float) -> Tensor:
    """What to multiply gradients with to get them to just below ``norm``; float64, 0 where a norm is not finite."""
    found = squared.double().sqrt()
    factor = norm / (found * (1 + NORM_MARGIN) + GAMMA)
    return torch.where(torch.isfinite(found), factor, torch.zeros_like(factor))


def scores(squared: Tensor, norm: float) -> Tensor:
    """1 where a gradient is well below ``norm``, -1 where it is well above or not finite, a ramp in between; float64."""
    ramp = ((1 - squared.double().sqrt() / norm) / RAMP).clamp(-1, 1)
    return torch.where(torch.isfinite(squared), ramp, -torch.ones_like(ramp))


def bounded(squared: Tensor, norm: float, kind: str) -> tuple[Tensor, Tensor]:
    """What rows count.

    Args:
        squared: Squared norms of the gradients by layer, shape (layers, rows), float64. Private.
        norm: Bound on what a row adds.
        kind: One of ``CLIPPINGS``.

    Returns:
        What to multiply each layer's gradients with, shape (layers, rows), and each row's score, shape (rows,): the mean over
        layers where these are bounded one by one. A row without a finite norm has factors of 0 and a score of -1. Private.
    """
    whole = squared.sum(0)
    parts, bound = (squared, layer_norm(norm, len(squared))) if kind == PER_LAYER else (whole[None], norm)
    factors = scale_factors(parts, bound) if kind == NORMALIZED else clip_factors(parts, bound)
    score, finite = scores(parts, bound).mean(0), torch.isfinite(whole)
    factors = torch.where(finite, factors, torch.zeros_like(factors)).expand(len(squared), -1)
    return factors, torch.where(finite, score, -torch.ones_like(score))


def adapted(norm: float, share: float, quantile: float) -> float:
    """The next norm, from the noisy share of rows that this one left uncut: geometric, so that its scale does not matter."""
    return norm * math.exp(-RATE * (min(max(share, 0.0), 1.0) - quantile))


@dataclass(frozen=True, slots=True)
class Clipped:
    """What the noisy counts of a training say. Public.

    Attributes:
        share: Of gradients that were cut, averaged over the steps.
        sd: Standard deviation of the noise in it.
        norm: In force after the last step.
    """

    share: float
    sd: float
    norm: float


class ClipState:
    """The norm from step to step, and what noisy counts have said; a function of these alone. Public.

    Attributes:
        kept: Norm of the next step, sum of the shares of rows uncut, and number of steps; for a checkpoint.
    """

    def __init__(self, clipping: Clipping, start: float) -> None:
        """Begin with a norm of ``start``."""
        self._clipping, self._start = clipping, start
        self.kept = torch.tensor([start, 0.0, 0.0], dtype=torch.float64)

    @property
    def norm(self) -> float:
        """Of the next step.

        Raises:
            AccountingError: It is not one that this training can have come to.
        """
        found = float(self.kept[0])
        if not self._start / FARTHEST <= found <= self._start * FARTHEST:
            raise AccountingError("the checkpoint holds a clipping norm that no step can have led to; delete it to start anew")
        return found

    def learn(self, share: float) -> None:
        """Take in the noisy share of rows uncut of one more step."""
        self.kept += torch.tensor([0.0, share, 1.0], dtype=torch.float64)
        if self._clipping.kind == ADAPTIVE:
            wanted = adapted(self.norm, share, self._clipping.quantile)
            self.kept[0] = min(max(wanted, self._start / FARTHEST), self._start * FARTHEST)

    def clipped(self, share_std: float) -> Clipped | None:
        """What is known of all steps so far, for a given noise of one step's share; ``None`` where nothing was counted."""
        total, steps = self.kept[1:].tolist()
        return Clipped(1 - total / steps, share_std / math.sqrt(steps), self.norm) if steps else None
