"""Tables of integer codes and the public domain they live in."""

from __future__ import annotations

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
