"""How rows are cut into blocks, each drawn from a random stream of its own: rows do not depend on how many are asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Drawn = tuple[npt.NDArray[np.int32], np.random.Generator]  # codes of a block, and its random stream
Share = tuple[int, int]  # a block, and how many of its rows are kept
BLOCK = 16_384  # rows of the first blocks, drawn with care
SMALL_BLOCKS, MANY_ROWS = 4, 131_072  # the later ones are larger: so many rows at a time are drawn faster


def rows_of(block: int) -> int:
    """Rows of a block."""
    return BLOCK if block < SMALL_BLOCKS else MANY_ROWS


def block_sizes(total: int) -> Iterator[Share]:
    """Blocks that ``total`` rows come from, and how many rows are kept of each."""
    for block in itertools.count():
        if total <= 0:
            return
        yield block, min(rows_of(block), total)
        total -= rows_of(block)
