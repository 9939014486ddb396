"""Many rows at a time: weighed by few fused tables and resampled systematically, at some hundred thousand rows a second.

With so many rows chance adds little to the error of what was learnt, so nothing is balanced beyond systematic resampling.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from synth.encoding.even import systematic
from synth.models.measured.rake import Features
from synth.privacy.tally import MOST_CELLS, Tally, fused
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
CodeArray = npt.NDArray[np.integer[Any]]
Factors = list[tuple[int, npt.NDArray[np.float32]]]  # of a product: columns, and a number for each of their codes

CHUNK = 16_384  # rows whose intermediate values stay in the processor's cache


class QuickScore:
    """Logarithms of rows' weights, from tables that several of the released ones are summed into."""

    def __init__(self, features: Features, multipliers: Tensor, domain: Domain) -> None:
        """Sum the multipliers of cells, and of products, which are functions of cells as well."""
        self._sizes, terms = domain.sizes, []
        for columns, offset in zip(features.columns.tolist(), features.offsets.tolist(), strict=True):
            subset = tuple(j for j in columns if j >= 0)
            shape = [domain.sizes[j] for j in subset]
            terms.append((subset, multipliers[offset : offset + math.prod(shape)].numpy().reshape(shape)))
        self._wide: list[Factors] = []
        for k, multiplier in enumerate(multipliers[features.cells :].tolist()):
            factors = [(j, features.signs_of(k, j, domain)) for j in features.product_columns[k].tolist() if j >= 0]
            factors[0] = (factors[0][0], factors[0][1] * np.float32(multiplier))
            if math.prod(len(signs) for _, signs in factors) > MOST_CELLS:
                self._wide.append(factors)
            else:
                terms.append((tuple(j for j, _ in factors), reduce(np.multiply.outer, [signs for _, signs in factors])))
        subsets = list(dict.fromkeys(subset for subset, _ in terms))
        self._plan = Tally(subsets, domain.sizes).plan
        host_of = dict(zip(subsets, self._plan.host_of, strict=True))
        hosts = [self._plan.columns(h) for h in range(len(self._plan.hosts))]
        tables = [np.zeros([domain.sizes[j] for j in columns], dtype=np.float32) for columns in hosts]
        for subset, table in terms:
            host = host_of[subset]
            axes = [hosts[host].index(j) for j in subset]
            shape = [size if axis in axes else 1 for axis, size in enumerate(tables[host].shape)]
            tables[host] += table.transpose(np.argsort(axes)).reshape(shape)
        self._tables = [table.ravel() for table in tables]

    def of(self, codes: CodeArray) -> npt.NDArray[np.float32]:
        """Scores of rows by column, shape (columns, rows), up to a constant; shape (rows,)."""
        out = np.zeros(codes.shape[1], dtype=np.float32)
        for start in range(0, len(out), CHUNK):
            self._subtract(codes[:, start : start + CHUNK], out[start : start + CHUNK])
        return out

    def _subtract(self, codes: CodeArray, score: npt.NDArray[np.float32]) -> None:
        plan = self._plan
        groups = [fused([codes[j] for j in g], [self._sizes[j] for j in g]) for g in plan.groups]
        cells = [math.prod(self._sizes[j] for j in g) for g in plan.groups]
        for host, table in zip(plan.hosts, self._tables, strict=True):
            score -= table.take(fused([groups[g] for g in host], [cells[g] for g in host]), mode="clip")
        for factors in self._wide:
            score -= reduce(np.multiply, [signs.take(codes[j], mode="clip") for j, signs in factors])


def weights_of(scores: npt.NDArray[np.float32]) -> FloatArray:
    """Weights that sum to 1, shape (rows,)."""
    weights = np.exp((scores - scores.max(initial=-np.inf)).astype(np.float64))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def resampled(weights: FloatArray, rows: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Systematic resampling: positions in random order, each as often as its weight says, up to rounding."""
    return rng.permutation(systematic(weights, rows, rng))
