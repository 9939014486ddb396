"""What AIM and MST share: one-way tables, folded codes, and a fitted model as plain arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.models.base import Fitted
from synth.models.junction import Clique, Junction
from synth.models.mbi_bridge import Table
from synth.models.one_way import pack, project, unpack
from synth.privacy.accounting import rho_left
from synth.privacy.events import SubsampledGaussianEvent
from synth.privacy.shares import Measurement, burn_choice, measurement_mu
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FAINT = 3.0  # standard deviations below which a category shares a code with other rare ones


@dataclass(frozen=True, slots=True)
class Folded:
    """Rows with merged codes, and what is known of them.

    Attributes:
        table: Behind the ledger.
        whole: Noisy one-way tables before merging.
        groups: Merged code of each code, per column.
        tables: Noisy one-way tables of the merged codes.
    """

    table: PrivateTable
    whole: list[Table]
    groups: list[IntArray]
    tables: dict[Clique, Table]

    @property
    def active(self) -> list[int]:
        """Columns with more than one merged code."""
        return [j for j, size in enumerate(self.table.domain.sizes) if size > 1]

    def names(self, clique: Clique) -> tuple[str, ...]:
        """Column names of a clique."""
        return tuple(self.table.domain.names[v] for v in clique)


def rho_budget(data: PrivateTable) -> float:
    """All that is left, as zCDP."""
    return rho_left(data.ledger.events, data.ledger.budget.epsilon, data.ledger.working_delta)


def rho_spent(data: PrivateTable) -> float:
    """What the run has charged so far, as zCDP; an interruption may have added charges that nobody planned."""
    return math.fsum(e.mu**2 / 2 for e in data.ledger.events if not isinstance(e, SubsampledGaussianEvent))


def measure_rho(data: PrivateTable, subsets: Sequence[tuple[str, ...]], rho: float) -> list[Measurement]:
    """Noisy tables that cost ``rho`` of zCDP in all, split evenly."""
    return data.noisy_marginals(subsets, share=2 * rho / measurement_mu(data.ledger) ** 2)


def measure_and_fold(data: PrivateTable, rho: float, max_codes: int) -> Folded:
    """Measure all columns, join with what preparing paid for, and merge codes that are rare or too many.

    Args:
        data: Private codes.
        rho: For the one-way tables in all.
        max_codes: Largest size of a column afterwards.
    """
    known = {m.names: m for m in data.measured}
    fresh = measure_rho(data, [(name,) for name in data.domain.names], rho)
    whole = [_joined([m, *([known[m.names]] if m.names in known else [])]) for m in fresh]
    in_order = data.domain.in_order or (0,) * len(whole)
    groups = [fold_groups(t, n > 0, max_codes) for t, n in zip(whole, in_order, strict=True)]
    tables: dict[Clique, Table] = {(j,): _fold(t, g) for j, (t, g) in enumerate(zip(whole, groups, strict=True))}
    return Folded(data.coarsen(groups), whole, groups, tables)


def spend_rest_on_one_way(data: PrivateTable, folded: Folded, rho: float) -> Folded:
    """Where there is no pair to ask about, the rest goes into the one-way tables.

    Whether there is one depends on noisy answers, so the rest is of the same zCDP total as it would be with pairs: the exact
    curve of counts alone allows a little more, but not on one of two branches.
    """
    burn_choice(data.ledger)
    again = measure_rho(data, [(name,) for name in data.domain.names], rho)
    whole = [t.joined(table_of(m)) for t, m in zip(folded.whole, again, strict=True)]
    tables: dict[Clique, Table] = {(j,): _fold(t, g) for j, (t, g) in enumerate(zip(whole, folded.groups, strict=True))}
    return Folded(folded.table, whole, folded.groups, tables)


def _joined(measurements: Sequence[Measurement]) -> Table:
    """Inverse-variance mean with its standard deviation per cell; infinite sigma counts for nothing."""
    precision = sum(1 / np.broadcast_to(m.sigma, m.counts.shape) ** 2 for m in measurements)
    weighted = sum(m.counts / np.broadcast_to(m.sigma, m.counts.shape) ** 2 for m in measurements)
    return Table(np.asarray(weighted / precision), np.asarray(1 / np.sqrt(precision)))


def fold_groups(table: Table, ordered: bool, max_codes: int) -> IntArray:
    """Merged code of each code, shape (size,).

    Categories too faint to tell from noise share one code, as do those beyond ``max_codes``. Ordered codes are merged with
    their neighbours into about equal shares, and only where there are too many; the last, which may mean missing, stays alone.
    """
    size = len(table.counts)
    if ordered:
        if size <= max_codes:
            return np.arange(size, dtype=np.int64)
        mass = np.maximum(table.counts[:-1], 0.0) + 1e-9
        middle = (np.cumsum(mass) - mass / 2) / mass.sum()
        _, low = np.unique(np.floor(middle * (max_codes - 1)), return_inverse=True)
        return np.append(low, low.max() + 1).astype(np.int64)
    keep = table.counts >= FAINT * table.sigma
    keep[np.argsort(-table.counts, kind="stable")[max_codes - 1 :]] &= size <= max_codes
    groups = np.cumsum(keep) - 1
    return np.where(keep, groups, keep.sum()).astype(np.int64)


def _fold(table: Table, groups: IntArray) -> Table:
    counts = np.asarray(np.bincount(groups, weights=table.counts), dtype=np.float64)
    variance = np.bincount(groups, weights=np.broadcast_to(table.sigma, table.counts.shape) ** 2)
    return Table(counts, np.sqrt(variance))


def table_of(measurement: Measurement) -> Table:
    """A measurement with one noise level."""
    return Table(measurement.counts, measurement.sigma)


def noise_size(sigma: float, cells: int) -> float:
    """Expected L1 norm of the noise on a table."""
    return math.sqrt(2 / math.pi) * sigma * cells


def to_fitted(model: Junction, folded: Folded) -> Fitted:
    """Conditionals, merged codes and one-way tables as arrays."""
    one_way = [project(t.counts, folded.table.rows.estimate) for t in folded.whole]
    tensors = {f"given_{b[0]}": t.astype(np.float32) for b, t in zip(model.buckets, model.given, strict=True)}
    tensors |= {"one_way": pack(one_way), "groups": np.concatenate(folded.groups).astype(np.int32)}
    return Fitted(tensors, {"buckets": [list(b) for b in model.buckets]})


def draw_rows(fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
    """Draw merged codes from the conditionals, and the codes behind them from the one-way tables."""
    buckets = tuple(tuple(int(v) for v in b) for b in fitted.facts["buckets"])
    model = Junction(buckets, tuple(fitted.tensors[f"given_{b[0]}"] for b in buckets))
    codes = model.draw(n_rows, rng)
    groups = np.split(fitted.tensors["groups"], domain.offsets[1:])
    for j, shares in enumerate(unpack(fitted.tensors["one_way"], domain)):
        if groups[j].max() + 1 < len(shares):
            codes[:, j] = _unfold(codes[:, j], groups[j], shares, rng)
    return EncodedTable(domain, codes)


def _unfold(
    merged: npt.NDArray[np.int32], groups: npt.NDArray[np.int32], shares: FloatArray, rng: np.random.Generator
) -> npt.NDArray[np.int32]:
    order = np.argsort(groups, kind="stable")
    rising = np.cumsum(np.maximum(shares[order], 1e-12))
    last = np.cumsum(np.bincount(groups)) - 1
    first = np.append(0, last[:-1] + 1)
    low = np.append(0.0, rising)[first]
    point = low[merged] + rng.random(len(merged)) * (rising[last] - low)[merged]
    place = np.clip(np.searchsorted(rising, point, side="right"), first[merged], last[merged])
    return np.asarray(order[place], dtype=np.int32)
