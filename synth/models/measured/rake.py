"""Raking: weights for drawn rows, of the exponential family nearest to uniform that agrees with the noisy answers.

Dual: for multipliers ``lambda`` of all cells and products, weights ``w_i`` are proportional to ``exp(-sum of lambda over what
the row has)``; at the optimum ``share(w) - noisy share + R lambda = 0``, where ``R`` grows with the noise, so that answers are
met within it and no closer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor

from synth.models.measured.evidence import Evidence
from synth.models.measured.interactions import Products
from synth.privacy.tally import fused
from synth.table import Domain

SLACK = 0.4  # scale of R; 1 would be the noise's own variance
FINITE = 300.0  # added to R, over the drawn rows: keeps multipliers from fitting those where noise is small
CLOSE = 10.0  # the same where single columns are levelled
FITTINGS, MOST_CHANGE = 4, 1.5  # rounds over all columns where rows are proportioned, and the largest factor in one
TOGETHER = 1 << 14  # cells of the columns that are proportioned at a time
ROUNDS = 30  # of L-BFGS
SURPRISE = 4.0  # standard deviations beyond which a product counts as an interaction
CHECKED = 16_384  # drawn rows that products are compared with
MAX_INDICES = 16_000_000  # rows times tables
POOL, LEAST_POOL = 65_536, 8_192
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Features:
    """What rows are weighed by: which cell of which table they lie in (numbered end to end), and products of signs.

    Attributes:
        columns: Of every table, shape (tables, most columns), -1 where there are fewer.
        strides: Of every column in its table, same shape.
        offsets: First cell of every table, shape (tables,).
        cells: Number of cells.
        product_columns: Of every product, shape (products, most columns), -1 where there are fewer.
        product_signs: Sign of every code, shape (products, width), int8.
    """

    columns: npt.NDArray[np.int32]
    strides: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    cells: int
    product_columns: npt.NDArray[np.int32]
    product_signs: npt.NDArray[np.int8]

    @staticmethod
    def of(subsets: list[tuple[int, ...]], products: Products | None, domain: Domain) -> Features:
        """Number the cells of tables on ``subsets``, and put the products' signs into arrays."""
        most = max(len(s) for s in subsets)
        columns, strides = np.full((len(subsets), most), -1, np.int32), np.zeros((len(subsets), most), np.int32)
        sizes = []
        for t, subset in enumerate(subsets):
            stride = 1
            for place in range(len(subset) - 1, -1, -1):
                columns[t, place], strides[t, place] = subset[place], stride
                stride *= domain.sizes[subset[place]]
            sizes.append(stride)
        queries = products.queries if products is not None else ()
        product_columns = np.full((len(queries), max((len(q.columns) for q in queries), default=1)), -1, np.int32)
        product_signs = np.zeros((len(queries), domain.width), np.int8)
        for k, query in enumerate(queries):
            product_columns[k, : len(query.columns)] = query.columns
            for j, signs in zip(query.columns, query.signs, strict=True):
                product_signs[k, domain.offsets[j] : domain.offsets[j] + domain.sizes[j]] = signs
        offsets = np.cumsum([0, *sizes[:-1]]).astype(np.int64)
        return Features(columns, strides, offsets, int(sum(sizes)), product_columns, product_signs)

    def index(self, codes: Tensor) -> Tensor:
        """Cells of rows, shape (tables, rows), int64."""
        by_column = codes.T.contiguous()
        out = torch.from_numpy(self.offsets)[:, None].repeat(1, len(codes))
        for t in range(len(self.offsets)):
            for column, stride in zip(self.columns[t].tolist(), self.strides[t].tolist(), strict=True):
                if column >= 0:
                    out[t].add_(by_column[column], alpha=stride)
        return out

    def signs_of(self, k: int, j: int, domain: Domain) -> npt.NDArray[np.float32]:
        """Signs of a column's codes in a product, shape (size,)."""
        return self.product_signs[k, domain.offsets[j] : domain.offsets[j] + domain.sizes[j]].astype(np.float32)

    def values(self, codes: Tensor, domain: Domain) -> Tensor:
        """Products of rows, shape (rows, products), float32."""
        out = torch.ones(len(codes), len(self.product_columns))
        for k, columns in enumerate(self.product_columns.tolist()):
            signs = torch.from_numpy(self.product_signs[k]).float()
            for j in columns:
                if j >= 0:
                    out[:, k] *= signs[codes[:, j] + domain.offsets[j]]
        return out

    def weigh(self, codes: Tensor, multipliers: Tensor, domain: Domain) -> Tensor:
        """Weights of rows, shape (rows,), summing to 1."""
        return self.score(codes, multipliers, domain).softmax(0)

    def score(self, codes: Tensor, multipliers: Tensor, domain: Domain) -> Tensor:
        """Logarithms of rows' weights up to a constant, shape (rows,)."""
        return _scores(self.index(codes), self.values(codes, domain), multipliers)

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays by name."""
        names = ("columns", "strides", "offsets", "product_columns", "product_signs")
        return {f"rake_{name}": getattr(self, name) for name in names}

    @staticmethod
    def from_arrays(arrays: dict[str, npt.NDArray[np.generic]], multipliers: int) -> Features:
        """The inverse of ``to_arrays``; ``multipliers`` is how many there are in all."""
        parts = [arrays[f"rake_{name}"] for name in ("columns", "strides", "offsets", "product_columns", "product_signs")]
        cells = multipliers - len(parts[3])
        return Features(parts[0], parts[1], parts[2], cells, parts[3], parts[4])  # type: ignore[arg-type]


def pool_size(tables: int) -> int:
    """Rows to draw for fitting multipliers: a power of two, fewer where there are many tables."""
    return int(np.clip(2 ** int(math.log2(MAX_INDICES / max(tables, 1))), LEAST_POOL, POOL))


def striking(products: Products | None, codes: Tensor, domain: Domain) -> Products | None:
    """Products that drawn rows do not explain, by the noise of both."""
    if products is None:
        return None
    codes = codes[:CHECKED]
    found = Features.of([(0,)], products, domain).values(codes, domain)
    drawn = found.mean(0).double().numpy()
    sd = np.sqrt(products.sd**2 + 1 / len(codes))
    kept = np.abs(products.means - drawn) > SURPRISE * sd
    return products.chosen(kept) if kept.any() else None


def fit_multipliers(codes: Tensor, evidence: Evidence, products: Products | None) -> tuple[Features, Tensor]:
    """Multipliers that make weighted rows agree with the evidence. Post-processing.

    Args:
        codes: Drawn rows, shape (rows, columns).
        evidence: Noisy tables.
        products: Noisy products to agree with, if any.

    Returns:
        The features, and a multiplier for each cell and then for each product.
    """
    features = Features.of([t.columns for t in evidence.tables], products, evidence.domain)
    wanted = np.concatenate([t.shares.ravel() for t in evidence.tables])
    sd = np.concatenate([np.broadcast_to(t.sd, t.shares.shape).ravel() for t in evidence.tables])
    index, values = features.index(codes), features.values(codes, evidence.domain)
    drawn = _shares(torch.full((len(codes),), 1 / len(codes)), index, values, features.cells)
    slack = SLACK * evidence.rows * sd**2 + FINITE / len(codes)
    if products is not None:  # each has shown to be real, the more so the further it lies from what was drawn
        z = (products.means - drawn[features.cells :].double().numpy()) / products.sd
        wanted, slack = np.concatenate([wanted, products.means]), np.concatenate([slack, 1 / np.maximum(z**2 - 1, 0.2)])
    ridge, goal = torch.from_numpy(slack).float(), torch.from_numpy(wanted).float()
    scale = 1 / torch.sqrt(drawn.abs().clamp_min(1e-6) + ridge)

    base = torch.zeros(len(codes))
    return features, torch.from_numpy(_solve(base, index, values, goal, ridge, scale)).float() * scale


def level(codes: Tensor, features: Features, multipliers: Tensor, evidence: Evidence) -> Tensor:
    """Multipliers moved until weighted rows agree with the tables of one column, closely. Post-processing.

    Many tables on few rows leave single columns further from what is known about them than the drawn rows were.

    Args:
        codes: Drawn rows, more than the multipliers were fitted on; shape (rows, columns).
        features: Of ``fit_multipliers``.
        multipliers: Of ``fit_multipliers``.
        evidence: The same as there.

    Returns:
        Multipliers, same shape.
    """
    single = [t for t, table in enumerate(evidence.tables) if len(table.columns) == 1]
    places = np.concatenate([features.offsets[t] + np.arange(evidence.tables[t].shares.size) for t in single])
    wanted = np.concatenate([evidence.tables[t].shares.ravel() for t in single])
    base = torch.cat([features.score(part, multipliers, evidence.domain) for part in torch.split(codes, LEAST_POOL)])
    index = torch.from_numpy(np.cumsum([0, *(evidence.tables[t].shares.size for t in single[:-1])]))[:, None]
    index = index + codes.T[[evidence.tables[t].columns[0] for t in single]]
    goal, ridge = torch.from_numpy(wanted).float(), torch.full((len(wanted),), CLOSE / len(codes))
    none = torch.empty(len(codes), 0)
    scale = 1 / torch.sqrt(_shares(base.softmax(0), index, none, len(goal)).clamp_min(1e-6) + ridge)
    found = torch.from_numpy(_solve(base, index, none, goal, ridge, scale)).float() * scale
    out = multipliers.clone()
    out[torch.from_numpy(places)] += found
    return out


def proportioned(codes: npt.NDArray[np.integer[Any]], weights: FloatArray, one_way: Sequence[FloatArray]) -> FloatArray:
    """Weights moved until weighted rows agree with the tables of one column: iterative proportional fitting. Post-processing.

    Multipliers were fitted on other rows than those that are weighed now, and either have their share of chance. Columns are
    taken several at a time: their joint weights are a small table, on which the factors of each are found.

    Args:
        codes: Drawn rows, shape (rows, columns).
        weights: Of them, summing to 1.
        one_way: Distribution of every column.
    """
    sizes = [len(wanted) for wanted in one_way]
    groups = _taken_together(sizes)
    cells = [fused([codes[:, j] for j in group], [sizes[j] for j in group]).astype(np.int64) for group in groups]
    for _ in range(FITTINGS):
        for group, mine in zip(groups, cells, strict=True):
            shape = [sizes[j] for j in group]
            joint = np.bincount(mine, weights, math.prod(shape)).reshape(shape)
            factors = np.ones(shape)
            for axis, j in enumerate(group):
                found = joint.sum(tuple(other for other in range(len(group)) if other != axis))
                change = np.clip(one_way[j] / np.maximum(found, 1e-12), 1 / MOST_CHANGE, MOST_CHANGE)
                change = change.reshape([-1 if other == axis else 1 for other in range(len(group))])
                joint, factors = joint * change, factors * change
            weights = weights * factors.ravel()[mine]
        weights = weights / weights.sum()
    return weights


def _taken_together(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    groups: list[tuple[int, ...]] = []
    for j, size in enumerate(sizes):
        if groups and math.prod(sizes[k] for k in groups[-1]) * size <= TOGETHER:
            groups[-1] = (*groups[-1], j)
        else:
            groups.append((j,))
    return groups


def _solve(base: Tensor, index: Tensor, values: Tensor, goal: Tensor, ridge: Tensor, scale: Tensor) -> FloatArray:
    """Minimise the dual by L-BFGS; multipliers divided by ``scale``."""
    cells = len(goal) - values.shape[1]

    def dual(scaled: FloatArray) -> tuple[float, FloatArray]:
        multipliers = torch.from_numpy(scaled).float() * scale
        scores = base + _scores(index, values, multipliers)
        gap = goal - _shares(scores.softmax(0), index, values, cells) + ridge * multipliers
        value = scores.double().logsumexp(0) + (multipliers * (goal + 0.5 * ridge * multipliers)).double().sum()
        return float(value), (gap * scale).double().numpy()

    found: FloatArray = minimize(dual, np.zeros(len(goal)), jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS}).x
    return found


def _scores(index: Tensor, values: Tensor, multipliers: Tensor) -> Tensor:
    cells = len(multipliers) - values.shape[1]
    return -multipliers[:cells][index].sum(0) - values @ multipliers[cells:]


def _shares(weights: Tensor, index: Tensor, values: Tensor, cells: int) -> Tensor:
    """Weighted share of every cell, then weighted mean of every product."""
    spread = weights.expand(index.shape).reshape(-1)
    return torch.cat([torch.bincount(index.flatten(), weights=spread, minlength=cells), weights @ values])


def effective(weights: Tensor) -> float:
    """Effective sample size as a share of the rows (Kish)."""
    return float(1 / (weights.square().sum() * len(weights)))
