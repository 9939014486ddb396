"""Exact sums over rows, each bounded per row: the private half of every count. Nothing here may leave the core.

One row adds exactly one to exactly one cell of each of these tables, so their L2 sensitivity is 1; of a list of m products of
signs it moves each by at most one, all of them together by at most sqrt(m).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.values import TextArray, texts
from synth.privacy.signs import SignProduct
from synth.schema import Column, Kind

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MAX_DIGITS = 6
VALUE_CLASSES = (
    "missing",
    "integer",
    *(f"decimal_{digits}" for digits in range(1, MAX_DIGITS + 1)),
    "float",
    "boolean",
    "date",
    "datetime",
    "text",
)
_WHOLE = r"(0|[1-9]\d*)"  # a leading zero makes a code, such as a postcode, not a number
_INTEGER = rf"[+-]?(?=\d{{1,15}}(\D|$)){_WHOLE}(\.0*)?"
_DECIMAL = rf"[+-]?{_WHOLE}?\.(\d+)"
_FLOAT = rf"[+-]?({_WHOLE}(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_DATE = r"\d{4}-\d{2}-\d{2}"
_DATETIME = _DATE + r"[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([+-]\d{2}:?\d{2}|Z)?"
_BOOLEAN = r"(?i:true|false)"

GAP_GRID = 1 << 10  # cells per count that guesses are rounded to
LOWEST_POWER, HIGHEST_POWER = -20, 62
FIRST_YEAR, LAST_YEAR = 1800, 2200


def exact_value_classes(series: pd.Series, missing: tuple[str, ...]) -> IntArray:
    """Cells per class of ``VALUE_CLASSES``, shape (classes,)."""
    cells = texts(series, missing)
    codes, values = pd.factorize(pd.Series(cells, dtype=object))
    spelled = pd.Series(values, dtype=object).astype(str)
    place = {name: i for i, name in enumerate(VALUE_CLASSES)}
    kinds = np.full(len(values), place["text"])
    for name, pattern in (("float", _FLOAT), ("boolean", _BOOLEAN), ("datetime", _DATETIME), ("date", _DATE)):
        kinds[spelled.str.fullmatch(pattern).to_numpy(dtype=bool)] = place[name]
    digits = spelled.str.fullmatch(_DECIMAL).to_numpy(dtype=bool)
    if digits.any():
        count = spelled[digits].str.rstrip("0").str.split(".").str[1].str.len().to_numpy(dtype=np.int64)
        kinds[digits] = np.where(count <= MAX_DIGITS, place["integer"] + count, place["float"])
    kinds[spelled.str.fullmatch(_INTEGER).to_numpy(dtype=bool)] = place["integer"]
    per_row = np.where(codes < 0, place["missing"], kinds[codes] if len(values) else 0)
    return np.bincount(per_row, minlength=len(VALUE_CLASSES)).astype(np.int64)


def bucket_edges(column: Column) -> FloatArray:
    """Borders of fixed buckets that no data influenced: powers of two of either sign, or years for datetimes."""
    if column.kind is Kind.DATETIME:
        years = np.arange(FIRST_YEAR, LAST_YEAR + 1)
        return (
            np.asarray([(np.datetime64(f"{y:04d}-01-01") - np.datetime64("1970-01-01")).astype(float) for y in years]) * 86_400
        )
    powers = 2.0 ** np.arange(LOWEST_POWER, HIGHEST_POWER + 1)
    return np.concatenate([-powers[::-1], powers])


def exact_histogram(values: FloatArray, edges: FloatArray) -> IntArray:
    """Values per bucket, those beyond the ends in the outermost one; missing values are not counted."""
    known = values[~np.isnan(values)]
    bucket = np.clip(np.searchsorted(edges, known, side="right") - 1, 0, len(edges) - 2)
    return np.bincount(bucket, minlength=len(edges) - 1).astype(np.int64)


def exact_value_counts(cells: TextArray) -> tuple[list[str], IntArray]:
    """Distinct texts and how many rows hold each; missing cells are not counted."""
    counts = pd.Series(cells, dtype=object).dropna().value_counts()
    return [str(v) for v in counts.index], np.asarray(counts, dtype=np.int64)


def exact_number_counts(values: FloatArray, low: float, step: float) -> tuple[list[float], IntArray]:
    """Distinct numbers and how many rows hold each; missing ones are not counted.

    Args:
        values: Inside the bounds, shape (n,).
        low: Lower bound.
        step: Grid that values are moved onto; 0 for floats, which are taken as they are.
    """
    known = values[~np.isnan(values)] + 0.0  # -0 and 0 are one value
    distinct, counts = np.unique(np.rint((known - low) / step) if step else known, return_counts=True)
    return (low + distinct * step if step else distinct).tolist(), counts.astype(np.int64)


def exact_table(codes: npt.NDArray[np.integer], sizes: tuple[int, ...]) -> IntArray:
    """Contingency table of code columns, shape ``sizes``."""
    flat = np.zeros(len(codes), dtype=np.int64)
    for j, size in enumerate(sizes):
        flat = flat * size + codes[:, j]
    return np.bincount(flat, minlength=int(np.prod(sizes))).astype(np.int64).reshape(sizes)


def exact_products(codes: npt.NDArray[np.integer], products: Sequence[SignProduct]) -> IntArray:
    """Sum over rows of each product of signs, shape (products,). A row adds -1, 0 or 1 to each."""
    return np.array([_row_products(codes, product).sum(dtype=np.int64) for product in products], dtype=np.int64)


def exact_signed_table(codes: npt.NDArray[np.integer], product: SignProduct, column: int, size: int) -> IntArray:
    """The same sum over the rows of each code of ``column``, shape (size,). A row adds -1, 0 or 1 to one cell."""
    signs = _row_products(codes, product)
    plus, minus = (np.bincount(codes[signs == s, column], minlength=size) for s in (1, -1))
    return (plus - minus).astype(np.int64)


def _row_products(codes: npt.NDArray[np.integer], product: SignProduct) -> npt.NDArray[np.int8]:
    whole = np.ones(len(codes), dtype=np.int8)
    for column, signs in zip(product.columns, product.signs, strict=True):
        whole *= signs[codes[:, column]]
    return whole


def exact_gap(codes: npt.NDArray[np.integer], guess: FloatArray) -> Fraction:
    """L1 distance of the table of code columns from a public guess that is rounded to a binary grid.

    In integers throughout, so that one row moves it by at most exactly 1.
    """
    cells = np.rint(guess * GAP_GRID).astype(np.int64)
    return Fraction(int(np.abs(exact_table(codes, cells.shape) * GAP_GRID - cells).sum()), GAP_GRID)
