"""Rows of a sample in chunks of one public shape.

What float32 makes of a row must not hang on how many others there are. Linear algebra takes other paths for three rows than
for four, and then the last bits of *every* row's result differ. Mostly that is nothing. But whoever chooses the weights, as
the coordinator of several sites may, can make large numbers cancel: then last bits decide where all gradients of a chunk
point, and one row more moves the clipped sum by several clipping norms. So the last chunk is filled up to a size that follows
from the plan alone, with copies of its last row that count 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

LARGEST = 2048  # rows at a time: small enough to stay in cache
STEP = 128  # a multiple of what vectors hold and kernels take at once: rows fall into no tail


def chunk_rows(expected: float) -> int:
    """Rows of a chunk that holds nearly every sample of ``expected`` rows, if it is not too large. Public."""
    enough = expected + 4 * math.sqrt(expected)
    return LARGEST if enough >= LARGEST else STEP * math.ceil(enough / STEP)


def chunks(codes: Tensor, weights: Tensor | None, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Codes in chunks of ``size`` rows, the last one filled up, and what each row counts. Private.

    Args:
        codes: Shape (rows, d).
        weights: Of the rows, shape (rows,), float64; 1 by default.
        size: Of every chunk. Public.
    """
    for start in range(0, len(codes), size):
        chunk = codes[start : start + size]
        missing = size - len(chunk)
        counted = torch.ones(len(chunk), dtype=torch.float64) if weights is None else weights[start : start + size]
        yield (
            torch.cat([chunk, chunk[-1:].expand(missing, -1)]),
            torch.cat([counted, torch.zeros(missing, dtype=torch.float64)]),
        )
