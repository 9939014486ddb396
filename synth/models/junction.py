"""Graphical models over codes in plain numpy: elimination order, conditionals, marginals, ancestral sampling.

A model is a product of potentials over cliques. Eliminating the columns one by one turns it into ``P(v | neighbours of v)``
for every column v; read backwards, that is a recipe to draw rows from. Each column's clique, ``v`` and its neighbours when it
went, hangs on the clique of the first of these neighbours to go: a junction tree with one node per column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

FloatArray = npt.NDArray[np.float64]
CodeArray = npt.NDArray[np.int32]
Clique = tuple[int, ...]

BYTES = 8  # per cell of a clique, as sizes of models are told in the literature


def eliminate(sizes: Sequence[int], cliques: Sequence[Clique]) -> list[Clique]:
    """Greedy elimination, smallest clique first.

    Args:
        sizes: Codes per column.
        cliques: Columns that share a potential.

    Returns:
        In order of elimination, the column followed by its neighbours at that time, these in increasing order.
    """
    near: dict[int, set[int]] = {v: set() for v in range(len(sizes))}
    for clique in cliques:
        for v in clique:
            near[v].update(u for u in clique if u != v)
    cost = {v: math.log(sizes[v]) + math.fsum(math.log(sizes[u]) for u in near[v]) for v in near}
    out = []
    while near:
        v = min(near, key=lambda u: (cost[u], u))
        mine = near.pop(v)
        out.append((v, *sorted(mine)))
        for u in mine:
            near[u] |= mine
            near[u] -= {u, v}
        for u in mine:
            cost[u] = math.log(sizes[u]) + math.fsum(math.log(sizes[w]) for w in near[u])
    return out


def _parents(buckets: Sequence[Clique]) -> dict[int, int]:
    """Column whose clique each column's clique hangs on; -1 for a root."""
    place = {b[0]: i for i, b in enumerate(buckets)}
    return {b[0]: min(b[1:], key=place.__getitem__, default=-1) for b in buckets}


def model_megabytes(sizes: Sequence[int], cliques: Sequence[Clique]) -> float:
    """Memory of the maximal cliques of a junction tree for ``cliques``, in MiB at eight bytes a cell."""
    buckets = eliminate(sizes, cliques)
    parents, width = _parents(buckets), {b[0]: len(b) for b in buckets}
    inner = {parents[b[0]] for b in buckets if len(b) > 1 and len(b) - 1 == width[parents[b[0]]]}
    return sum(math.prod(sizes[v] for v in b) for b in buckets if b[0] not in inner) * BYTES / 2**20


@dataclass(frozen=True, slots=True)
class Junction:
    """A model that can be drawn from.

    Attributes:
        buckets: As from ``eliminate``.
        given: Per bucket, the conditional of its column: shape (sizes of the neighbours..., size of the column).
    """

    buckets: tuple[Clique, ...]
    given: tuple[npt.NDArray[np.floating], ...]

    @staticmethod
    def of(sizes: Sequence[int], potentials: Mapping[Clique, FloatArray]) -> Junction:
        """From log potentials, arrays of shape ``sizes[clique]`` in the clique's order."""
        buckets = eliminate(sizes, list(potentials))
        parents, place = _parents(buckets), {b[0]: i for i, b in enumerate(buckets)}
        tables = [np.zeros([sizes[v] for v in b]) for b in buckets]
        for clique, values in potentials.items():
            home = min((place[v] for v in clique), default=-1)
            if home >= 0:
                tables[home] = tables[home] + _aligned(values, clique, buckets[home])
        given = []
        for i, bucket in enumerate(buckets):
            message = np.asarray(logsumexp(tables[i], axis=0))
            given.append(np.moveaxis(np.exp(tables[i] - message), 0, -1))
            if parents[bucket[0]] >= 0:
                home = place[parents[bucket[0]]]
                tables[home] = tables[home] + _aligned(message, bucket[1:], buckets[home])
        return Junction(tuple(buckets), tuple(given))

    def draw(self, n_rows: int, rng: np.random.Generator) -> CodeArray:
        """Rows of codes, shape (n_rows, columns)."""
        codes = np.zeros((n_rows, len(self.buckets)), dtype=np.int32)
        for bucket, table in zip(reversed(self.buckets), reversed(self.given), strict=True):
            context = np.zeros(n_rows, dtype=np.int64)
            for axis, v in enumerate(bucket[1:]):
                context = context * table.shape[axis] + codes[:, v]
            rising = np.cumsum(table.reshape(-1, table.shape[-1]).astype(np.float64), axis=1)[context]
            point = rng.random(n_rows)[:, None] * rising[:, -1:]
            codes[:, bucket[0]] = np.minimum((rising <= point).sum(axis=1), table.shape[-1] - 1)
        return codes


def _aligned(values: FloatArray, columns: Clique, bucket: Clique) -> FloatArray:
    """Axes of a table over ``columns`` put where ``bucket`` has them, the others of length 1."""
    order = sorted(range(len(columns)), key=lambda i: bucket.index(columns[i]))
    there = set(columns)
    moved = np.transpose(values, order)
    lengths = iter(moved.shape)
    return moved.reshape([next(lengths) if v in there else 1 for v in bucket])


class Marginals:
    """Marginals of a model, for as many column subsets as one asks for."""

    def __init__(self, model: Junction) -> None:
        """Walk down the tree once: the joint distribution of every clique."""
        self._place = {b[0]: i for i, b in enumerate(model.buckets)}
        self._parents = _parents(model.buckets)
        self._model = model
        self._joint: list[FloatArray] = [np.empty(0)] * len(model.buckets)
        for i in reversed(range(len(model.buckets))):
            v, *rest = model.buckets[i]
            outer = np.ones(())
            if rest:
                home = self._place[self._parents[v]]
                outer = _sum([(self._joint[home], model.buckets[home])], tuple(rest))
            self._joint[i] = np.moveaxis(model.given[i] * outer[..., None], -1, 0)

    def of(self, columns: Clique) -> FloatArray:
        """Joint distribution of ``columns``, shape of their sizes."""
        if not columns:
            return np.ones(())
        first = min(columns, key=self._place.__getitem__)
        home = self._place[first]
        if set(columns) <= set(self._model.buckets[home]):
            return _sum([(self._joint[home], self._model.buckets[home])], columns)
        paths = [self._path(v) for v in columns]
        shared = set(paths[0]).intersection(*paths[1:])
        top = next((v for v in paths[0] if v in shared), None)
        factors = [] if top is None else [(self._joint[self._place[top]], self._model.buckets[self._place[top]])]
        for v in {v for path in paths for v in path if v not in shared}:
            v_bucket = self._model.buckets[self._place[v]]
            factors.append((np.asarray(self._model.given[self._place[v]], dtype=np.float64), (*v_bucket[1:], v)))
        hidden = {v for _, scope in factors for v in scope} - set(columns)
        for v in sorted(hidden, key=self._place.__getitem__):
            touched = [f for f in factors if v in f[1]]
            scope = tuple(sorted({u for f in touched for u in f[1]} - {v}))
            factors = [f for f in factors if v not in f[1]] + [(_sum(touched, scope), scope)]
        return _sum(factors, columns)

    def _path(self, v: int) -> list[int]:
        path = [v]
        while self._parents[path[-1]] >= 0:
            path.append(self._parents[path[-1]])
        return path


def _sum(factors: Sequence[tuple[FloatArray, Clique]], columns: Clique) -> FloatArray:
    """Product of tables, summed over all columns but ``columns``."""
    label = {v: i for i, v in enumerate(sorted({v for _, scope in factors for v in scope}))}
    operands: list[object] = []
    for values, scope in factors:
        operands += [values, [label[v] for v in scope]]
    return np.asarray(np.einsum(*operands, [label[v] for v in columns], optimize=len(factors) > 2))  # type: ignore[call-overload]
