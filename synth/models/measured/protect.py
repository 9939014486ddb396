"""Small groups: tables that hold a protected column get a share of the budget of their own, and count by group.

A group of one percent of the rows has a hundredth of the counts and the same noise. Three things are done for it. Its code
keeps a place of its own in the tables; all tables with its column are asked once more, and its column against the target by
itself; and in the fit of the mixture a cell counts the more the rarer its group, so that a small group is not given up
for the large ones where the mixture cannot have both. What this takes from the other tables is the share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from synth.errors import InputError
from synth.models.measured.evidence import Table
from synth.models.measured.workload import Workload
from synth.privacy.shares import Measurement
from synth.privacy.vault import PrivateTable
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SHARE = 0.15  # of the Gaussian budget, where groups are protected
LEAST_SHARE, MOST_SHARE = 0.01, 0.3
PROFILE_PART = 0.3  # of that share, for the protected columns alone against the target
OWN_SIGMAS = 3.0  # of the noise of its one-way table, from which a code is a group of its own
MOST_OWN = 64  # codes of a protected column that are groups of their own
MOST_WEIGHT = 10.0  # of a small group's cells
WHAT = "table of protected groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What is declared about small groups.

    Attributes:
        names: Columns whose groups are protected.
        share: Of the squared Gaussian budget.
    """

    names: tuple[str, ...] = ()
    share: float = SHARE

    @property
    def reserved(self) -> float:
        """Share that is set aside; none where no column is named."""
        return self.share if self.names else 0.0

    def places(self, domain: Domain) -> tuple[int, ...]:
        """Positions of the protected columns."""
        return tuple(domain.names.index(name) for name in self.names)

    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        if not self.names:
            return ()
        return (
            f"small groups of {', '.join(map(repr, self.names))} are protected: {100 * self.share:.0f} % of the budget went to "
            "tables with them, which all other answers lack",
        )


NONE = Protection()


def check_protection(names: Sequence[str], learnt: Sequence[str], target: str | None) -> None:
    """Refuse columns that cannot be protected, before anything is asked.

    Args:
        names: Columns to protect.
        learnt: Columns that are learnt.
        target: To predict, if any: all tables hold it, so there is nothing to give it.

    Raises:
        InputError: A column that is not learnt, the target, or all columns at once.
    """
    for name in names:
        if name not in learnt:
            raise InputError(f"protect_groups names {name!r}, which is not among the columns that are learnt")
        if name == target:
            raise InputError(f"protect_groups names the target {name!r}, whose classes have tables of their own already")
    if names and len(names) > max(len(learnt) // 2, 1):
        raise InputError("protect_groups names more than half of the columns, which would protect none of them; name fewer")


def own_groups(one_way: Sequence[FloatArray], sd: Sequence[FloatArray], places: Sequence[int]) -> dict[int, BoolArray]:
    """Codes of protected columns that are surely there, so that they are groups of their own.

    Args:
        one_way: Noisy distributions.
        sd: Their standard deviations.
        places: Positions of the protected columns.
    """
    found = {}
    for j in places:
        seen = one_way[j] >= OWN_SIGMAS * sd[j]
        seen[np.argsort(-one_way[j], kind="stable")[MOST_OWN:]] = False
        found[j] = np.asarray(seen, dtype=np.bool_)
    return found


def measure_groups(view: PrivateTable, work: Workload, protection: Protection) -> list[Measurement]:
    """Every table of the workload with a protected column once more, and each protected column against the target.

    Args:
        view: Rows on groups.
        work: Its tables.
        protection: What is protected.
    """
    if not protection.names:
        return []
    domain, places = view.domain, protection.places(view.domain)
    tables = [s for s in work.subsets if set(s) & set(places)]
    profiles = [(j, work.split) if work.split >= 0 else (j,) for j in places]
    cells = [[math.prod(domain.sizes[j] for j in s) ** (2 / 3) for s in part] for part in (tables, profiles)]
    parts = (1 - PROFILE_PART, PROFILE_PART)
    weights = [part * w / sum(mine) for part, mine in zip(parts, cells, strict=True) for w in mine]
    names = [tuple(domain.names[j] for j in s) for s in (*tables, *profiles)]
    return view.noisy_marginals(names, share=protection.share, weights=weights, aim=WHAT)


def joined(tables: Sequence[Table], more: Sequence[Table]) -> tuple[list[Table], list[Table]]:
    """Tables of the same columns by inverse variance; then those that only ``more`` has."""
    known = {t.columns: t for t in more}
    found = []
    for table in tables:
        other = known.pop(table.columns, None)
        found.append(table if other is None else _mean(table, other))
    return found, list(known.values())


def _mean(first: Table, second: Table) -> Table:
    left, right = 1 / first.sd**2, 1 / second.sd**2
    whole = left + right
    return replace(first, shares=(left * first.shares + right * second.shares) / whole, sd=np.asarray(whole**-0.5))


def margins(profiles: Sequence[Table]) -> list[Table]:
    """What protected columns against the target (or alone) say about the columns alone."""
    found = []
    for table in profiles:
        others = tuple(range(1, table.shares.ndim))
        sd = np.sqrt((np.broadcast_to(table.sd, table.shares.shape) ** 2).sum(others))
        found.append(Table(columns=table.columns[:1], shares=table.shares.sum(others), sd=sd))
    return found


def lifted(tables: Sequence[Table], coarse: Sequence[FloatArray], places: Sequence[int]) -> list[Table]:
    """Tables whose cells in rare protected groups count more: by the mean share of a group over its own, at most tenfold.

    Only for fits whose target is free of noise: the standard deviations are no longer those of the noise.

    Args:
        tables: Cleared of noise.
        coarse: Distribution of every column's groups.
        places: Positions of the protected columns.
    """
    weights = {j: np.clip(1 / (len(coarse[j]) * np.maximum(coarse[j], 1e-9)), 1.0, MOST_WEIGHT) for j in places}
    found = []
    for table in tables:
        weight = np.ones(table.shares.shape)
        for place, j in enumerate(table.columns):
            if j in weights:
                shape = [1] * table.shares.ndim
                shape[place] = -1
                weight = np.maximum(weight, weights[j].reshape(shape))
        found.append(replace(table, sd=table.sd / np.sqrt(weight)) if weight.max() > 1 else table)
    return found
