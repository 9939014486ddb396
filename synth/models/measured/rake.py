"""Raking: weights for drawn rows, of the exponential family nearest to uniform that agrees with the noisy answers.

Dual: for cell multipliers ``lambda``, weights ``w_i`` proportional to ``exp(-sum of lambda over the row's cells)``; at the optimum
``share(w) - noisy share + lambda R = 0``, where ``R`` grows with the noise, so that answers are met within it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synth.models.measured.evidence import Evidence
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]

MAX_INDICES = 30_000_000


@dataclass(frozen=True, slots=True)
class Cells:
    """Which cell of which table a row lies in, all tables' cells numbered end to end.

    Attributes:
        columns: Of every table, shape (tables, most columns), -1 where there are fewer.
        strides: Of every column in its table, same shape.
        offsets: First cell of every table, shape (tables,).
        total: Number of cells.
    """

    columns: npt.NDArray[np.int32]
    strides: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    total: int

    @staticmethod
    def of(subsets: list[tuple[int, ...]], domain: Domain) -> Cells:
        """Number the cells of tables on ``subsets``."""
        most = max(len(s) for s in subsets)
        columns, strides = np.full((len(subsets), most), -1, np.int32), np.zeros((len(subsets), most), np.int32)
        sizes = []
        for t, subset in enumerate(subsets):
            stride = 1
            for place in range(len(subset) - 1, -1, -1):
                columns[t, place], strides[t, place] = subset[place], stride
                stride *= domain.sizes[subset[place]]
            sizes.append(stride)
        offsets = np.cumsum([0, *sizes[:-1]])
        return Cells(columns, strides, offsets.astype(np.int64), int(sum(sizes)))

    def index(self, codes: Tensor) -> Tensor:
        """Cells of rows, shape (rows, tables), int64."""
        out = torch.from_numpy(self.offsets).repeat(len(codes), 1)
        for t in range(len(self.offsets)):
            for column, stride in zip(self.columns[t].tolist(), self.strides[t].tolist(), strict=True):
                if column >= 0:
                    out[:, t] += codes[:, column] * stride
        return out


def fit_multipliers(
    codes: Tensor, evidence: Evidence, *, slack: float = 0.7, rounds: int = 60, rate: float = 0.1
) -> tuple[Cells, Tensor]:
    """Multipliers that make weighted rows agree with the evidence. Post-processing.

    Args:
        codes: Drawn rows, shape (rows, columns).
        evidence: Noisy tables.
        slack: Scale of R.
        rounds: Of Adam.
        rate: Its learning rate.

    Returns:
        Numbering of the cells, and a multiplier for each.
    """
    cells = Cells.of([t.columns for t in evidence.tables], evidence.domain)
    wanted = torch.from_numpy(np.concatenate([t.shares.ravel() for t in evidence.tables])).float()
    sd = torch.from_numpy(np.concatenate([np.broadcast_to(t.sd, t.shares.shape).ravel() for t in evidence.tables])).float()
    ridge = slack * evidence.rows * sd.square()
    index = cells.index(codes)
    multipliers = torch.zeros(cells.total, requires_grad=True)
    optimizer = torch.optim.Adam([multipliers], lr=rate)
    for _ in range(rounds):
        with torch.no_grad():
            weights = row_weights(multipliers, index)
            share = torch.bincount(
                index.flatten(), weights=weights[:, None].expand(index.shape).reshape(-1), minlength=cells.total
            )
            multipliers.grad = wanted - share + ridge * multipliers
        optimizer.step()
    return cells, multipliers.detach()


def row_weights(multipliers: Tensor, index: Tensor) -> Tensor:
    """Weights of rows, shape (rows,), summing to 1."""
    weights: Tensor = (-multipliers[index].sum(1)).softmax(0)
    return weights


def effective(weights: Tensor) -> float:
    """Effective sample size as a share of the rows (Kish)."""
    return float(1 / (weights.square().sum() * len(weights)))


def resample(weights: Tensor, rows: int, start: float) -> Tensor:
    """Systematic resampling: positions, shape (rows,), each as often as its weight says, up to rounding.

    Args:
        weights: Shape (drawn rows,), summing to 1.
        rows: How many to take.
        start: In [0, 1).
    """
    points = (torch.arange(rows, dtype=torch.float64) + start) / rows
    return torch.searchsorted(weights.double().cumsum(0), points).clamp_max(len(weights) - 1)
