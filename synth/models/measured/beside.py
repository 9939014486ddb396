"""Public rows as rows to learn from, as far as paid answers bear them out. Post-processing.

Tables hold no more than pairs (and the target); rows hold everything that goes together. So a network may learn from public
rows beside those of the mixture. How many of each batch is decided by how far the pairs of the public rows are from the noisy
private ones, beyond what noise and the sampling of public rows make of it: as a part of how far the private ones are from
independent columns. Rows whose pairs are true may still mislead about the rest; whatever is paid for afterwards (DP-SGD,
raking) corrects them as it corrects the mixture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synth.models.measured.evidence import Evidence
from synth.models.measured.rake import proportioned
from synth.table import EncodedTable

FloatArray = npt.NDArray[np.float64]

MOST = 0.5  # of a batch
HALF_ROWS = 5000.0  # effective public rows that get half of that
MOST_WRONG = 0.3  # part of the private links that public rows may get wrong before they are left out
SURE = 2.0  # standard deviations of that part's noise, counted against them


@dataclass(frozen=True, slots=True)
class Beside:
    """Public rows on coarse codes.

    Attributes:
        codes: Shape (n, columns), int64.
        weights: By which their one-way tables are the private ones, summing to 1, shape (n,).
        share: Of a batch that comes from them.
    """

    codes: Tensor
    weights: Tensor
    share: float

    def draw(self, rows: int, source: torch.Generator) -> Tensor:
        """Rows by their weights, with replacement."""
        return self.codes[torch.multinomial(self.weights, rows, replacement=True, generator=source)]


def rows_beside(public: EncodedTable | None, evidence: Evidence, one_way: Sequence[FloatArray]) -> Beside | None:
    """Public rows and what they are worth; ``None`` where they are worth nothing.

    Args:
        public: Rows on the groups.
        evidence: Noisy private tables on the groups.
        one_way: Distribution of every column's groups, as it is known.
    """
    if public is None or not len(public.codes):
        return None
    codes = public.codes.astype(np.int64)
    weights = proportioned(codes, np.full(len(codes), 1 / len(codes)), one_way)
    share = worth(codes, weights, evidence, one_way)
    return Beside(torch.from_numpy(codes), torch.from_numpy(weights), share) if share > 0 else None


def worth(codes: npt.NDArray[np.int64], weights: FloatArray, evidence: Evidence, one_way: Sequence[FloatArray]) -> float:
    """Share of a batch: the more, the more rows there are and the less of the private links they get wrong.

    Distances between tables are free of what noise adds to them: its variance, and that of sampling, are taken off.

    Args:
        codes: Public rows.
        weights: Theirs.
        evidence: Noisy private tables.
        one_way: As in ``rows_beside``.
    """
    worth_rows = float(1 / (weights**2).sum())
    wrong = links = cells = 0.0
    for table in evidence.tables:
        if len(table.columns) < 2:
            continue
        sizes = table.shares.shape
        places = np.ravel_multi_index(tuple(codes[:, j] for j in table.columns), sizes)
        found = np.bincount(places, weights, minlength=math.prod(sizes)).reshape(sizes)
        apart = one_way[table.columns[0]]
        for j in table.columns[1:]:
            apart = np.multiply.outer(apart, one_way[j])
        precision = np.broadcast_to(table.sd, sizes) ** -2.0
        wrong += float((precision * ((found - table.shares) ** 2 - found / worth_rows) - 1).sum())
        links += float((precision * (table.shares - apart) ** 2 - 1).sum())
        cells += table.shares.size
    if links <= 0:
        return 0.0
    part = (max(wrong, 0.0) + SURE * math.sqrt(2 * cells)) / links
    return MOST * worth_rows / (worth_rows + HALF_ROWS) * max(1 - part / MOST_WRONG, 0.0)
