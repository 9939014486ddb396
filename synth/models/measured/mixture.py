"""A low-rank mixture of independent columns, fitted to noisy tables by weighted least squares.

Component k has weight ``softmax(a)_k`` and column distributions ``softmax(b_j + z_k W_j)``: the components share a code z of
few dimensions, so that thousands of cells cost few parameters. All tables of the model are blocks of one product of
matrices, so a step costs two of them. (Low-rank and relaxed projections of noisy answers: Aydore et al. 2021,
arXiv:2103.06641; Liu et al. 2021, arXiv:2106.07153.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synth.models.given import Given
from synth.models.measured.evidence import Evidence
from synth.models.nets.tabular import draw, draw_given, schedule, softmaxes
from synth.table import Domain

ROWS_AT_ONCE = 8192  # whose components are weighed at once


@dataclass(frozen=True, slots=True, kw_only=True)
class MixturePlan:
    """How to fit.

    Attributes:
        components: Number of components.
        rank: Dimensions of their codes.
        steps: Of Adam.
        rate: Peak learning rate.
        smooth: Weight of squared differences between neighbouring codes of an ordered column.
        ridge: Weight of squares.
    """

    components: int = 500
    rank: int = 16
    steps: int = 300
    rate: float = 0.05
    smooth: float = 20.0
    ridge: float = 0.5

    @staticmethod
    def for_budget(signal: float) -> MixturePlan:
        """More dimensions where rows times the Gaussian budget ``mu`` are more."""
        return MixturePlan(rank=int(np.clip(15 * math.sqrt(signal / 2600), 6, 72)))


@dataclass(frozen=True, slots=True)
class Mixture:
    """Fitted components.

    Attributes:
        weights: Shape (components,).
        shares: Distribution of every column end to end, shape (components, width).
    """

    weights: Tensor
    shares: Tensor

    def one_way(self, domain: Domain) -> list[npt.NDArray[np.float64]]:
        """Distribution of every column."""
        whole = (self.weights @ self.shares).double().numpy()
        parts = np.split(whole, domain.offsets[1:])
        return [part / part.sum() for part in parts]

    def draw_rows(self, domain: Domain, uniforms: Tensor) -> Tensor:
        """Codes, shape (rows, columns), from uniform numbers of shape (rows, columns + 1)."""
        which = draw(self.weights.expand(1, -1), uniforms[:, 0])
        codes = torch.empty(len(uniforms), len(domain.sizes), dtype=torch.long)
        for j, (low, size) in enumerate(zip(domain.offsets, domain.sizes, strict=True)):
            codes[:, j] = draw(self.shares[:, low : low + size][which], uniforms[:, j + 1])
        return codes

    def shares_of(self, domain: Domain, column: int, codes: Tensor) -> Tensor:
        """Distribution of one column given all others, shape (rows, size), for codes of shape (rows, columns)."""
        logs = self.shares.clamp_min(1e-12).log().T.contiguous()
        logs[domain.offsets[column] : domain.offsets[column] + domain.sizes[column]] = 0
        places = codes + torch.tensor(domain.offsets)
        own = self.shares[:, domain.offsets[column] : domain.offsets[column] + domain.sizes[column]]
        parts = [
            (nn.functional.embedding_bag(part, logs, mode="sum") + self.weights.log()).softmax(1) @ own
            for part in torch.split(places, ROWS_AT_ONCE)
        ]
        return torch.cat(parts)

    def draw_where(self, domain: Domain, uniforms: Tensor, given: Sequence[Given]) -> tuple[Tensor, Tensor]:
        """The same under conditions: components from their posterior, so that rows weigh the same unless codes are given.

        Returns:
            Codes, shape (rows, columns), and the logarithm of each row's weight, shape (rows,).
        """
        scores = self.weights.log()[None].expand(1, -1)
        parts = torch.split(self.shares, list(domain.sizes), 1)
        for part, one in zip(parts, given, strict=True):
            if one.likelihood is not None:
                scores = scores + (part @ torch.from_numpy(one.likelihood).float()).log()
            if one.codes is not None:
                known = torch.from_numpy(one.codes)
                scores = scores + torch.where(known[:, None] >= 0, part.T[known.clamp_min(0)].log(), 0.0)
        mass = scores.logsumexp(1)
        which = draw(scores.softmax(1).nan_to_num(1.0), uniforms[:, 0])
        codes = torch.empty(len(uniforms), len(domain.sizes), dtype=torch.long)
        for j, (part, one) in enumerate(zip(parts, given, strict=True)):
            codes[:, j], found = draw_given(part[which], uniforms[:, j + 1], one)
            mass = torch.where(found > -torch.inf, mass, -torch.inf)
        return codes, mass.expand(len(uniforms))


class _Target:
    """All tables as one square matrix per class of the target, with the precision of every entry."""

    def __init__(self, evidence: Evidence, split: int) -> None:
        """``split``: column whose classes get a matrix each, or -1."""
        domain = evidence.domain
        classes = domain.sizes[split] if split >= 0 else 1
        self.split, self.domain = split, domain
        self.shares = torch.zeros(classes, domain.width, domain.width)
        self.precision = torch.zeros(classes, domain.width, domain.width)
        one_way, self.one_way_precision = np.zeros(domain.width), np.zeros(domain.width)
        for table in evidence.tables:
            spans = [slice(domain.offsets[j], domain.offsets[j] + domain.sizes[j]) for j in table.columns]
            precision = 1 / np.broadcast_to(table.sd, table.shares.shape) ** 2
            if len(table.columns) == 1:
                one_way[spans[0]], self.one_way_precision[spans[0]] = table.shares, precision
            elif len(table.columns) == 2:
                self._put(0, spans, table.shares, precision)
            elif len(table.columns) == 3 and table.columns[2] == split:
                for c in range(classes):
                    self._put(c, spans, table.shares[..., c], precision[..., c])
        self.one_way = torch.from_numpy(one_way).float()
        self.one_way_weight = torch.from_numpy(self.one_way_precision).float()

    def _put(self, c: int, spans: list[slice], shares: np.ndarray, precision: np.ndarray) -> None:
        self.shares[c, spans[0], spans[1]] = torch.from_numpy(np.ascontiguousarray(shares)).float()
        self.precision[c, spans[0], spans[1]] = torch.from_numpy(np.ascontiguousarray(precision)).float()

    def loss(self, weights: Tensor, shares: Tensor) -> Tensor:
        """Half the sum of squared standardised residuals."""
        whole = 0.5 * (self.one_way_weight * (weights @ shares - self.one_way).square()).sum()
        low = self.domain.offsets[self.split] if self.split >= 0 else 0
        for c in range(len(self.shares)):
            mass = weights if self.split < 0 else weights * shares[:, low + c]
            table = (shares * mass[:, None]).T @ shares
            whole = whole + 0.5 * (self.precision[c] * (table - self.shares[c]).square()).sum()
        return whole


def fit_mixture(
    evidence: Evidence,
    log_shares: Tensor,
    plan: MixturePlan,
    *,
    split: int,
    source: torch.Generator,
    advance: Callable[[], None],
) -> Mixture:
    """Fit to noisy tables. Post-processing.

    Args:
        evidence: Tables of one or two columns, or of two and the split column.
        log_shares: Logarithms of the one-way tables, shape (width,).
        plan: How.
        split: Position of a class target whose three-way tables were measured, or -1.
        source: For initial values.
        advance: Called once per step.
    """
    domain, target = evidence.domain, _Target(evidence, split)
    codes = torch.randn(plan.components, plan.rank, generator=source).requires_grad_()
    loads = (torch.randn(plan.rank, domain.width, generator=source) * 0.3 / math.sqrt(plan.rank)).requires_grad_()
    bias, logits = log_shares.clone().float().requires_grad_(), torch.zeros(plan.components, requires_grad=True)
    left, right = neighbours(domain)
    optimizer = torch.optim.Adam([codes, loads, bias, logits], lr=plan.rate)
    for step in range(plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * schedule(step, plan.steps, 20)
        shares = softmaxes(bias + codes @ loads, domain.sizes)
        loss = target.loss(logits.softmax(0), shares) + plan.ridge * loads.square().sum()
        loss = loss + plan.smooth * (loads[:, left] - loads[:, right]).square().sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        advance()
    with torch.no_grad():
        return Mixture(logits.softmax(0), softmaxes(bias + codes @ loads, domain.sizes))


def neighbours(domain: Domain) -> tuple[Tensor, Tensor]:
    """One-hot positions of neighbouring codes of ordered columns, as two index vectors."""
    left = [o + k for o, n in zip(domain.offsets, domain.in_order, strict=True) for k in range(n - 1)]
    return torch.tensor(left, dtype=torch.long), torch.tensor(left, dtype=torch.long) + 1
