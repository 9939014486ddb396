"""The noise of DP-SGD taken out of a trained net again: how large it is in every weight is known, so the rest is signal.

A weight moves from its warm start by what rows say and by noise. Near the warm start the loss is about quadratic with the
curvature that public rows of the mixture have, and the steps are public: so the standard deviation that the noise of all
steps leaves in a weight is known without any row. Most weights have moved no further than that. How far the others truly
moved is a distribution over a grid of sizes, learnt from all weights together (expectation maximisation), with a prior for
each pair of columns and each pair of frequencies. Weights are scaled so that they are as far spread as the true moves:
posterior means would be too close together, and links too weak (Louis 1984, "Estimating a population of parameter values
using Bayes and empirical Bayes methods"). Post-processing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synth.models.measured.warm import MOMENTUM, WARM_UP
from synth.models.nets.autoregressive import Autoregressive
from synth.models.nets.tabular import column_of, schedule
from synth.privacy.dpsgd import SgdPlan

ROWS = 4096  # of the mixture, for curvatures
VARIANCES = np.array([1.0, *(1 + 0.1 * 3.0**k for k in range(8))])  # of a move, in those of its noise alone
FARTHEST = 1e4  # square of a move, in the same units
BANDS = np.array([1, 2, 3, 4, 4, 5, 5, 5, 5])  # of the slowest cosines; 0 where codes have no order
LAST_BAND = 6
PSEUDO = 20.0  # weights of a pair of columns that are made up, spread as all are
ROUNDS = 15
TRUSTED = 0.5  # of the weights of a class target's products
CURVATURES = np.append(0.0, np.geomspace(1e-6, 1.0, 100))
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Steps:
    """A run of DP-SGD; public.

    Attributes:
        plan: Its constants.
        noise_std: Standard deviation of the noise in a coordinate of a step's gradient.
        peak: Learning rate.
        apart: Whether the target was left out of it.
    """

    plan: SgdPlan
    noise_std: float
    peak: float
    apart: bool = False

    def noise(self, curvature: FloatArray) -> FloatArray:
        """Standard deviation that all steps leave in weights, given the loss' second derivative along them."""
        weight, velocity, variance = np.ones_like(CURVATURES), np.zeros_like(CURVATURES), np.zeros_like(CURVATURES)
        for step in reversed(range(self.plan.steps)):  # what the last weight owes to weight and velocity before each step
            push = velocity - self.peak * schedule(step, self.plan.steps, WARM_UP) * weight
            variance += push**2
            weight, velocity = weight + CURVATURES * push, MOMENTUM * push
        return np.asarray(self.noise_std * np.interp(curvature, CURVATURES, np.sqrt(variance)), dtype=np.float64)


@torch.no_grad()
def settle_weights(model: Autoregressive, start: Tensor, rows: Tensor, steps: Steps, *, target: int) -> None:
    """Take what noise has probably added out of the weights of all columns but the target, in place.

    The target's are left alone: a classifier suffers more from links that are too weak than from noise.

    Args:
        model: After DP-SGD; ``model.skip.weight`` changes.
        start: The same weights before it.
        rows: Public rows, shape (rows, columns), to take curvatures from.
        steps: Of the run.
        target: Position of the target, or -1.
    """
    of_code, loose = column_of(model.sizes), _loose(model)
    moved = _without_common(model, (model.skip.weight - start).double())
    seen = model.mask.bool() & (of_code != target)[:, None]
    sd = loose.sqrt()[:, None] * torch.from_numpy(steps.noise((curvatures(model, rows, steps) / loose[:, None]).numpy()))
    out, into = (place.numpy() for place in torch.nonzero(seen, as_tuple=True))
    square = (moved / sd)[seen].square().clamp_max(FARTHEST).numpy()
    bands, columns = _bands(model), of_code.numpy()
    _, pair = np.unique(columns[out] * len(model.sizes) + columns[into], return_inverse=True)
    if not len(pair):
        return
    kept = kept_shares(square, pair, bands[out] * (LAST_BAND + 1) + bands[into])
    settled = model.skip.weight.double()
    settled[seen] = start.double()[seen] + moved[seen] * torch.from_numpy(np.sqrt(kept))
    model.skip.weight.copy_(settled)


@torch.no_grad()
def settle_products(model: Autoregressive, start: Tensor, rows: Tensor, steps: Steps) -> None:
    """Take what noise has probably added out of the weights of the target's products of pairs, in place.

    There are hundreds, and a classifier takes their noise for structure: they are posterior means, not merely as far spread
    as true moves, and half of that, since clipping cuts the gradients of just those rows that surprise a bold net. Those of
    an ordered target stay: regression loses more by weak links than by noise.

    Args:
        model: After DP-SGD; ``model.products`` changes.
        start: Its weights before, shape (classes, pairs).
        rows: Public rows, shape (rows, columns), to take curvatures from.
        steps: Of the run.
    """
    if model.products is None or _is_smooth(model, model.target):
        return
    loose = 1 - 1 / model.sizes[model.target]
    moved = (model.products.weight - start).double()
    moved -= moved.mean(0)
    sd = np.sqrt(loose) * torch.from_numpy(steps.noise((product_curvatures(model, rows, steps) / loose).numpy()))
    square = (moved / sd).square().clamp_max(FARTHEST).flatten().numpy()
    alike = np.zeros(len(square), dtype=np.int64)
    kept = torch.from_numpy(kept_shares(square, alike, alike)).view(moved.shape)
    model.products.weight.copy_(TRUSTED * (start.double() + moved * kept))


def kept_shares(square: FloatArray, pair: IntArray, band: IntArray) -> FloatArray:
    """Share of each move's square that is no noise, shape (moves,), from 0 to 1: its posterior mean.

    Args:
        square: Squared moves in variances of their noise.
        pair: Group of each move; groups are numbered from 0.
        band: Group of each move of another kind, likewise.
    """
    logs = -0.5 * (np.log(VARIANCES) + square[:, None] / VARIANCES)
    likely = np.exp(logs - logs.max(1, keepdims=True))
    by_band = np.full((band.max() + 1, len(VARIANCES)), 1 / len(VARIANCES))
    by_pair = np.ones((pair.max() + 1, len(VARIANCES)))
    for _ in range(ROUNDS):
        prior = by_band[band] * by_pair[pair]
        prior /= prior.sum(1, keepdims=True)
        posterior = prior * likely
        posterior /= posterior.sum(1, keepdims=True)
        made_up = PSEUDO / len(VARIANCES)
        by_pair *= (_sums(pair, posterior) + made_up) / (_sums(pair, prior) + made_up)
        by_band = _sums(band, posterior) + 1e-3
        by_band /= by_band.sum(1, keepdims=True)
    return np.asarray(posterior @ (1 - 1 / VARIANCES), dtype=np.float64)


def _sums(group: IntArray, values: FloatArray) -> FloatArray:
    """Sums of rows by group, shape (groups, columns)."""
    return np.stack([np.bincount(group, part) for part in values.T], 1)


@torch.no_grad()
def curvatures(model: Autoregressive, rows: Tensor, steps: Steps) -> Tensor:
    """Second derivatives of the clipped loss along every weight of ``model.skip``, mean over rows; shape (width, width).

    Those of Gauss and Newton: variance of an output's effect times square of the input, less where gradients are clipped.
    """
    inputs, logits = _inputs(model, rows), model.logits(rows)
    spreads = torch.cat([_spread(model, j, logits[j]) for j in range(len(model.sizes))], 1)
    clipped = _clipped(model, rows, inputs, logits, steps)
    bends: Tensor = (spreads * clipped[:, None]).double().T @ inputs.double().square() / len(rows)
    return bends


@torch.no_grad()
def product_curvatures(model: Autoregressive, rows: Tensor, steps: Steps) -> Tensor:
    """The same along the weights of the target's products, shape (classes, pairs)."""
    inputs, logits = _inputs(model, rows), model.logits(rows)
    spread = _spread(model, model.target, logits[model.target])
    clipped = _clipped(model, rows, inputs, logits, steps)
    bends: Tensor = (spread * clipped[:, None]).double().T @ model.pairs(rows).double().square() / len(rows)
    return bends


def _inputs(model: Autoregressive, rows: Tensor) -> Tensor:
    inputs: Tensor = torch.block_diag(*model.bases)[rows + model.offsets].sum(1)  # type: ignore[no-untyped-call]
    return inputs


def _spread(model: Autoregressive, column: int, logit: Tensor) -> Tensor:
    """Variance of every output's effect on a column's logits, shape (rows, size)."""
    chances, basis = logit.softmax(1), model.bases[column]
    return chances @ basis.square() - (chances @ basis).square()


def _clipped(model: Autoregressive, rows: Tensor, inputs: Tensor, logits: list[Tensor], steps: Steps) -> Tensor:
    """What clipping leaves of each row's gradient, shape (rows,), from 0 to 1."""
    lengths = torch.stack([part.square().sum(1) for part in torch.split(inputs, model.sizes, 1)], 1)
    before, squared = torch.zeros(len(rows)), torch.zeros(len(rows))
    for j in model.order[:-1] if steps.apart else model.order:
        chances, basis = logits[j].softmax(1), model.bases[j]
        errors = (basis[rows[:, j]] - chances @ basis).square().sum(1)
        if j == model.target and model.products is not None:
            squared += errors * model.pairs(rows).square().sum(1)
        squared += errors * before
        before = before + lengths[:, j]
    return (steps.plan.max_grad_norm / squared.sqrt().clamp_min(1e-12)).clamp_max(1.0)


def _is_smooth(model: Autoregressive, column: int) -> bool:
    return not torch.equal(model.bases[column], torch.eye(model.sizes[column]))


def _loose(model: Autoregressive) -> Tensor:
    """Part of an output's noise that changes anything, shape (width,): where all logits of a column rise, nothing does."""
    return torch.cat(
        [torch.full((k,), 1.0 if _is_smooth(model, j) or k == 1 else 1 - 1 / k).double() for j, k in enumerate(model.sizes)]
    )


def _without_common(model: Autoregressive, moved: Tensor) -> Tensor:
    """Moves without what raises all logits of a column alike, where outputs are single codes."""
    parts = torch.split(moved, model.sizes)
    return torch.cat([p if _is_smooth(model, j) else p - p.mean(0) for j, p in enumerate(parts)])


def _bands(model: Autoregressive) -> IntArray:
    """Group of each position by how fast its cosine is, shape (width,)."""
    found = []
    for j, size in enumerate(model.sizes):
        rising = np.append(BANDS, np.full(max(size - len(BANDS), 0), LAST_BAND))[:size]
        found.append(rising if _is_smooth(model, j) else np.zeros(size, dtype=np.int64))
    return np.concatenate(found).astype(np.int64)
