"""Coarse groups of codes: what tables are counted on. A code inside a group is drawn from the one-way table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from synth.models.one_way import LEAST_SMALL
from synth.table import Domain

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NOTHING: Mapping[int, npt.NDArray[np.bool_]] = MappingProxyType({})
TARGET_FACTOR = 1.5  # more groups for a column that people will predict
MAX_WIDTH = 2000  # groups of all columns together, about
MANY, MOST_MANY = 2, 6  # as many groups for an unordered column, if its codes are common; and beside a number to predict


@dataclass(frozen=True, slots=True)
class Groups:
    """A coarser domain.

    Attributes:
        domain: Names, number of groups, and order of every column.
        maps: Group of each code, one array per column.
    """

    domain: Domain
    maps: tuple[IntArray, ...]

    def merge(self, one_way: Sequence[FloatArray]) -> list[FloatArray]:
        """Distributions of codes to distributions of groups."""
        pairs = zip(self.maps, one_way, self.domain.sizes, strict=True)
        return [np.asarray(np.bincount(g, weights=shares, minlength=k), dtype=np.float64) for g, shares, k in pairs]


def choose_groups(
    one_way: Sequence[FloatArray],
    domain: Domain,
    *,
    rows: float,
    sigma: float,
    widest: int,
    own: Mapping[int, npt.NDArray[np.bool_]] = NOTHING,
) -> Groups:
    """Merge codes until the average cell of a two-way table stands about as high as its noise. Public.

    Args:
        one_way: Noisy distribution of every column.
        domain: Of the codes.
        rows: Row count in force.
        sigma: Noise that a two-way table's cells will have.
        widest: Most groups that a column may have.
        own: By position of an unordered column, codes that are groups of their own however rare.
    """
    most = int(np.clip(math.sqrt(rows / sigma), 1, widest))
    in_order = domain.in_order or (0,) * len(domain.sizes)
    room = MAX_WIDTH // len(domain.sizes) if is_number(domain) else 0  # of an unordered column
    found = []
    for j, (name, shares, n) in enumerate(zip(domain.names, one_way, in_order, strict=True)):
        wide = round(TARGET_FACTOR * most) if name == domain.target else most
        many = max(MANY * wide, min(MOST_MANY * wide, room)) - 1
        found.append(_ordered(shares, n, wide) if n > 1 else _unordered(shares, many, sigma / rows, own.get(j)))
    sizes = tuple(int(groups.max()) + 1 for groups in found)
    kept = tuple(int(groups[n - 1]) + 1 if n > 1 else 0 for groups, n in zip(found, in_order, strict=True))
    coarse = Domain(names=domain.names, sizes=sizes, target=domain.target, in_order=kept)
    return Groups(coarse, tuple(found))


def target_of(domain: Domain) -> int:
    """Position of the target, or -1."""
    return domain.names.index(domain.target) if domain.target is not None else -1


def is_number(domain: Domain) -> bool:
    """Whether there is a target of more than two codes in an order."""
    return target_of(domain) >= 0 and bool(domain.in_order) and domain.in_order[target_of(domain)] > 2


def settle(one_way: Sequence[FloatArray], groups: Groups, sd: Sequence[FloatArray]) -> list[FloatArray]:
    """Pull codes that share a group of an unordered column towards each other, as far as their spread is that of noise.

    Columns of so many codes that their sizes' distribution was learnt are left alone.

    Args:
        one_way: Noisy distributions.
        groups: Coarse codes.
        sd: Standard deviations of the shares.
    """
    out = [shares.copy() for shares in one_way]
    for shares, members, n, spread in zip(out, groups.maps, groups.domain.in_order, sd, strict=True):
        few = n == 0 and len(shares) < LEAST_SMALL
        for group in np.flatnonzero(np.bincount(members) > 1) if few else ():
            mine = members == group
            mean = shares[mine].mean()
            kept = max(0.0, 1 - float((spread[mine] ** 2).mean()) / max(float(shares[mine].var()), 1e-30))
            shares[mine] = mean + kept * (shares[mine] - mean)
    return out


def _ordered(shares: FloatArray, in_order: int, most: int) -> IntArray:
    """Runs of neighbouring codes of about equal mass; codes behind the ordered ones stay alone if they are not rare."""
    groups = np.arange(len(shares))
    if in_order > most:
        part = shares[:in_order]
        heavy = part > 1 / most
        room = max(most - int(heavy.sum()), 1)
        want = max(float(part[~heavy].sum()) / room, 1e-9)
        group, mass = 0, 0.0
        for code in range(in_order):
            if code and (heavy[code] or heavy[code - 1] or mass + part[code] / 2 > want):
                group, mass = group + 1, 0.0
            groups[code] = group
            mass += part[code]
        groups[in_order:] = groups[in_order - 1] + 1 + np.arange(len(shares) - in_order)
    return groups.astype(np.int64)


def _unordered(shares: FloatArray, most: int, rare: float, own: npt.NDArray[np.bool_] | None) -> IntArray:
    """The commonest codes alone, and those that ``own`` marks; the rest together."""
    kept = np.argsort(-shares, kind="stable")[: max(most - 1, 1)]
    kept = np.sort(kept[shares[kept] >= rare])
    if own is not None:
        kept = np.union1d(kept, np.flatnonzero(own))
    rest = np.setdiff1d(np.arange(len(shares)), kept)
    if len(rest) == 1:
        kept, rest = np.arange(len(shares)), rest[:0]
    groups = np.full(len(shares), len(kept), dtype=np.int64)
    groups[kept] = np.arange(len(kept))
    return groups
