"""Count many contingency tables in one pass over blocks of rows. Private.

A bincount costs the same for a table of two columns as for one of four, as long as its cells stay in the processor's cache.
So columns are first fused into groups, once a block; one count over a pair of groups then holds the tables of all pairs of
columns across it, which are summed out at the end. Integers throughout: the result is the one of counting each table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Column = npt.NDArray[np.integer]
Subset = tuple[int, ...]

MOST_CELLS = 1 << 15  # of a table that several others are summed from
GROUP_CELLS = (1, 16, 32, 64, 128, 181)  # sizes of groups that are tried


def fused(columns: Sequence[Column], sizes: Sequence[int]) -> Column:
    """One code per row for several columns, the last one running fastest. Shape (n,) each to (n,)."""
    cells = math.prod(sizes)
    kind: type[np.uint16 | np.int64] = np.uint16 if cells <= 1 << 16 else np.int64
    flat: npt.NDArray[Any] = columns[0].astype(kind)
    for part, size in zip(columns[1:], sizes[1:], strict=True):
        np.multiply(flat, kind(size), out=flat)
        np.add(flat, part, out=flat, casting="unsafe")
    return flat


@dataclass(frozen=True, slots=True)
class Plan:
    """Which columns are fused, and what is counted. Public.

    Attributes:
        groups: Columns that are fused into one code.
        hosts: Positions of the groups of each table that is counted.
        host_of: For each wanted table, the host that it is summed from.
    """

    groups: tuple[Subset, ...]
    hosts: tuple[Subset, ...]
    host_of: tuple[int, ...]

    def columns(self, host: int) -> Subset:
        """Columns of a host, in the order of its axes."""
        return tuple(j for g in self.hosts[host] for j in self.groups[g])

    def cost(self) -> float:
        """About nanoseconds a row: a count per host, a multiplication and sum per group in it and per column in a group."""
        return sum(1.5 + 0.7 * len(host) for host in self.hosts) + sum(0.7 * len(g) for g in self.groups)

    def bytes_a_row(self) -> int:
        """Bytes that are read and written for a row, most of them in the processor's cache.

        Fusing k codes of a bytes into one of two takes a + 2, and 6 + a for each further one. A bincount reads two, writes and
        reads eight (its own type), and reads them again to count.
        """
        return sum(3 + 7 * (len(g) - 1) for g in self.groups) + sum(4 + 8 * (len(h) - 1) + 26 for h in self.hosts)


class Tally:
    """Tables of several subsets of columns.

    Attributes:
        columns: Positions of the columns that are needed, in order.
        plan: How they are counted.
    """

    def __init__(self, subsets: Sequence[Subset], sizes: Sequence[int]) -> None:
        """Plan the counts from public figures alone.

        Args:
            subsets: Distinct positions of the columns of each table.
            sizes: Codes of every column.
        """
        self._subsets = [tuple(s) for s in subsets]
        self.columns = sorted({j for s in self._subsets for j in s})
        self._sizes = {j: int(sizes[j]) for j in self.columns}
        self.plan = min((_plan(self._subsets, self._sizes, most) for most in GROUP_CELLS), key=Plan.cost)
        self._whole = [
            np.zeros(_product(self.plan.columns(h), self._sizes), dtype=np.int64) for h in range(len(self.plan.hosts))
        ]

    def add(self, block: Sequence[Column], weights: IntArray | None = None) -> None:
        """Count rows: one array of codes for each of ``columns``; by whole weights where rows do not count 1 each."""
        of = dict(zip(self.columns, block, strict=True))
        groups = self.plan.groups
        codes = [fused([of[j] for j in g], [self._sizes[j] for j in g]) for g in groups]
        cells = [_product(g, self._sizes) for g in groups]
        for whole, host in zip(self._whole, self.plan.hosts, strict=True):
            flat = fused([codes[g] for g in host], [cells[g] for g in host])
            whole += np.bincount(flat, weights=weights, minlength=len(whole)).astype(np.int64)

    def tables(self) -> list[IntArray]:
        """What was counted, one table per subset, axes in its order."""
        found = []
        for subset, host in zip(self._subsets, self.plan.host_of, strict=True):
            columns = self.plan.columns(host)
            table = self._whole[host].reshape([self._sizes[j] for j in columns])
            table = table.sum(axis=tuple(i for i, j in enumerate(columns) if j not in subset))
            left = [j for j in columns if j in subset]
            found.append(np.ascontiguousarray(table.transpose([left.index(j) for j in subset])))
        return found


def _plan(subsets: Sequence[Subset], sizes: dict[int, int], most: int) -> Plan:
    """Groups of several columns have at most ``most`` cells; a wanted table is counted with its columns' whole groups."""
    joint: list[Subset] = []
    for j in sorted(sizes, key=lambda k: (-sizes[k], k)):
        fit = [i for i, g in enumerate(joint) if sizes[j] * _product(g, sizes) <= most]
        if fit:
            joint[fit[0]] = (*joint[fit[0]], j)
        else:
            joint.append((j,))
    group_of = {j: g for g in joint for j in g}
    asked: list[tuple[Subset, ...]] = []
    for subset in subsets:
        host = tuple(sorted({group_of[j] for j in subset}))
        if _product(tuple(j for g in host for j in g), sizes) > MOST_CELLS:
            host = tuple((j,) for j in subset)
        asked.append(host)
    within = {g: host for host in asked if len(host) > 1 for g in host}
    asked = [within.get(host[0], host) if len(host) == 1 else host for host in asked]  # no count for what another holds
    groups = sorted({g for host in asked for g in host})
    hosts = list(dict.fromkeys(asked))
    place, at = {g: i for i, g in enumerate(groups)}, {host: i for i, host in enumerate(hosts)}
    return Plan(tuple(groups), tuple(tuple(place[g] for g in host) for host in hosts), tuple(at[host] for host in asked))


def _product(columns: Subset, sizes: dict[int, int]) -> int:
    return math.prod(sizes[j] for j in columns)
