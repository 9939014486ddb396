"""A numeric target given the other columns: a private regression of its mean, and a net that agrees with it.

DP-SGD cuts a row's gradient as a whole, so the target gets the share of one column among all and what it learns drowns in
noise. Here the target has a small part of the budget for itself. Residuals of normal scores are regressed on smooth functions
of single columns and on products of pairs, by Newton steps with the curvature of rows that the model draws; noise is
filtered from each step by what the signal must be like to explain its size (an empirical Bayes posterior mean). Afterwards
the net's conditional is tilted until drawn rows have these means (maximum entropy). All but the gradients is post-processing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.special import ndtri
from torch import Tensor, nn

from synth.models.base import Run
from synth.models.measured.relearn import raked_rows
from synth.models.measured.stage import Learnt
from synth.models.nets.autoregressive import Autoregressive
from synth.privacy.layers import OneHotLinear

FloatArray = npt.NDArray[np.float64]

SHARE, STEPS = 0.1, 6  # of the Gaussian budget, for all steps
LEAST_SHARE, CROWDED = 0.01, 0.5  # least share, where tables take more than this and leave no room for all of it
CLIP = 0.5  # of a residual, in standard deviations of the target's scores, where a row's features have length 1
PAIRS = 0.2  # part of a row's squared length that products of pairs have, about
OUTERMOST = 1e-3  # mass that the outermost scores are cut at
WIDEST, NARROWEST, FITS = 1.0, 1e-6, 5  # variances of weights: the first, the least; rounds of fitting after each step
FLOAT = 1e-9  # least that a prior counts beside what slopes say: float64 needs that much to factorise
MOST_WORK, LEAST_ROWS, MOST_DRAWN = 2e7, 4096, 32_768  # rows times parameters, which bounds memory; rows
LEVEL, RIDGE, ROUNDS = 1e-3, 1e-6, 100  # pull of moves and of weights towards none; steps of L-BFGS


class Line(nn.Module):
    """A linear function of single columns, in the net's bases, and of the net's products of pairs; rows have length about 1."""

    def __init__(self, model: Autoregressive) -> None:
        """Start at zero."""
        super().__init__()
        target = model.order[-1]
        self.seen = [j for j in range(len(model.sizes)) if j != target]
        sizes = [model.sizes[j] for j in self.seen]
        self.starts = torch.tensor(np.cumsum([0, *sizes[:-1]]))
        has_pairs = model.products is not None
        scale = ((1 - PAIRS * has_pairs) / len(self.seen)) ** 0.5
        bases = [scale * model.bases[j] / model.bases[j].square().sum(1).mean().sqrt() for j in self.seen]
        slots = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        self.basis: Tensor = torch.block_diag(*bases)  # type: ignore[no-untyped-call]
        self.singles = OneHotLinear(slots, 1, basis=self.basis)
        self.products = nn.Linear(len(model.first), 1, bias=False) if has_pairs else None
        self.pair_scale = (PAIRS / len(self.seen)) ** 0.5
        if self.products is not None:
            nn.init.zeros_(self.products.weight)

    def forward(self, codes: Tensor, pairs: Tensor | None) -> Tensor:
        """Of rows, shape (rows, columns), with their products of pairs; shape (rows,)."""
        found: Tensor = self.singles(codes[:, self.seen] + self.starts)[:, 0]
        if self.products is not None and pairs is not None:
            found = found + self.products(self.pair_scale * pairs)[:, 0]
        return found

    def inputs(self, codes: Tensor, pairs: Tensor | None) -> Tensor:
        """What the weights are multiplied with, in the order of the parameters; shape (rows, parameters)."""
        parts = [self.basis[codes[:, self.seen] + self.starts].sum(1)]
        if self.products is not None and pairs is not None:
            parts.append(self.pair_scale * pairs)
        return torch.cat(parts, 1)

    def blocks(self) -> Tensor:
        """Column that each parameter is about, and one number more for those of products; shape (parameters,)."""
        singles: Tensor = self.singles.slots
        if self.products is None:
            return singles
        return torch.cat([singles, torch.full((self.products.weight.numel(),), len(self.seen))])

    @torch.no_grad()
    def put(self, weights: Tensor) -> None:
        """Set all weights, shape (parameters,)."""
        start = 0
        for p in self.parameters():
            p.copy_(weights[start : start + p.numel()].view(p.shape))
            start += p.numel()


@dataclass(frozen=True, slots=True)
class Mean:
    """The target's mean score given the other columns: what a net says, and a line beside it.

    Attributes:
        scores: Of the target's codes, shape (size,).
        net: Kept as it is.
        line: Learnt beside it.
    """

    scores: Tensor
    net: Autoregressive
    line: Line

    def base(self, codes: Tensor) -> Tensor:
        """What the net says, shape (rows,)."""
        with torch.no_grad():
            return self.net.logits(codes)[self.net.order[-1]].softmax(1) @ self.scores

    def pairs(self, codes: Tensor) -> Tensor | None:
        """Products of pairs, shape (rows, pairs)."""
        return self.net.pairs(codes) if self.net.products is not None else None

    @torch.no_grad()
    def of(self, codes: Tensor) -> Tensor:
        """Of rows, shape (rows,), within what scores can be."""
        found: Tensor = self.base(codes) + self.line(codes, self.pairs(codes))
        return found.clamp(float(self.scores.min()), float(self.scores.max()))


def normal_scores(shares: FloatArray, in_order: int) -> FloatArray:
    """Normal quantiles of ordered codes' middles, of mean 0 and variance 1; 0 for codes behind them."""
    ordered = np.maximum(shares[:in_order], 1e-9)
    ordered = ordered / ordered.sum()
    scores = ndtri(np.clip(np.cumsum(ordered) - ordered / 2, OUTERMOST, 1 - OUTERMOST))
    scores -= ordered @ scores
    return np.append(scores / np.sqrt(ordered @ scores**2), np.zeros(len(shares) - in_order))


def share_beside(tables: float) -> float:
    """Of the Gaussian budget, where tables of pairs and of protected groups take ``tables``. Public."""
    return float(np.clip(SHARE + CROWDED - tables, LEAST_SHARE, SHARE))


def regress(net: Autoregressive, learnt: Learnt, draw: Callable[[int], Tensor], run: Run, *, share: float = SHARE) -> Mean:
    """Learn the target's mean.

    Args:
        net: After its warm start; a copy that nothing changes.
        learnt: Holds the rows.
        draw: That many rows of the model, shape (rows, columns).
        run: Told about steps.
        share: Of the Gaussian budget.
    """
    domain, target = learnt.groups.domain, net.order[-1]
    scores = torch.from_numpy(normal_scores(learnt.coarse[target], domain.in_order[target])).float()
    mean = Mean(scores, net, Line(net))

    def loss(line: nn.Module, codes: Tensor, _: object) -> Tensor:
        rest: Tensor = scores[codes[:, target]] - mean.base(codes) - line(codes, mean.pairs(codes))
        return rest.square() / 2

    rows = draw(affordable(mean.line))
    inputs = mean.line.inputs(rows, mean.pairs(rows)).double()
    filtered = Filter(inputs.T @ inputs / len(inputs), mean.line.blocks())
    run.progress.phase("regressing the target", STEPS)
    for step in range(STEPS):
        slope, sd = learnt.view.noisy_gradient(mean.line, loss, max_grad_norm=CLIP, share=share / STEPS)
        mean.line.put(filtered.learn(torch.from_numpy(-slope), sd, step + 1))
        run.progress.advance()
    run.progress.spent(learnt.view.ledger.spent())
    return mean


def affordable(line: Line) -> int:
    """Rows whose inputs fit into memory."""
    return int(np.clip(MOST_WORK / len(line.blocks()), LEAST_ROWS, MOST_DRAWN))


class Filter:
    """What the weights of a linear model are, from noisy slopes of its loss at several places; all of them count.

    At weights b the slope is ``bends @ (weights - b)``, so each one tells ``bends @ weights`` up to its noise. Weights of a
    block are normal with a variance of the block's own, found by expectation-maximisation: columns that tell nothing of the
    target are left out, and their noise with them (automatic relevance determination; MacKay 1994).
    """

    def __init__(self, bends: Tensor, blocks: Tensor) -> None:
        """Begin at zero.

        Args:
            bends: Mean product of inputs, shape (parameters, parameters), float64.
            blocks: Block of each parameter, numbered from 0, shape (parameters,).
        """
        self._bends, self._blocks, self._sizes = bends, blocks, torch.bincount(blocks)
        self._variances = torch.full((len(self._sizes),), WIDEST, dtype=torch.float64)
        self.weights = torch.zeros(len(bends), dtype=torch.float64)
        self._told, self._counted, self._squares = self.weights.clone(), 0.0, 0.0

    def learn(self, slope: Tensor, sd: float, count: float) -> Tensor:
        """The weights' posterior mean, shape (parameters,).

        Args:
            slope: Downhill, with noise; at the weights that were handed out last.
            sd: Of the noise.
            count: How much it counts beside others: later ones suffer less from a wrong curvature and from clipping.
        """
        self._told += count * (slope + self._bends @ self.weights)
        self._counted, self._squares = self._counted + count, self._squares + count**2
        variance = sd**2 * self._squares / self._counted**2
        precision, told = self._bends @ self._bends / variance, self._bends @ self._told / self._counted / variance
        least = FLOAT * precision.diagonal().max()
        for _ in range(FITS):
            ridge = (1 / self._variances[self._blocks]).clamp_min(least)
            spread = torch.cholesky_inverse(torch.linalg.cholesky(precision + torch.diag(ridge)))
            self.weights = spread @ told
            squares = torch.zeros_like(self._variances).index_add_(0, self._blocks, self.weights.square() + spread.diagonal())
            self._variances = (squares / self._sizes).clamp_min(NARROWEST)
        return self.weights


def tilt_target(model: Autoregressive, learnt: Learnt, mean: Mean, draw: Callable[[int], Tensor]) -> None:
    """Move the target's logits along its scores until drawn rows have the means that were learnt; in place.

    Args:
        model: Whose target is as it was in ``mean.net``.
        learnt: What was measured.
        mean: What was learnt.
        draw: That many rows of the model, shape (rows, columns).
    """
    target = model.order[-1]
    _restore(model, mean.net)
    rows, weights, _, _ = raked_rows(learnt, draw)
    taken = affordable(mean.line)
    rows, weights = rows[:taken], weights[:taken] / weights[:taken].sum()
    with torch.no_grad():
        fixed, inputs = model.logits(rows)[target].double(), mean.line.inputs(rows, mean.pairs(rows)).double()
    weights, scores = weights.double(), mean.scores.double()
    shares, means = torch.from_numpy(learnt.coarse[target]), mean.of(rows).double()
    wanted = inputs.T @ (weights * (means - weights @ means + shares @ scores))  # what columns' tables say of the whole stands

    def dual(flat: FloatArray) -> tuple[float, FloatArray]:
        whole = torch.from_numpy(flat).requires_grad_()
        along, bias = whole[: len(wanted)], whole[len(wanted) :]
        moves = inputs @ along
        value = weights @ (fixed + bias + moves[:, None] * scores).logsumexp(1) - along @ wanted - bias @ shares
        value = value + LEVEL / 2 * (weights @ moves.square()) + RIDGE / 2 * whole.square().sum()
        (slope,) = torch.autograd.grad(value, whole)
        return value.item(), slope.numpy()

    start = np.zeros(len(wanted) + model.sizes[target])
    res = minimize(dual, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS})
    found = torch.from_numpy(res.x).float()
    _add(model, mean, found[: len(wanted)], found[len(wanted) :])


@torch.no_grad()
def _restore(model: Autoregressive, net: Autoregressive) -> None:
    """Weights into the target that training left without a gradient, but not without noise."""
    low, target = int(model.offsets[model.order[-1]]), model.order[-1]
    model.skip.weight[low : low + model.sizes[target]] = net.skip.weight[low : low + model.sizes[target]]
    if model.products is not None and net.products is not None:
        model.products.weight.copy_(net.products.weight)


@torch.no_grad()
def _add(model: Autoregressive, mean: Mean, along: Tensor, bias: Tensor) -> None:
    """Weights of the line times the scores, in the net's own coordinates."""
    target, line = model.order[-1], mean.line
    span = slice(int(model.offsets[target]), int(model.offsets[target]) + model.sizes[target])
    out = torch.linalg.solve(model.bases[target].double(), mean.scores.double()).float()
    singles = line.singles.weight.numel()
    places = torch.cat([torch.arange(model.sizes[j]) + model.offsets[j] for j in line.seen])
    basis = torch.block_diag(*[model.bases[j] for j in line.seen])  # type: ignore[no-untyped-call]
    inputs = torch.linalg.solve(basis.double(), line.basis.double() @ along[:singles].double()).float()
    model.skip.weight[torch.arange(span.start, span.stop)[:, None], places] += torch.outer(out, inputs)
    if model.products is not None:
        model.products.weight += torch.outer(out, line.pair_scale * along[singles:])
    model.bias[span] += bias
