"""Exact sums over rows, each bounded per row: the private half of every count. Nothing here may leave the core.

One row adds its weight to exactly one cell of each of these tables; of a list of m products of signs it moves each by at
most its weight. Weights are whole numbers; those of one unit's rows sum to ``scale`` at most (``synth.privacy.units``; by
default each row counts 1 and is a unit). So a unit moves a table by at most ``scale`` in the L2 norm, wherever its rows fall,
and m products together by at most ``sqrt(m) scale``. All of them are integers, so sums over chunks of rows add up to the same
numbers however the rows are cut.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.values import TextArray, distinct, texts
from synth.errors import AccountingError
from synth.privacy.codes import Codes
from synth.privacy.signs import SignProduct
from synth.privacy.tally import Tally, fused
from synth.privacy.units import Weights
from synth.schema import Column, Kind

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint64]

MAX_DIGITS = 6
VALUE_CLASSES = (
    "missing",
    "integer",
    *(f"decimal_{digits}" for digits in range(1, MAX_DIGITS + 1)),
    "float",
    "boolean",
    "date",
    "datetime",
    "clock",
    "time",
    "duration",
    "prose",
    "text",
)
_WHOLE = r"(0|[1-9]\d*)"  # a leading zero makes a code, such as a postcode, not a number
_INTEGER = rf"[+-]?(?=\d{{1,15}}(\D|$)){_WHOLE}(\.0*)?"
_DECIMAL = rf"[+-]?{_WHOLE}?\.(\d+)"
_FLOAT = rf"[+-]?({_WHOLE}(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_DATE = r"\d{4}-\d{2}-\d{2}"
_DATETIME = _DATE + r"[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([+-]\d{2}:?\d{2}|Z)?"
_BOOLEAN = r"(?i:true|false)"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_TIME = _CLOCK + r":[0-5]\d(\.\d+)?"
_DURATION = r"-?\d+ days?(,? [+-]?\d{1,2}:\d{2}:\d{2}(\.\d+)?)?|-?P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"
_PROSE = r"(?s:.{101,}|(\S+\s+){15,}\S*)"  # longer than labels are

_PATTERNS = (
    ("prose", _PROSE), ("float", _FLOAT), ("boolean", _BOOLEAN), ("datetime", _DATETIME), ("date", _DATE), ("clock", _CLOCK),
    ("time", _TIME), ("duration", _DURATION),
)  # fmt: skip

HASH = np.uint64(0x9E3779B97F4A7C15)  # spreads the bits of numbers evenly (Knuth)
GAP_GRID = 1 << 10  # cells per count that guesses are rounded to
LOWEST_POWER, HIGHEST_POWER = -20, 62
FIRST_YEAR, LAST_YEAR = 1800, 2200


def exact_sum(parts: Iterable[IntArray]) -> IntArray:
    """Sum of the same table over chunks of rows, at least one."""
    whole: IntArray | None = None
    for part in parts:
        whole = part.copy() if whole is None else whole + part
    if whole is None:
        raise AccountingError("rows come in at least one chunk")
    return whole


def exact_counts(places: npt.NDArray[np.integer], size: int, weights: Weights = None) -> IntArray:
    """Weight of the rows at each place, shape (size,). Sums in float64 are whole numbers below 2^53, so exact."""
    return np.bincount(places, weights=weights, minlength=size).astype(np.int64)


def among(weights: Weights, rows: npt.NDArray[np.bool_] | slice) -> Weights:
    """Weights of some of the rows."""
    return None if weights is None else weights[rows]


def exact_value_classes(series: pd.Series, missing: tuple[str, ...], weights: Weights = None) -> IntArray:
    """Cells per class of ``VALUE_CLASSES``, shape (classes,)."""
    found, place_of = distinct(series)
    codes, values = pd.factorize(pd.Series(texts(found, missing), dtype=object))
    spelled = pd.Series(values, dtype=object).astype(str)
    place = {name: i for i, name in enumerate(VALUE_CLASSES)}
    kinds = np.full(len(values) + 1, place["text"])
    known = kinds[:-1]
    kinds[-1] = place["missing"]
    for name, pattern in _PATTERNS:
        known[spelled.str.fullmatch(pattern).to_numpy(dtype=bool)] = place[name]
    digits = spelled.str.fullmatch(_DECIMAL).to_numpy(dtype=bool)
    if digits.any():
        count = spelled[digits].str.rstrip("0").str.split(".").str[1].str.len().to_numpy(dtype=np.int64)
        known[digits] = np.where(count <= MAX_DIGITS, place["integer"] + count, place["float"])
    known[spelled.str.fullmatch(_INTEGER).to_numpy(dtype=bool)] = place["integer"]
    per_cell = np.append(kinds[codes], place["missing"])  # a code or place of -1 means missing
    return exact_counts(per_cell[place_of], len(VALUE_CLASSES), weights)


def bucket_edges(column: Column) -> FloatArray:
    """Borders of fixed buckets that no data influenced: powers of two of either sign, or years for datetimes."""
    if column.kind is Kind.DATETIME:
        years = np.arange(FIRST_YEAR, LAST_YEAR + 1)
        return (
            np.asarray([(np.datetime64(f"{y:04d}-01-01") - np.datetime64("1970-01-01")).astype(float) for y in years]) * 86_400
        )
    powers = 2.0 ** np.arange(LOWEST_POWER, HIGHEST_POWER + 1)
    return np.concatenate([-powers[::-1], powers])


def exact_histogram(values: FloatArray, edges: FloatArray, weights: Weights = None) -> IntArray:
    """Values per bucket, those beyond the ends in the outermost one; missing values are not counted."""
    known = ~np.isnan(values)
    bucket = np.clip(np.searchsorted(edges, values[known], side="right") - 1, 0, len(edges) - 2)
    return exact_counts(bucket, len(edges) - 1, among(weights, known))


def exact_value_counts(chunks: Iterable[tuple[TextArray, IntArray, Weights]]) -> tuple[list[str], IntArray]:
    """Distinct texts, in order, and how many rows hold each; missing cells and rows of no weight are not counted.

    Args:
        chunks: Texts that occur (``None`` where missing, possibly repeated), the place of each row's among them, -1 for a
            missing cell; and the rows' weights.
    """
    counts: Counter[str] = Counter()
    for found, place, weights in chunks:
        each = exact_counts(place[place >= 0], len(found), among(weights, place >= 0))
        for text, count in zip(found, each.tolist(), strict=True):
            if text is not None and count:
                counts[text] += count
    names = sorted(counts)
    return names, np.array([counts[name] for name in names], dtype=np.int64)


def exact_number_counts(
    chunks: Iterable[tuple[FloatArray, Weights]], low: float, step: float, part: tuple[int, int] = (0, 1)
) -> tuple[list[float], IntArray]:
    """Distinct numbers, in order, and how many rows hold each; missing ones and rows of no weight are not counted.

    Args:
        chunks: Inside the bounds, shape (n,) each, and the rows' weights.
        low: Lower bound.
        step: Grid that values are moved onto; 0 for floats, which are taken as they are.
        part: Which of how many parts of the possible values, cut by a fixed hash; bounds the memory for one part.
    """
    found: tuple[FloatArray, IntArray] = np.empty(0), np.empty(0, dtype=np.int64)
    for values, weights in chunks:
        places = (np.rint((values - low) / step) if step else values) + 0.0  # -0 and 0 are one value
        there = ~np.isnan(values) if weights is None else ~np.isnan(values) & (weights > 0)
        if part[1] > 1:
            there &= (places.view(np.uint64) * HASH >> np.uint64(40)) % np.uint64(part[1]) == part[0]
        one, at = np.unique(places[there], return_inverse=True)
        counts = exact_counts(at, len(one), among(weights, there))
        both, place = np.unique(np.concatenate([found[0], one]), return_inverse=True)
        whole = np.zeros(len(both), dtype=np.int64)
        np.add.at(whole, place, np.concatenate([found[1], counts]))
        found = both, whole
    distinct_values, whole_counts = found
    return (low + distinct_values * step if step else distinct_values).tolist(), whole_counts


def exact_table(columns: Sequence[npt.NDArray[np.integer]], sizes: tuple[int, ...], weights: Weights = None) -> IntArray:
    """Contingency table of code columns of shape (n,) each; shape ``sizes``."""
    return exact_counts(fused(columns, sizes), int(np.prod(sizes)), weights).reshape(sizes)


def _weighed(codes: Codes, columns: Sequence[int], weights: Weights) -> Iterator[tuple[list[npt.NDArray[np.integer]], Weights]]:
    """Blocks of rows and what the rows count."""
    start = 0
    for block in codes.blocks(columns):
        stop = start + len(block[0])
        yield block, among(weights, slice(start, stop))
        start = stop


def exact_tables(codes: Codes, subsets: Sequence[tuple[int, ...]], weights: Weights = None) -> list[IntArray]:
    """Contingency tables of several subsets of columns, from one pass over the rows."""
    tally = Tally(subsets, codes.sizes)
    for block, parts in _weighed(codes, tally.columns, weights):
        tally.add(block, parts)
    return tally.tables()


def exact_products(codes: Codes, products: Sequence[SignProduct], weights: Weights = None) -> IntArray:
    """Sum over rows of each product of signs, shape (products,). A row adds -1, 0 or 1 times its weight to each."""
    used = sorted({j for product in products for j in product.columns})
    whole = np.zeros(len(products), dtype=np.int64)
    for block, parts_of in _weighed(codes, used, weights):
        columns = dict(zip(used, block, strict=True))
        classes = [(1, None)] if parts_of is None else _weight_classes(parts_of)
        packed: dict[tuple[int, bytes], tuple[Bits, Bits]] = {}
        for at, product in enumerate(products):
            pairs = list(zip(product.columns, product.signs, strict=True))
            for j, signs in pairs:
                if (j, signs.tobytes()) not in packed:
                    packed[j, signs.tobytes()] = _pack(signs < 0, columns[j]), _pack(signs != 0, columns[j])
            parts = [packed[j, signs.tobytes()] for j, signs in pairs]
            odd, there = (
                functools.reduce(np.bitwise_xor, [p[0] for p in parts]),
                functools.reduce(np.bitwise_and, [p[1] for p in parts]),
            )
            for weight, rows in classes:
                counted = there if rows is None else there & rows
                whole[at] += weight * (_ones(counted) - 2 * _ones(odd & counted))
    return whole


def _weight_classes(weights: IntArray) -> list[tuple[int, Bits | None]]:
    """The weights that occur, but 0, and the rows that have them: as many as there are numbers of rows per unit."""
    return [(int(w), _pack(np.array([False, True]), (weights == w).astype(np.int8))) for w in np.unique(weights[weights > 0])]


def _pack(flags: npt.NDArray[np.bool_], codes: npt.NDArray[np.integer]) -> Bits:
    """One bit a row, 64 rows a word; bits beyond the last row are 0."""
    bits = np.packbits(flags[codes])
    return np.concatenate([bits, np.zeros(-len(bits) % 8, dtype=np.uint8)]).view(np.uint64)


def _ones(bits: Bits) -> int:
    return int(np.bitwise_count(bits).sum(dtype=np.int64))


def exact_signed_tables(codes: Codes, queries: Sequence[tuple[SignProduct, int]], weights: Weights = None) -> list[IntArray]:
    """For each query, sums of a product of signs over the rows of each code of one more column, shape (size,).

    A row adds -1, 0 or 1 times its weight to one cell of each.
    """
    used = sorted({j for product, column in queries for j in (*product.columns, column)})
    whole = [np.zeros(codes.sizes[column], dtype=np.int64) for _, column in queries]
    for block, parts in _weighed(codes, used, weights):
        columns = dict(zip(used, block, strict=True))
        for table, (product, column) in zip(whole, queries, strict=True):
            signs = np.ones(len(block[0]), dtype=np.int8)
            for j, values in zip(product.columns, product.signs, strict=True):
                signs *= values[columns[j]]
            for s in (1, -1):
                table += s * exact_counts(columns[column][signs == s], len(table), among(parts, signs == s))
    return whole


def exact_gap(table: IntArray, guess: FloatArray, scale: int = 1) -> Fraction:
    """L1 distance of a table from a public guess that is rounded to a binary grid.

    In integers throughout, so that one unit moves it by at most exactly 1.

    Args:
        table: Exact counts, in ``1 / scale``.
        guess: Counts, of the same shape.
        scale: Of the weights.
    """
    cells = np.rint(guess * GAP_GRID).astype(np.int64)
    return Fraction(int(np.abs(table * GAP_GRID - cells * scale).sum()), GAP_GRID * scale)
