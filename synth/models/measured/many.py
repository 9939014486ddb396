"""Many rows at a time: weighed by few fused tables and resampled systematically, at some hundred thousand rows a second.

With so many rows chance adds little to the error of what was learnt, so nothing is balanced beyond systematic resampling.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from synth.models.measured.rake import Features
from synth.privacy.tally import Tally, fused
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
CodeArray = npt.NDArray[np.integer[Any]]

CHUNK = 16_384  # rows whose intermediate values stay in the processor's cache


class QuickScore:
    """Logarithms of rows' weights, from tables that several of the released ones are summed into."""

    def __init__(self, features: Features, multipliers: Tensor, domain: Domain) -> None:
        """Sum the multipliers of cells; those of products stay as they are."""
        subsets = [tuple(int(j) for j in row if j >= 0) for row in features.columns]
        self._tally, self._sizes = Tally(subsets, domain.sizes), domain.sizes
        self._features, self._domain, self._multipliers = features, domain, multipliers[features.cells :]
        plan, cells = self._tally.plan, multipliers.numpy()
        self._tables = [np.zeros([domain.sizes[j] for j in plan.columns(h)], dtype=np.float32) for h in range(len(plan.hosts))]
        for subset, offset, host in zip(subsets, features.offsets, plan.host_of, strict=True):
            sizes = [domain.sizes[j] for j in subset]
            table = cells[offset : offset + int(np.prod(sizes))].reshape(sizes)
            axes = [plan.columns(host).index(j) for j in subset]
            table = table.transpose(np.argsort(axes))
            shape = [1] * self._tables[host].ndim
            for axis, size in zip(sorted(axes), table.shape, strict=True):
                shape[axis] = size
            self._tables[host] += table.reshape(shape)

    def of(self, codes: Tensor) -> npt.NDArray[np.float32]:
        """Scores of rows, shape (rows,), up to a constant."""
        out = np.empty(len(codes), dtype=np.float32)
        for start in range(0, len(codes), CHUNK):
            part = codes[start : start + CHUNK]
            out[start : start + len(part)] = self._part(part.numpy().T.astype(np.uint16), part)
        return out

    def _part(self, columns: npt.NDArray[np.uint16], codes: Tensor) -> npt.NDArray[np.float32]:
        plan, score = self._tally.plan, np.zeros(len(codes), dtype=np.float32)
        groups = [fused([columns[j] for j in g], [self._sizes[j] for j in g]) for g in plan.groups]
        cells = [int(np.prod([self._sizes[j] for j in g])) for g in plan.groups]
        for host, table in zip(plan.hosts, self._tables, strict=True):
            score -= table.ravel()[fused([groups[g] for g in host], [cells[g] for g in host])]
        if len(self._multipliers):
            score -= (self._features.values(codes, self._domain) @ self._multipliers).numpy()
        return score


def weights_of(scores: npt.NDArray[np.float32]) -> FloatArray:
    """Weights that sum to 1, shape (rows,)."""
    weights = np.exp((scores - scores.max(initial=-np.inf)).astype(np.float64))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def resampled(weights: FloatArray, rows: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Systematic resampling: positions in random order, each as often as its weight says, up to rounding."""
    edges = np.floor(np.cumsum(weights) * rows + rng.random()).astype(np.int64)
    edges[-1] = max(int(edges[-1]), rows)  # what rounding may lose at the end
    times = np.diff(np.minimum(edges, rows), prepend=0)
    return rng.permutation(np.repeat(np.arange(len(weights)), times))[:rows]
