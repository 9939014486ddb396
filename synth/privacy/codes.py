"""Codes by column, one or two bytes a cell: in memory, or mapped from disk. Private."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError
from synth.privacy.scratch import PAGE, Scratch
from synth.privacy.sealed import Sealed

IntArray = npt.NDArray[np.int64]
Column = npt.NDArray[np.integer]

BLOCK = 1 << 17  # rows at a time: a few columns of them stay in the processor's cache
RESIDENT = 1 << 28  # bytes of mapped pages that reading may gather before they are let go


def code_type(size: int) -> type[np.integer]:
    """Smallest type that holds codes below ``size``."""
    return np.uint8 if size <= 1 << 8 else np.uint16 if size <= 1 << 16 else np.int32


class Codes(Sealed):
    """Codes of all rows, column by column.

    Attributes:
        sizes: Codes per column. Public.
        scratch: Where the columns lie; ``None`` for memory.
    """

    __slots__ = ("__columns", "__map", "__read", "exact_rows", "scratch", "sizes")

    def __init__(self, sizes: Sequence[int], exact_rows: int, scratch: Scratch | None = None) -> None:
        """Room for ``exact_rows`` rows (private) with ``sizes[j]`` codes in column j, all of them 0."""
        self.sizes, self.exact_rows, self.scratch = tuple(sizes), exact_rows, scratch
        types = [np.dtype(code_type(size)) for size in self.sizes]
        self.__map: mmap.mmap | bytes = b""
        self.__read = 0
        if scratch is None:
            self.__columns = [np.zeros(exact_rows, dtype=t) for t in types]
            return
        lengths = [-(-exact_rows * t.itemsize // PAGE) * PAGE for t in types]
        starts = np.cumsum([0, *lengths])
        length = max(int(starts[-1]), PAGE)
        self.__map = scratch.view(scratch.reserve(length), length)
        whole = np.frombuffer(self.__map, dtype=np.uint8)
        self.__columns = [
            whole[start : start + exact_rows * t.itemsize].view(t) for start, t in zip(starts, types, strict=False)
        ]

    @staticmethod
    def of(codes: Column, sizes: Sequence[int]) -> Codes:
        """From an array of shape (rows, columns).

        Raises:
            AccountingError: Another number of columns, or a code outside its column's domain.
        """
        if codes.ndim != 2 or codes.shape[1] != len(sizes):
            raise AccountingError("codes must have one column per name of the domain")
        out = Codes(sizes, len(codes))
        for j in range(len(out.sizes)):
            out.write(j, 0, codes[:, j])
        return out

    def write(self, column: int, start: int, codes: Column) -> None:
        """Put codes of one column from row ``start`` on.

        Raises:
            AccountingError: A code lies outside the column's domain.
        """
        if codes.size and not (codes.min() >= 0 and codes.max() < self.sizes[column]):
            raise AccountingError("a code lies outside its column's domain")
        self.__columns[column][start : start + len(codes)] = codes
        self._let_go(codes.size * self.__columns[column].itemsize)

    def blocks(self, columns: Sequence[int], rows: int = BLOCK) -> Iterator[list[Column]]:
        """Consecutive rows of some columns, at least one block, one array a column."""
        for start in range(0, max(self.exact_rows, 1), rows):
            found = [self.__columns[j][start : start + rows] for j in columns]
            yield found
            self._let_go(sum(part.nbytes for part in found))

    def take(self, positions: IntArray) -> IntArray:
        """Codes of some rows, shape (positions, columns)."""
        out = np.empty((len(positions), len(self.sizes)), dtype=np.int64)
        for j, column in enumerate(self.__columns):
            out[:, j] = column[positions]
        self._let_go(out.shape[1] * len(positions) * PAGE)
        return out

    def merged(self, groups: Sequence[IntArray]) -> Codes:
        """The same rows with codes merged by one map per column."""
        out = Codes([int(g.max()) + 1 for g in groups], self.exact_rows, self.scratch)
        for j, group in enumerate(groups):
            table, start = group.astype(code_type(out.sizes[j])), 0
            for (part,) in self.blocks([j]):
                out.write(j, start, table[part])
                start += len(part)
        return out

    def only(self, columns: Sequence[int]) -> Codes:
        """The same rows with some of the columns."""
        out = Codes([self.sizes[j] for j in columns], self.exact_rows, self.scratch)
        for place, j in enumerate(columns):
            start = 0
            for (part,) in self.blocks([j]):
                out.write(place, start, part)
                start += len(part)
        return out

    def _let_go(self, read: int) -> None:
        """Count bytes that were read or written, and take mapped pages out of this process when they are many."""
        self.__read += read
        if isinstance(self.__map, mmap.mmap) and self.__read > RESIDENT:
            self.__map.madvise(mmap.MADV_DONTNEED)
            self.__read = 0
