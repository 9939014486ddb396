"""Rows chosen so that their tables are those of all drawn rows, closer than chance: sampling adds little error of its own.

Which of the drawn rows to keep is decided row by row: a row goes in or out if that brings the counts of its cells, over
many small tables at once, closer to what is expected. (Controlled rounding; cf. the cube method of Deville and
Tille 2004, doi:10.1093/biomet/91.4.893, which balances means of few variables.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.encoding.even import SMALLEST
from synth.privacy.tally import fused
from synth.table import Domain

CellArray = npt.NDArray[np.int32]
CodeArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MAX_TABLES = 300
SPARSE = 4  # tables with more cells than a row in so many of the drawn ones are left out
TOGETHER = 24  # rows decided on at a time
SWEEPS = 3
PART = 8192  # rows of intermediate arrays
CACHED = 128  # rows of those that stay in the processor's cache
ORDERS = (8.0, 8.0, 2.0, 1.0)  # weight of tables of no, one, two and three columns


def chosen_rows(codes: CodeArray, weights: FloatArray, n_rows: int, domain: Domain, rng: np.random.Generator) -> CodeArray:
    """Positions of the rows to keep, shape (n_rows,), each about as often as ``weights`` says. Post-processing.

    The first half of them, quarter, eighth, ... are balanced like the whole.

    Args:
        codes: Drawn rows, shape (drawn, columns).
        weights: Of the drawn rows, summing to 1.
        n_rows: How many to keep.
        domain: Of the codes.
        rng: For the tables looked at, and the order.
    """
    subsets = _subsets(domain.sizes, len(codes), rng)
    cells, importance = _cells(codes, domain.sizes, subsets)
    wanted = n_rows * weights
    whole = np.floor(wanted).astype(np.int64)
    some = _balanced(cells, importance, wanted - whole, n_rows - int(whole.sum()), rng)
    kept = rng.permutation(np.concatenate([np.repeat(np.arange(len(codes)), whole), np.flatnonzero(some)]))
    few = sum(len(s) < len(ORDERS) - 1 for s in subsets)
    cells, tails = cells[:, :few], []
    while len(kept) > SMALLEST:
        first = _balanced(cells[kept], importance, np.full(len(kept), 0.5), len(kept) // 2, rng)
        tails.append(kept[~first])
        kept = kept[first]
    return np.concatenate([kept, *reversed(tails)])


def _subsets(sizes: Sequence[int], drawn: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The whole, single columns, then pairs, then triples, random ones where there are too many; none with too many cells."""
    found: list[tuple[int, ...]] = [()]  # one cell: the number of rows
    for order in range(1, len(ORDERS)):
        room, d = MAX_TABLES - len(found), len(sizes)
        if math.comb(d, order) <= 4 * MAX_TABLES:
            candidates = list(combinations(range(d), order))
            candidates = [candidates[k] for k in rng.permutation(len(candidates))]
        else:
            drawn_sets = (tuple(sorted(rng.choice(d, order, replace=False).tolist())) for _ in range(2 * MAX_TABLES))
            candidates = list(dict.fromkeys(drawn_sets))
        found += [s for s in candidates if SPARSE * math.prod(sizes[j] for j in s) <= drawn][: max(room, 0)]
    return found


def _cells(codes: CodeArray, sizes: Sequence[int], subsets: Sequence[tuple[int, ...]]) -> tuple[CellArray, FloatArray]:
    """Cell of every row in every table, numbered end to end, shape (rows, tables); and the weight of every cell."""
    shapes = [[sizes[j] for j in subset] for subset in subsets]
    widths = [math.prod(shape) for shape in shapes]
    offsets = np.append(0, np.cumsum(widths)).astype(np.int32)
    cells = np.empty((len(codes), len(subsets)), dtype=np.int32)
    for out, part in zip(_parts(cells, 16 * CACHED), _parts(codes, 16 * CACHED), strict=True):
        columns = np.ascontiguousarray(part.T.astype(np.int32))
        by_table = np.empty(out.T.shape, dtype=np.int32)
        for mine, subset, shape, offset in zip(by_table, subsets, shapes, offsets[:-1], strict=True):
            mine[:] = fused([columns[j] for j in subset], shape) if subset else 0
            mine += offset
        out[:] = by_table.T
    return cells, np.repeat([ORDERS[len(subset)] for subset in subsets], widths)


def _balanced(
    cells: CellArray, weights: FloatArray, chances: FloatArray, count: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Which of the rows to take, ``count`` in all, about as often as their ``chances`` say, so that cells are met."""
    rows = len(cells)
    expected = _counts(cells, chances, len(weights))
    price = (weights / np.sqrt(expected + 1)).astype(np.float32)
    taken = np.zeros(rows, dtype=bool)
    order = rng.permutation(rows)
    taken[order[np.diff(np.floor(np.cumsum(chances[order]) + rng.random()), prepend=0.0) > 0]] = True
    pull = price * (expected - _counts(cells[taken], np.ones(int(taken.sum())), len(weights))).astype(np.float32)
    half = np.concatenate([price[part].sum(1) for part in _parts(cells, CACHED)]) / 2
    for _ in range(SWEEPS):
        for batch in np.array_split(rng.permutation(rows), max(rows // TOGETHER, 1)):
            mine = cells[batch]
            sign = np.where(taken[batch], -1, 1).astype(np.float32)
            better = sign * pull[mine].sum(1) > half[batch]
            changed = mine[better]
            np.subtract.at(pull, changed, price[changed] * sign[better, None])
            taken[batch[better]] ^= True
    gap = count - int(taken.sum())
    if gap:
        others = np.flatnonzero(taken if gap < 0 else ~taken)
        gain = np.sign(gap) * np.concatenate([pull[cells[part]].sum(1) for part in _parts(others, CACHED)]) - half[others]
        taken[others[np.argsort(-gain, kind="stable")[: abs(gap)]]] ^= True
    return taken


def _counts(cells: CellArray, amounts: FloatArray, width: int) -> FloatArray:
    """Sum of the rows' amounts in every cell, shape (width,); in parts, which bounds the memory."""
    out = np.zeros(width)
    for some, mine in zip(_parts(cells), _parts(amounts), strict=True):
        out += np.bincount(some.ravel(), np.repeat(mine, cells.shape[1]), width)
    return out


def _parts(rows: npt.NDArray[Any], size: int = PART) -> list[npt.NDArray[Any]]:
    return np.array_split(rows, max(len(rows) // size, 1))
