"""Drawn rows put together into persons. Pure, public, after the noise: it sees codes of synthetic rows only.

A model of persons is learnt with every row weighed by one over its person's number of rows. So a drawn row is a row of a
person drawn at random, and says in its first column how many rows that person has. A person is made of such an *anchor* and
of further drawn rows that are like it: rows are sorted by the columns that are constant per person, those first that tell most
about the others, then by the number of rows, then by chance, and a person takes neighbours of its anchor in this order, from
those with equal constants and number of rows where there are enough of them. Anchors stand at even distances, so persons have
the distribution that was drawn. What a person's rows have in common beyond that (such as how one visit follows from another)
is not modelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]

POOL = 3  # rows drawn per person, where persons have so many: those with more rows share some
MAX_CELLS = 1 << 20  # of a table of two columns that is looked at


@dataclass(frozen=True, slots=True)
class Persons:
    """Synthetic persons, as codes.

    Attributes:
        anchors: One row per person: its number of rows and its constants, shape (persons, d).
        rows: All rows, person by person, constants and number of rows as in the anchor, shape (rows, d).
        owner: Person of each row, shape (rows,).
    """

    anchors: Codes
    rows: Codes
    owner: IntArray


def persons_per(rows: int, cap: int) -> int:
    """How many persons are made of so many drawn rows."""
    return max(rows // min(cap, POOL), 1)


def draw_persons(
    codes: Codes, sizes: Sequence[int], constant: Sequence[int], rng: np.random.Generator, *, least: int = 1
) -> Persons:
    """Put drawn rows together.

    Args:
        codes: Drawn rows, the first column ``m`` meaning ``m + least`` rows; shape (n, d), n >= 1.
        sizes: Codes per column.
        constant: Columns that are constant per person.
        rng: The only source of chance.
        least: Rows that the first code stands for.
    """
    pool, keys = _sorted(codes, sizes, constant, rng)
    number = persons_per(len(codes), sizes[0])
    step = len(codes) / number
    places = rng.permutation(((rng.random() + np.arange(number)) * step).astype(np.int64))
    return gather(pool, keys, places, pool[places, 0].astype(np.int64) + least)


def match_persons(
    codes: Codes, sizes: Sequence[int], constant: Sequence[int], given: Codes, rng: np.random.Generator
) -> Persons:
    """Rows for persons that are there already: those of a drawn person with the same constants, or the nearest in order.

    Args:
        codes: Drawn rows, the first column being their number, from none on; shape (n, d).
        sizes: Codes per column.
        constant: Columns that are constant per person.
        given: Constants of the persons, shape (persons, len(constant)), columns as in ``constant``.
        rng: The only source of chance.
    """
    pool, keys = _sorted(codes, sizes, constant, rng)
    order = [list(constant).index(j) for j in keys[:-1]]
    known = _one_number(pool[:, keys[:-1]], [sizes[j] for j in keys[:-1]])
    asked = _one_number(given[:, order], [sizes[j] for j in keys[:-1]])
    low, high = np.searchsorted(known, asked, side="left"), np.searchsorted(known, asked, side="right")
    spread = np.maximum(high - low, 1)
    places = np.clip(low + (rng.random(len(asked)) * spread).astype(np.int64), 0, len(pool) - 1)
    return gather(pool, keys, places, pool[places, 0].astype(np.int64))


def _sorted(codes: Codes, sizes: Sequence[int], constant: Sequence[int], rng: np.random.Generator) -> tuple[Codes, list[int]]:
    """Drawn rows in order, and the columns they are sorted by."""
    keys = [*by_relevance(codes, sizes, constant), 0]
    return codes[np.lexsort([rng.random(len(codes)), *(codes[:, j] for j in reversed(keys))])], keys


def _one_number(codes: Codes, sizes: Sequence[int]) -> IntArray:
    """Several columns as one number that sorts like them, as many of the first ones as 62 bits hold; (n, k) to (n,)."""
    whole, room = np.zeros(len(codes), dtype=np.int64), 1 << 62
    for j, size in enumerate(sizes):
        if room < size:
            break
        room //= size
        whole = whole * size + codes[:, j]
    return whole


def gather(pool: Codes, keys: Sequence[int], places: IntArray, counts: IntArray) -> Persons:
    """Neighbours of the anchors.

    Args:
        pool: Drawn rows, sorted by ``keys``.
        keys: Columns that a person's rows share.
        places: Position of each anchor.
        counts: How many rows each person gets, none or more.
    """
    n = len(pool)
    new = np.zeros(n, dtype=bool)
    new[0] = True
    for j in keys:
        new[1:] |= pool[1:, j] != pool[:-1, j]
    starts = np.flatnonzero(new)
    group = np.searchsorted(starts, places, side="right") - 1
    low, high = starts[group], np.append(starts[1:], n)[group]
    around = np.clip(places - (counts - 1) // 2, 0, np.maximum(n - counts, 0))
    first = np.where(high - low >= counts, np.maximum(np.minimum(places, high - counts), low), around)
    owner = np.repeat(np.arange(len(places)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = pool[(first[owner] + within) % n]
    rows[:, list(keys)] = pool[places][owner][:, list(keys)]
    return Persons(anchors=pool[places], rows=rows, owner=owner)


def by_relevance(codes: Codes, sizes: Sequence[int], constant: Sequence[int]) -> list[int]:
    """The constant columns, those first that tell most about the others (mutual information, corrected for chance)."""
    others = [j for j in range(1, len(sizes)) if j not in constant]
    told = {a: sum(_information(codes, sizes, a, b) for b in others) for a in constant}
    return sorted(constant, key=lambda a: (-told[a], a))


def _information(codes: Codes, sizes: Sequence[int], a: int, b: int) -> float:
    """Mutual information of two columns in nats, less what chance makes of independent ones."""
    if sizes[a] * sizes[b] > MAX_CELLS:
        return 0.0
    flat = codes[:, a].astype(np.int64) * sizes[b] + codes[:, b]
    joint: FloatArray = np.bincount(flat, minlength=sizes[a] * sizes[b]).reshape(sizes[a], sizes[b]) / len(codes)
    rows, columns = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
    there = joint > 0
    found = float((joint[there] * np.log(joint[there] / (rows * columns)[there])).sum())
    return max(found - float((rows > 0).sum() - 1) * float((columns > 0).sum() - 1) / (2 * len(codes)), 0.0)
