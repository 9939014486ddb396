"""Rows of the autoregressive net, many at a time: tables of logits that are looked up and summed.

Earlier columns are fused into groups of few hundred codes, whose logits for a later column are added up once. A column then
costs one gathered sum over the groups, an exponential, a product with a triangular matrix for the cumulative sums, and a count
of those below a uniform number. Of very many rows the first columns are not drawn one by one: their joint distribution is one
table, from which rows are taken systematically, in its order. Single precision, but for that table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synth.encoding.even import systematic
from synth.models.nets.autoregressive import Autoregressive

SmallCodes = npt.NDArray[np.unsignedinteger[Any]]
IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]

GROUP_CODES = 512  # of fused columns
FIRST_CELLS = 1 << 20  # of the joint distribution of the first columns
CHUNK = 8192  # rows whose intermediate values stay in the processor's cache
STEEPEST = 60.0  # largest logit above the column's mean: e^60 is far from overflow


@dataclass(frozen=True, slots=True)
class _Column:
    """How a column is drawn.

    Attributes:
        place: Position in the schema.
        groups: Columns fused in each group before it.
        bases: First row of each group's table.
        table: Logits of every code of every group, end to end; for the target with its scores beside them. Shape
            (codes, size + scores).
        rising: Lower triangle of ones, shape (size, size).
        steep: Whether logits may be larger than ``STEEPEST``.
    """

    place: int
    groups: tuple[tuple[int, ...], ...]
    bases: tuple[int, ...]
    table: Tensor
    rising: Tensor
    steep: bool


class QuickDraw:
    """Draws rows of a fitted net, which it is not kept in step with. The same object serves several threads."""

    @torch.no_grad()
    def __init__(self, model: Autoregressive) -> None:
        """Add up the tables."""
        self._sizes, self._offsets, self._order = model.sizes, [int(o) for o in model.offsets], model.order
        self.kind = np.min_scalar_type(max(self._sizes) - 1)
        whole = torch.block_diag(*model.bases)  # type: ignore[no-untyped-call]
        self._weight = model.skip.table() @ whole.T
        self._bias = torch.cat([b - b.logsumexp(0) for b in torch.split(model.bias.detach(), self._sizes)])
        self._products = _quadratic(model)
        self._columns = [self._column(at, model.scores) for at in range(len(self._order))]

    def _column(self, at: int, scores: Tensor) -> _Column:
        j = self._order[at]
        span = slice(self._offsets[j], self._offsets[j] + self._sizes[j])
        groups = self._grouped(self._order[:at]) or [()]
        tables = [self._summed(g, self._weight[:, span]) for g in groups]
        tables[0] = tables[0] + self._bias[span]
        steepest = float(sum(t.max() for t in tables))
        if self._products is not None and at == len(self._order) - 1:
            tables = [torch.cat([t, self._summed(g, scores)], 1) for t, g in zip(tables, groups, strict=True)]
            steepest = math.inf
        bases = tuple(np.cumsum([0, *(len(t) for t in tables[:-1])]).tolist())
        rising = torch.ones(self._sizes[j], self._sizes[j]).tril()
        return _Column(j, tuple(groups), bases, torch.cat(tables).contiguous(), rising, not steepest <= STEEPEST)

    def _grouped(self, columns: list[int]) -> list[tuple[int, ...]]:
        groups: list[tuple[int, ...]] = []
        for j in columns:
            if groups and math.prod(self._sizes[k] for k in groups[-1]) * self._sizes[j] <= GROUP_CODES:
                groups[-1] = (*groups[-1], j)
            else:
                groups.append((j,))
        return groups

    def _summed(self, group: tuple[int, ...], weight: Tensor) -> Tensor:
        """Rows of ``weight`` added up for every combination of a group's codes, the last column running fastest."""
        table = torch.zeros(1, weight.shape[1])
        for j in group:
            rows = weight[self._offsets[j] : self._offsets[j] + self._sizes[j]]
            table = (table[:, None, :] + rows[None, :, :]).reshape(-1, weight.shape[1])
        return table

    @cached_property
    def _first(self) -> tuple[npt.NDArray[np.float64], list[SmallCodes]]:
        """Joint distribution of as many first columns as it has room for, and the codes of its cells, one array a column."""
        mass, columns = torch.ones(1, dtype=torch.float64), self._order[:0]
        for j in self._order[:-1]:
            if len(mass) * self._sizes[j] > FIRST_CELLS:
                break
            span = slice(self._offsets[j], self._offsets[j] + self._sizes[j])
            logits = self._summed(tuple(columns), self._weight[:, span]) + self._bias[span]
            mass = (mass[:, None] * logits.clamp_(max=STEEPEST).double().softmax(1)).reshape(-1)
            columns = [*columns, j]
        codes = np.unravel_index(np.arange(len(mass)), [self._sizes[j] for j in columns]) if columns else ()
        return mass.numpy(), [np.asarray(c, dtype=self.kind) for c in codes]

    @torch.no_grad()
    def rows(self, uniforms: Tensor) -> Tensor:
        """Codes, shape (rows, columns), int64, from uniform numbers of the same shape."""
        codes = np.empty((uniforms.shape[1], len(uniforms)), dtype=self.kind)
        for start in range(0, len(uniforms), CHUNK):
            part = uniforms[start : start + CHUNK].T.contiguous().numpy()
            self._draw(self._columns, codes[:, start : start + CHUNK], [part[j] for j in self._order])
        return torch.from_numpy(codes.T.astype(np.int64))

    @torch.no_grad()
    def many(self, rows: int, rng: np.random.Generator) -> SmallCodes:
        """Codes of very many rows, shape (columns, rows), of the type ``kind``; in no random order."""
        codes = np.empty((len(self._order), rows), dtype=self.kind)
        mass, of_cell = self._first
        cells = systematic(mass, rows, rng)
        rest = self._columns[len(of_cell) :]
        for start in range(0, rows, CHUNK):
            mine = cells[start : start + CHUNK]
            for j, first in zip(self._order[: len(of_cell)], of_cell, strict=True):
                codes[j, start : start + CHUNK] = first[mine]
            self._draw(rest, codes[:, start : start + CHUNK], rng.random((len(rest), len(mine)), dtype=np.float32))
        return codes

    def _draw(self, columns: list[_Column], codes: SmallCodes, uniforms: Any) -> None:
        """Fill in columns, given those before them; ``uniforms`` are one array of shape (rows,) each."""
        held: dict[tuple[int, ...], IntArray] = {(): np.zeros(codes.shape[1], dtype=np.int32)}
        for column, uniform in zip(columns, uniforms, strict=True):
            size, logits = self._sizes[column.place], self._logits(column, codes, held)
            if logits.shape[1] > size:
                logits = self._with_products(logits[:, :size], logits[:, size:])
            if column.steep:
                logits = np.minimum(logits, np.float32(STEEPEST))
            running = torch.mm(column.rising, torch.from_numpy(np.exp(logits)).T).numpy()  # shape (size, rows)
            below = np.less_equal(running[:-1], uniform * running[-1])
            codes[column.place] = np.add.reduce(below.view(np.uint8), axis=0, dtype=self.kind)

    def _logits(self, column: _Column, codes: SmallCodes, held: dict[tuple[int, ...], IntArray]) -> FloatArray:
        """Sums of table rows, shape (rows, size + scores)."""
        index = np.empty((codes.shape[1], len(column.groups)), dtype=np.int32)
        for at, (group, base) in enumerate(zip(column.groups, column.bases, strict=True)):
            np.add(self._fused(group, codes, held), np.int32(base), out=index[:, at])
        return torch.nn.functional.embedding_bag(torch.from_numpy(index), column.table, mode="sum").numpy()

    def _fused(self, group: tuple[int, ...], codes: SmallCodes, held: dict[tuple[int, ...], IntArray]) -> IntArray:
        """One code for several columns, shape (rows,)."""
        if group not in held:
            held[group] = self._fused(group[:-1], codes, held) * np.int32(self._sizes[group[-1]]) + codes[group[-1]]
        return held[group]

    def _with_products(self, logits: FloatArray, scores: FloatArray) -> FloatArray:
        """Quadratic forms of the scores added; relative to the first class, which the softmax does not see."""
        out = logits.copy()
        for c, square in enumerate(self._products or (), start=1):
            half = torch.mm(torch.from_numpy(scores), square).numpy()
            out[:, c] += np.einsum("ns,ns->n", half, scores)
        return out


def _quadratic(model: Autoregressive) -> list[Tensor] | None:
    """The target's products as one square matrix a class but the first, shape (scores, scores) each."""
    if model.products is None:
        return None
    weight = model.bases[model.target] @ model.products.weight.detach() * model.scale  # of every class's logit
    square = torch.zeros(len(weight), model.scores.shape[1], model.scores.shape[1])
    square[:, model.first, model.second] = weight
    return list(square[1:] - square[:1])
