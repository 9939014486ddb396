"""Rows of a sample in chunks of one public shape; where others choose the weights, at places of their own.

What float32 makes of a row must not hang on how many others there are. Linear algebra takes other paths for three rows than
for four, and then the last bits of *every* row's result differ. Mostly that is nothing. But whoever chooses the weights, as
the coordinator of several sites may, can make large numbers cancel: then last bits decide where all gradients of a chunk
point, and one row more moves the clipped sum by several clipping norms. So chunks are filled up to a size that follows from
the plan alone, with rows that count 0.

Last bits may hang on a row's place in its chunk as well (every other row of a matrix with few columns, for one), and a row more
would push all rows behind it on by a place. Where others choose the weights, rows are therefore put into a public number of
places by a secret draw: with a row more, which takes one of the places that are free, all others stay where they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from synth.privacy.randomness import Apart, Entropy, os_entropy

LARGEST = 2048  # rows at a time: small enough to stay in cache
STEP = 128  # a multiple of what vectors hold and kernels take at once: rows fall into no tail


def chunk_rows(expected: float) -> int:
    """Rows of a chunk that holds nearly every sample of ``expected`` rows, if it is not too large. Public."""
    enough = expected + 4 * math.sqrt(expected)
    return LARGEST if enough >= LARGEST else STEP * math.ceil(enough / STEP)


def chunks(
    codes: Tensor, weights: Tensor | None, size: int, room: int = 0, entropy: Entropy = os_entropy
) -> Iterator[tuple[Tensor, Tensor]]:
    """Codes in chunks of ``size`` rows, filled up, and what each counts; in order, or ``placed`` where sites add up. Private.

    Args:
        codes: Shape (rows, d).
        weights: Of the rows, shape (rows,), float64; 1 by default.
        size: Of every chunk. Public.
        room: From ``budget.room_for``. Public.
        entropy: Source of secret bytes.
    """
    counted = torch.ones(len(codes), dtype=torch.float64) if weights is None else weights
    if isinstance(entropy, Apart):
        yield from placed(codes, counted, size, room, entropy)
        return
    for start in range(0, len(codes), size):
        chunk, part = codes[start : start + size], counted[start : start + size]
        missing = size - len(chunk)
        yield (
            torch.cat([chunk, chunk[-1:].expand(missing, -1)]),
            torch.cat([part, torch.zeros(missing, dtype=torch.float64)]),
        )


def placed(codes: Tensor, counted: Tensor, size: int, room: int, entropy: Entropy) -> Iterator[tuple[Tensor, Tensor]]:
    """Each row at a place that is drawn for it, among at least ``room``, and what each place counts. Private.

    A uniform draw without repetition: what it gives for some rows does not depend on how many others there are. Places are
    ordered by 128 secret bits each; that two have the same has a chance below 2^-80 in all steps of a run.
    """
    places = size * math.ceil(max(room, len(codes)) / size)
    words = np.frombuffer(entropy(16 * places), dtype=np.uint64).reshape(2, places)
    order = torch.from_numpy(np.lexsort(tuple(words))[: len(codes)].copy())
    filled, shares = codes.new_zeros(places, codes.shape[1]), torch.zeros(places, dtype=torch.float64)
    filled[order], shares[order] = codes, counted
    yield from zip(torch.split(filled, size), torch.split(shares, size), strict=True)
