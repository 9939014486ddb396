"""Tables of integer codes and the public domain they live in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CodeArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Columns and how many codes each has. Public.

    Attributes:
        names: Column names in output order.
        sizes: Codes per column, same length; codes run from 0 to size - 1.
        target: Column that people will predict, if declared.
        in_order: How many leading codes of each column are in a meaningful order (bins of a number, levels of an ordinal);
            0 where the order means nothing. Codes for "missing" and "other" come after them.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    target: str | None = None
    in_order: tuple[int, ...] = ()

    def only(self, names: Sequence[str]) -> Domain:
        """Some of the columns, in the order they have."""
        kept = [j for j, name in enumerate(self.names) if name in set(names)]
        return Domain(
            names=tuple(self.names[j] for j in kept),
            sizes=tuple(self.sizes[j] for j in kept),
            target=self.target if self.target in names else None,
            in_order=tuple(self.in_order[j] for j in kept) if self.in_order else (),
        )

    @property
    def width(self) -> int:
        """One-hot width."""
        return sum(self.sizes)

    @property
    def offsets(self) -> tuple[int, ...]:
        """First one-hot position of each column."""
        return tuple(int(v) for v in np.cumsum((0, *self.sizes[:-1])))


@dataclass(frozen=True, slots=True)
class EncodedTable:
    """Rows as codes, shape (n, len(domain.names))."""

    domain: Domain
    codes: CodeArray

    def merged(self, domain: Domain, groups: Sequence[npt.NDArray[np.int64]]) -> EncodedTable:
        """The same rows on a coarser domain; ``groups`` holds the new code of each code, per column."""
        parts = [g[self.codes[:, j]] for j, g in enumerate(groups)]
        return EncodedTable(domain, np.column_stack(parts).astype(np.int32))

    def only(self, domain: Domain) -> EncodedTable:
        """The same rows with the columns of ``domain``, which are some of theirs."""
        return EncodedTable(domain, self.codes[:, [self.domain.names.index(name) for name in domain.names]])

    def counts(self, columns: Sequence[int]) -> npt.NDArray[np.int64]:
        """Contingency table of some columns, shape of their sizes."""
        sizes = tuple(self.domain.sizes[j] for j in columns)
        places = np.ravel_multi_index(tuple(self.codes[:, j] for j in columns), sizes)
        return np.bincount(places, minlength=math.prod(sizes)).reshape(sizes)
