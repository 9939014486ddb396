"""Which tables to measure, on how coarse groups, as functions of budget, rows and columns alone. Public."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from synth.models.measured.groups import MAX_WIDTH, NOTHING, Groups, choose_groups
from synth.privacy.shares import measurement_mu
from synth.privacy.vault import PrivateTable
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]

MAX_CLASSES = 3  # of a target whose classes get tables of their own
MOST_GROUPS = 32
PLANNED_SHARE = 0.8  # of the budget, that groups are chosen for where nothing is trained; coarser ones did worse
GOOD_GROUPS = 4.0  # fewer than this: tables of two columns tell little
MEASURED = ("hybrid", "marginal")  # models that are built on these tables
LEAST_GROUPS = 2.5  # fewer than this on average: two-way tables cannot be carried


@dataclass(frozen=True, slots=True)
class Workload:
    """Tables to measure.

    Attributes:
        groups: Coarse codes; ``None`` where no table of two columns can be carried.
        subsets: Positions of every table's columns; a class target comes last.
        split: Position of the class target that all tables share, or -1.
        full: Whether all pairs are asked about, or only those with the target.
    """

    groups: Groups | None
    subsets: tuple[tuple[int, ...], ...]
    split: int
    full: bool

    def weights(self) -> list[float]:
        """How the budget is divided: by cells to the power 2/3."""
        sizes = self.groups.domain.sizes if self.groups is not None else ()
        return [math.prod(sizes[j] for j in subset) ** (2 / 3) for subset in self.subsets]


def carried_columns(rows: float, mu: float) -> int:
    """The most columns all of whose pairs have tables that stand out of the noise: ``GOOD_GROUPS`` groups each. Public.

    The budget is split over the d (d - 1) / 2 tables, so a cell has noise ``sqrt(tables) / mu``; an average cell of a table of
    k by k groups stands as high where ``k = sqrt(rows / noise)``.

    Args:
        rows: Row count in force.
        mu: Gaussian-DP parameter for all tables together.
    """
    tables = (rows * mu / GOOD_GROUPS**2) ** 2
    return max(int((1 + math.sqrt(1 + 8 * tables)) / 2), 2)


def crowded(columns: int, rows: float, mu: float) -> list[str]:
    """A warning where a table has more columns than its rows and the budget carry; from public or paid figures."""
    most = carried_columns(rows, mu)
    if columns <= most:
        return []
    return [
        f"{columns} columns are many for this many rows and this epsilon: beyond about {most}, an average cell of a "
        f"table of two columns drowns in noise; --max-columns {most} --purpose COLUMN keeps those that matter"
    ]


def too_many(table: PrivateTable, model: str) -> list[str]:
    """The warning for a fit that is about to begin."""
    if model not in MEASURED:
        return []
    mu = measurement_mu(table.ledger) / table.spread * math.sqrt(PLANNED_SHARE)
    return crowded(len(table.domain.names), float(table.rows.rung), mu)


def choose_workload(
    one_way: Sequence[FloatArray],
    domain: Domain,
    *,
    rows: float,
    mu: float,
    own: Mapping[int, npt.NDArray[np.bool_]] = NOTHING,
) -> Workload:
    """All pairs of columns, each with the classes of the target if it has few; fewer tables where noise forbids that.

    Args:
        one_way: Noisy distribution of every column.
        domain: Of the codes.
        rows: Row count in force.
        mu: Gaussian-DP parameter for all tables together.
        own: Codes that keep a group of their own, see ``choose_groups``.
    """
    d = len(domain.sizes)
    target = domain.names.index(domain.target) if domain.target is not None else -1
    split = target if target >= 0 and domain.sizes[target] <= MAX_CLASSES and d > 2 else -1
    rest = [j for j in range(d) if j != split]
    pairs = list(combinations(rest, 2))
    options: list[tuple[list[tuple[int, ...]], int, bool]] = [([(*p, split) if split >= 0 else p for p in pairs], split, True)]
    if target >= 0:
        options.append(([(min(j, target), max(j, target)) for j in range(d) if j != target], -1, False))
    widest = min(MOST_GROUPS, max(4, MAX_WIDTH // d))
    for subsets, use, full in options:
        sigma = math.sqrt(len(subsets)) / mu if subsets else math.inf
        if math.sqrt(max(rows, 1) / sigma) >= LEAST_GROUPS:
            groups = choose_groups(one_way, domain, rows=rows, sigma=sigma, widest=widest, own=own)
            return Workload(groups, tuple(subsets), use, full)
    return Workload(None, (), -1, False)
