"""What a condition on a column leaves of each of its codes, and values drawn from exactly that part. Pure and public.

A condition on numbers is a set of intervals. Inside a bin a value is drawn by cell, then evenly, then rounded to some unit.
For a given unit rounding never changes the order of values of a cell, so the amounts that end up in an interval are an interval
as well, found by bisection. That makes both the share of a bin and the draws exact, down to single values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.encoding.category import CategoryCodec
from synth.encoding.numeric import NumericCodec

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NEAR = 1e-6  # grid steps within which a bound counts as a grid value
LEAST = 1e-12  # weight of an empty cell, as in decoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Numbers between two ends, each in or out."""

    low: float = -np.inf
    high: float = np.inf
    with_low: bool = True
    with_high: bool = True

    def holds(self, values: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether values lie inside; never where NaN."""
        above = values >= self.low if self.with_low else values > self.low
        return above & (values <= self.high if self.with_high else values < self.high)

    def ticks(self, low: float, step: float) -> tuple[float, float]:
        """First and last grid value inside, in steps from ``low``."""
        first, last = (self.low - low) / step, (self.high - low) / step
        first = np.ceil(first - NEAR) if self.with_low else np.floor(first + NEAR) + 1
        last = np.floor(last + NEAR) if self.with_high else np.ceil(last - NEAR) - 1
        return float(first), float(last)

    def half_open(self) -> tuple[float, float]:
        """The same floats as ``low <= value < high``."""
        low = self.low if self.with_low else np.nextafter(self.low, np.inf)
        return float(low), float(np.nextafter(self.high, np.inf) if self.with_high else self.high)


@dataclass(frozen=True, slots=True)
class CategoryWithin:
    """Categories that meet a condition.

    Attributes:
        codec: Of the column.
        share: 1 for every code that meets it, else 0; shape (size,).
    """

    codec: CategoryCodec
    share: FloatArray

    def decode(self, codes: IntArray, rng: np.random.Generator) -> npt.NDArray[Any]:
        """Texts of codes."""
        return self.codec.decode(codes, rng)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericWithin:
    """Numbers that meet a condition, as pieces: what one cell, rounded to one unit, leaves of one interval.

    Attributes:
        codec: Of the column.
        share: Of every code that meets it, shape (size,).
        starts: First piece of each bin and the number of pieces, shape (bins + 1,).
        rising: Cumulated masses of pieces, shape (pieces + 1,).
        first: Smallest amount of each piece: a number of grid steps, or a float.
        room: Amounts in each piece: how many, or a width.
        unit: What each piece is rounded to, as in ``Rounding.rounded``.
    """

    codec: NumericCodec
    share: FloatArray
    starts: IntArray
    rising: FloatArray
    first: FloatArray
    room: FloatArray
    unit: IntArray

    def decode(self, codes: IntArray, rng: np.random.Generator) -> FloatArray:
        """Values inside the condition, NaN where missing; codes of share 0 give any value that meets it."""
        codec, axis = self.codec, self.codec.axis
        if not len(self.first):
            return np.full(len(codes), np.nan)
        bins = np.minimum(codes, len(codec.starts) - 1)
        low, high = self.rising[self.starts[bins]], self.rising[self.starts[bins + 1]]
        piece = np.searchsorted(self.rising, low + rng.random(len(codes)) * (high - low), side="right") - 1
        piece = np.clip(piece, self.starts[bins], np.maximum(self.starts[bins + 1] - 1, self.starts[bins]))
        piece = np.minimum(piece, len(self.first) - 1)
        if axis.step:
            amounts = self.first[piece] + np.floor(rng.random(len(codes)) * self.room[piece])
            values = axis.low + _rounded(codec, amounts, bins, self.unit[piece]) * axis.step
            values = values if codec.column.precision is None else np.round(values, codec.column.precision)
        else:
            top = np.nextafter(self.first[piece] + self.room[piece], -np.inf)
            values = np.minimum(self.first[piece] + rng.random(len(codes)) * self.room[piece], top)
            values = np.maximum(values, self.first[piece])
        return np.where(codes >= len(codec.starts), np.nan, np.clip(values, axis.low, axis.high))


Within = CategoryWithin | NumericWithin


def category_within(codec: CategoryCodec, allowed: npt.NDArray[np.bool_]) -> CategoryWithin:
    """From flags of every code, shape (size,)."""
    return CategoryWithin(codec, allowed.astype(np.float64))


def numeric_within(codec: NumericCodec, intervals: tuple[Interval, ...], *, missing: bool) -> NumericWithin:
    """From disjoint intervals, and whether a missing value meets the condition."""
    bins, sizes = len(codec.starts), np.diff((*codec.starts, len(codec.weights)))
    owner = np.repeat(np.arange(bins), sizes)
    mass = np.maximum(np.asarray(codec.weights), LEAST)
    nothing = np.empty(0)
    found: list[Pieces] = [(nothing.astype(np.int64), nothing, nothing, nothing, nothing.astype(np.int64))]
    found += [_grid_pieces(codec, one, owner) if codec.axis.step else _float_pieces(codec, one) for one in intervals]
    cell, unit = (np.concatenate([f[i] for f in found]).astype(np.int64) for i in (0, 4))
    first, room, part = (np.concatenate([f[i] for f in found]).astype(np.float64) for i in (1, 2, 3))
    order = np.argsort(owner[cell], kind="stable")
    cell, unit, first, room, part = cell[order], unit[order], first[order], room[order], part[order]
    masses = mass[cell] * part
    kept = np.bincount(owner[cell], masses, bins)
    share = np.append(kept / np.bincount(owner, mass, bins), [float(missing)] * codec.missing)
    starts = np.searchsorted(owner[cell], np.arange(bins + 1))
    rising = np.append(0.0, np.cumsum(masses))
    share = np.minimum(share, 1.0)
    return NumericWithin(codec=codec, share=share, starts=starts, rising=rising, first=first, room=room, unit=unit)


Pieces = tuple[IntArray, FloatArray, FloatArray, FloatArray, IntArray]


def _float_pieces(codec: NumericCodec, interval: Interval) -> Pieces:
    """Cell, smallest value, width, share of the cell, and unit (none) of each piece."""
    edges = np.asarray(codec.axis.edges)
    low, high = interval.half_open()
    first, last = np.maximum(edges[:-1], low), np.minimum(edges[1:], high)
    cell = np.flatnonzero(last > first)
    room = (last - first)[cell]
    return cell, first[cell], room, room / np.diff(edges)[cell], np.zeros(len(cell), dtype=np.int64)


def _grid_pieces(codec: NumericCodec, interval: Interval, owner: IntArray) -> Pieces:
    """The same on a grid, in steps."""
    first, last = codec.axis.ticks()
    low, high = interval.ticks(codec.axis.low, codec.axis.step)
    ends = np.asarray((*codec.starts[1:], len(first))) - 1
    reach = (last[ends][owner] >= low) & (first[np.asarray(codec.starts)][owner] <= high)  # bins that it touches
    cells = np.flatnonzero(reach & (last >= first))
    chances = unit_chances(codec, cells, owner)
    row, unit = np.nonzero(chances > 0)
    cell = cells[row]
    start = _bisect(codec, low, cell, owner[cell], unit, strictly=False)
    stop = _bisect(codec, high, cell, owner[cell], unit, strictly=True)
    room = stop - start
    part = chances[row, unit] * room / (last - first + 1)[cell]
    some = room > 0
    return cell[some], start[some], room[some], part[some], unit[some]


def unit_chances(codec: NumericCodec, cells: IntArray, owner: IntArray) -> FloatArray:
    """Probability of each unit in each cell, shape (cells, units); cells of one value are not rounded."""
    if codec.rounding is None:
        return np.ones((len(cells), 1))
    first, last = codec.axis.ticks()
    chances = np.asarray(codec.rounding.shares)[codec.rounding.group(owner[cells])]
    return np.where((last > first)[cells, None], chances, np.eye(chances.shape[1])[0])


def _rounded(codec: NumericCodec, amounts: FloatArray, bins: IntArray, unit: IntArray) -> FloatArray:
    """Amounts in steps, each rounded to its unit as in decoding."""
    if codec.rounding is None:
        return amounts
    first, last = codec.axis.ticks()
    zero = np.rint(codec.axis.low / codec.axis.step)
    ends = np.asarray((*codec.starts[1:], len(first))) - 1
    low, high = first[np.asarray(codec.starts)][bins], last[ends][bins]
    found = codec.rounding.rounded(amounts + zero, unit, low + zero, high + zero) - zero
    return np.where(unit > 0, found, amounts)


def _bisect(codec: NumericCodec, bound: float, cell: IntArray, bins: IntArray, unit: IntArray, *, strictly: bool) -> FloatArray:
    """Smallest amount of each cell that is rounded to ``bound`` or more (to more); one beyond the last where there is none."""
    first, last = codec.axis.ticks()
    low, high = first[cell].copy(), last[cell] + 1
    while bool((low < high).any()):
        middle = np.floor((low + high) / 2)
        value = _rounded(codec, middle, bins, unit)
        enough = value > bound if strictly else value >= bound
        open_still = low < high
        high = np.where(open_still & enough, middle, high)
        low = np.where(open_still & ~enough, middle + 1, low)
    return low
