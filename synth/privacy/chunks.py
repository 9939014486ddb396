"""Rows of a sample in chunks of one public shape, each at a secret place of its own.

What float32 makes of a row must hang neither on how many others there are nor on where they stand. Linear algebra takes other
paths for three rows than for four, and for odd places of a matrix with few columns than for even ones; then the last bits of
*every* row's result differ. Mostly that is nothing. But whoever chooses the weights, as the coordinator of several sites may,
can make large numbers cancel: then last bits decide where gradients point, and one row more moves the clipped sum by dozens of
clipping norms. So chunks are filled up to a size that follows from the plan alone, with rows that count 0, and rows are put
into places by a secret draw: with a row more, which takes one of the places that are free, all others stay where they are.

At a site the number of places is public, too. Elsewhere it is that of the chunks that the sample fills, and weights come from
the run's own noisy steps alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from synth.privacy.randomness import Entropy, os_entropy

LARGEST = 2048  # rows at a time: small enough to stay in cache
STEP = 128  # a multiple of what vectors hold and kernels take at once


def chunk_rows(expected: float) -> int:
    """Rows of a chunk that holds nearly every sample of ``expected`` rows, if it is not too large. Public."""
    enough = expected + 4 * math.sqrt(expected)
    return LARGEST if enough >= LARGEST else STEP * math.ceil(enough / STEP)


def chunks(
    codes: Tensor, weights: Tensor | None, size: int, room: int = 0, entropy: Entropy = os_entropy
) -> Iterator[tuple[Tensor, Tensor]]:
    """Chunks of ``size`` places, each row at one that is drawn for it, and what each place counts. Private.

    A uniform draw without repetition: what it gives for some rows does not depend on how many others there are. Places are
    ordered by 128 secret bits each; that two have the same has a chance below 2^-80 in all steps of a run.

    Args:
        codes: Shape (rows, d).
        weights: Of the rows, shape (rows,), float64; 1 by default.
        size: Of every chunk. Public.
        room: How many places there are at least. Public.
        entropy: Source of secret bytes.
    """
    places = size * math.ceil(max(room, len(codes)) / size)
    words = np.frombuffer(entropy(16 * places), dtype=np.uint64).reshape(2, places)
    order = torch.from_numpy(np.lexsort(tuple(words))[: len(codes)].copy())
    filled, counted = codes.new_zeros(places, codes.shape[1]), torch.zeros(places, dtype=torch.float64)
    filled[order], counted[order] = codes, torch.ones(len(codes), dtype=torch.float64) if weights is None else weights
    if places:
        yield from zip(torch.split(filled, size), torch.split(counted, size), strict=True)
