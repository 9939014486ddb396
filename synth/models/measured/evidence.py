"""Noisy answers in one place: tables over groups and one-way tables. Everything here is public."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.privacy.shares import Measurement
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Shares of rows in the cells of a table.

    Attributes:
        columns: Positions, increasing; a class target comes last.
        shares: Noisy shares, shape of the columns' sizes; may be negative.
        sd: Their standard deviation, broadcastable to ``shares``.
    """

    columns: tuple[int, ...]
    shares: FloatArray
    sd: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured.

    Attributes:
        domain: Of the groups.
        rows: Row count in force.
        tables: Of one or more columns.
    """

    domain: Domain
    rows: float
    tables: tuple[Table, ...]


def as_tables(domain: Domain, measured: list[Measurement], rows: float) -> list[Table]:
    """Counts to shares."""
    return [
        Table(
            columns=tuple(domain.names.index(name) for name in m.names),
            shares=m.counts / rows,
            sd=np.broadcast_to(m.sigma / rows, m.counts.shape),
        )
        for m in measured
    ]
