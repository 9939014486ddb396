"""Rows of the autoregressive net, many at a time: tables of logits that are looked up and summed.

Earlier columns are fused into groups of few hundred codes, whose logits for a later column are added up once. A column then
costs one gathered sum per group, an exponential, a product with a triangular matrix for the cumulative sums, and a search.
The rows follow the same distribution as those of ``Autoregressive.draw_rows``, up to rounding in single precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from synth.models.nets.autoregressive import Autoregressive

GROUP_CODES = 512  # of fused columns
CHUNK = 8192  # rows whose intermediate values stay in the processor's cache
STEEPEST = 60.0  # largest logit above the column's mean: e^60 is far from overflow
MAX_CLASSES = 8  # of a target whose products are quadratic forms


@dataclass(frozen=True, slots=True)
class _Column:
    """How a column is drawn.

    Attributes:
        place: Position in the schema.
        groups: Columns fused in each group before it.
        table: Logits of every code of every group, end to end, shape (codes, size).
        rising: Upper triangle of ones, shape (size, size).
    """

    place: int
    groups: tuple[tuple[int, ...], ...]
    table: Tensor
    rising: Tensor


class QuickDraw:
    """Draws rows of a fitted net."""

    @torch.no_grad()
    def __init__(self, model: Autoregressive) -> None:
        """Add up the tables; the model is not kept in step with."""
        self._sizes, self._offsets, self._order = model.sizes, [int(o) for o in model.offsets], model.order
        whole = torch.block_diag(*model.bases)  # type: ignore[no-untyped-call]
        weight = model.skip.table() @ whole.T
        self._columns = []
        for at, j in enumerate(self._order):
            groups = self._grouped(self._order[:at])
            span = slice(self._offsets[j], self._offsets[j] + self._sizes[j])
            bias = model.bias[span] - model.bias[span].logsumexp(0)
            tables = [self._summed(g, weight[:, span]) for g in groups] or [torch.zeros(1, self._sizes[j])]
            tables[0] = tables[0] + bias
            rising = torch.ones(self._sizes[j], self._sizes[j]).triu()
            self._columns.append(_Column(j, tuple(groups), torch.cat(tables).contiguous(), rising))
        self._products = self._quadratic(model)
        self._scores = model.scores.contiguous()

    def _grouped(self, columns: list[int]) -> list[tuple[int, ...]]:
        groups: list[tuple[int, ...]] = []
        for j in columns:
            if groups and math.prod(self._sizes[k] for k in groups[-1]) * self._sizes[j] <= GROUP_CODES:
                groups[-1] = (*groups[-1], j)
            else:
                groups.append((j,))
        return groups

    def _summed(self, group: tuple[int, ...], weight: Tensor) -> Tensor:
        """Logits of every combination of a group's codes, the last column running fastest."""
        table = torch.zeros(1, weight.shape[1])
        for j in group:
            rows = weight[self._offsets[j] : self._offsets[j] + self._sizes[j]]
            table = (table[:, None, :] + rows[None, :, :]).reshape(-1, weight.shape[1])
        return table

    def _quadratic(self, model: Autoregressive) -> Tensor | None:
        """The target's products as one square matrix a class, shape (scores, classes * scores)."""
        if model.products is None:
            return None
        width, bases = model.scores.shape[1], model.bases[model.target]
        weight = bases @ model.products.weight * model.scale  # of every class's logit
        square = torch.zeros(len(weight), width, width)
        square[:, model.first, model.second] = weight
        return square.permute(1, 0, 2).reshape(width, -1).contiguous()

    @torch.no_grad()
    def rows(self, uniforms: Tensor) -> Tensor:
        """Codes, shape (rows, columns), int64, from uniform numbers of the same shape."""
        codes = torch.empty(uniforms.shape, dtype=torch.long)
        for start in range(0, len(uniforms), CHUNK):
            self._draw(uniforms[start : start + CHUNK].T.contiguous(), codes[start : start + CHUNK])
        return codes

    def _draw(self, uniforms: Tensor, codes: Tensor) -> None:
        held: dict[tuple[int, ...], Tensor] = {(): torch.zeros(len(codes), dtype=torch.long)}
        by_column: dict[int, Tensor] = {}
        for column in self._columns:
            logits = self._logits(column, held, by_column)
            if self._products is not None and column.place == self._order[-1]:
                logits += self._interactions(codes, column.place)
            running = logits.clamp_(max=STEEPEST).exp_() @ column.rising
            goal = (uniforms[column.place] * running[:, -1])[:, None]
            found = torch.searchsorted(running, goal, right=True)[:, 0].clamp_(max=running.shape[1] - 1)
            codes[:, column.place] = by_column[column.place] = found

    def _logits(self, column: _Column, held: dict[tuple[int, ...], Tensor], by_column: dict[int, Tensor]) -> Tensor:
        if not column.groups:
            return column.table.repeat(len(held[()]), 1)
        base, index = 0, []
        for group in column.groups:
            if group not in held:
                held[group] = held[group[:-1]] * self._sizes[group[-1]] + by_column[group[-1]]
            index.append(held[group] + base)
            base += math.prod(self._sizes[j] for j in group)
        logits: Tensor = functional.embedding_bag(torch.stack(index, 1), column.table, mode="sum")
        return logits

    def _interactions(self, codes: Tensor, target: int) -> Tensor:
        if self._products is None:
            return torch.zeros(len(codes), self._sizes[target])
        seen = [j for j in self._order if j != target]
        places = codes[:, seen] + torch.tensor([self._offsets[j] for j in seen])
        scores = functional.embedding_bag(places, self._scores, mode="sum")
        half = (scores @ self._products).reshape(len(codes), -1, scores.shape[1])
        return (half * scores[:, None, :]).sum(2)
