"""Read raw cells of any source (texts from CSV, typed columns from Parquet or pandas) as one canonical form.

Every function maps each row on its own: no row influences how another is read, which keeps the sensitivity of
everything counted afterwards at one row. Nothing here raises because of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.temporal import plain_stamp, plain_stamps, seconds, spell_stamp
from synth.errors import InputError
from synth.schema import Column, Kind, Schema

FloatArray = npt.NDArray[np.float64]
TextArray = npt.NDArray[np.object_]
IntArray = npt.NDArray[np.int64]

TRUE_TEXTS = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE_TEXTS = frozenset({"false", "f", "no", "n", "0", "0.0"})
BOOLEAN_NUMBERS: dict[str | None, float] = {"True": 1.0, "False": 0.0}
GROUPING = str.maketrans({",": ".", ".": None, " ": None, "\u00a0": None, "\u202f": None, "'": None})


def texts(series: pd.Series, missing: Sequence[str]) -> TextArray:
    """Cells as texts, ``None`` where missing. Whole floats lose their ``.0``, as an integer column with gaps has it.

    Args:
        series: Raw cells, shape (n,).
        missing: Texts that mean "missing".

    Returns:
        Object array, shape (n,).
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        return _per_category(series, lambda values: texts(values, missing), None)
    gone = frozenset(missing)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return np.array([spell_stamp(stamp) for stamp in plain_stamps(series)], dtype=object)
    known: dict[str, str | None] = {}
    out = np.empty(len(series), dtype=object)
    for i, cell in enumerate(series.astype(object)):
        text = _spell(cell)
        out[i] = None if text is None or text in gone else known.setdefault(text, text)
    return out


def _spell(cell: Any) -> str | None:
    """One cell as text, by itself: whole-column conversions let one row change how the others are written.

    Texts are cut at a NUL character, where hash tables of pandas would cut them for a whole column.
    """
    if isinstance(cell, str):
        return cell.partition("\0")[0].strip()
    if cell is None:
        return None
    try:
        if isinstance(cell, date):
            return spell_stamp(plain_stamp(cell))
        if isinstance(cell, float | np.floating):
            value = float(cell)
            if value != value:
                return None
            return str(int(value)) if abs(value) < 2**53 and value == int(value) else repr(value)
        if isinstance(cell, timedelta | np.timedelta64):
            return None if cell is pd.NaT else str(pd.Timedelta(cell))
        return None if cell is pd.NA or cell is pd.NaT else str(cell).partition("\0")[0].strip()
    except (ValueError, ArithmeticError, TypeError):
        return None


def _number(text: str | None) -> float:
    """One text as a number, by itself; NaN where it is none. ``True`` and ``False`` count as 1 and 0."""
    if text in BOOLEAN_NUMBERS:
        return BOOLEAN_NUMBERS[text]
    if text is None or not text.isascii() or "_" in text:
        return np.nan
    try:
        return float(text)
    except ValueError:
        return np.nan


def _comma_number(text: str | None) -> float:
    """The same where 1.234,56 is written; points, spaces and apostrophes group digits."""
    return _number(None if text is None else text.translate(GROUPING))


def _per_category(series: pd.Series, read: Callable[[pd.Series], npt.NDArray[Any]], gap: Any) -> npt.NDArray[Any]:
    """Read each distinct cell of a dictionary-encoded column once."""
    values = read(pd.Series(series.cat.categories))
    return np.append(values, np.array([gap], dtype=values.dtype))[series.cat.codes.to_numpy()]


def distinct(series: pd.Series) -> tuple[pd.Series, IntArray]:
    """Cells to read instead of all of them, and the place of each row's among them; -1 for a gap.

    Equal cells of a dictionary, of numbers or of times are read once. Other objects are not looked up in tables, which would
    mix ``1`` and ``True``.

    Args:
        series: Raw cells, shape (n,).

    Returns:
        At most n cells, and places of shape (n,).
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        return pd.Series(series.cat.categories), np.asarray(series.cat.codes, dtype=np.int64)
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufM":
        found, place = np.unique(series.to_numpy(), return_inverse=True)
        return pd.Series(found), place.astype(np.int64)
    return series.reset_index(drop=True), np.arange(len(series), dtype=np.int64)


def numbers(series: pd.Series, column: Column, missing: Sequence[str]) -> FloatArray:
    """Cells as numbers, NaN where missing or unreadable; +-inf stay, to be clipped. Temporal kinds in seconds.

    Args:
        series: Raw cells, shape (n,).
        column: Its kind and format.
        missing: Texts that mean "missing".

    Returns:
        Float array, shape (n,).
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        return np.asarray(_per_category(series, lambda values: numbers(values, column, missing), np.nan), dtype=np.float64)
    if column.kind is not None and column.kind.is_temporal:
        return seconds(series, texts(series, missing), column)
    if pd.api.types.is_numeric_dtype(series.dtype):
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan, copy=True), dtype=np.float64)
    read = _comma_number if column.decimal_mark == "," else _number
    return np.array([read(text) for text in texts(series, missing)], dtype=np.float64)


def booleans(series: pd.Series, missing: Sequence[str], spelled: Sequence[str] | None = None) -> FloatArray:
    """Cells as 1.0 (true), 0.0 (false) or NaN (missing or unreadable), shape (n,); ``spelled`` are texts for false and true."""
    return np.array([_flag(text, spelled) for text in texts(series, missing)], dtype=np.float64)


def _flag(text: str | None, spelled: Sequence[str] | None = None) -> float:
    if spelled is not None and text in spelled:
        return float(spelled.index(text))
    lowered = "" if text is None else text.lower()
    return 1.0 if lowered in TRUE_TEXTS else 0.0 if lowered in FALSE_TEXTS else np.nan


def check_header(frame_names: Sequence[str], schema: Schema, what: str = "the data", *, partly: bool = False) -> None:
    """Compare headers, which are public; ``partly`` allows columns of the schema to be left out.

    Raises:
        InputError: A column is duplicated, missing or extra.
    """
    seen: set[str] = set()
    for name in frame_names:
        if name in seen:
            raise InputError(f"{what} has two columns named {name!r}; rename one of them")
        seen.add(name)
    lost = [name for name in schema.names if name not in seen]
    if lost and not partly:
        raise InputError(f"{what} lacks column {lost[0]!r} of the schema; add it, or take it out of the schema")
    declared = set(schema.names)
    extra = [name for name in frame_names if name not in declared]
    if extra:
        raise InputError(
            f"{what} has column {extra[0]!r}, which the schema does not mention; "
            "declare it in the schema, or drop it from the data"
        )


def conform(frame: pd.DataFrame, schema: Schema, what: str = "the data") -> pd.DataFrame:
    """A table with one plain dtype per kind, columns in schema order.

    Numbers and datetimes become float64 (seconds since 1970 for datetimes), everything else object texts
    (``"True"``/``"False"`` for booleans) with ``None`` where missing. Used by the evaluation, so that real,
    held-out and synthetic rows are compared on the same footing whatever file they came from. Columns whose values are
    made anew are left out.

    Raises:
        InputError: The header does not match the schema.
    """
    check_header([str(c) for c in frame.columns], schema, what)
    out: dict[str, npt.NDArray[np.generic]] = {}
    for column in schema.read_columns:
        series = frame[column.name]
        if column.kind is not None and column.kind.is_numeric:
            values = numbers(series, column, schema.missing)
            values[~np.isfinite(values)] = np.nan
            if column.precision is not None:
                values = np.round(values, column.precision)
            out[column.name] = values
        elif column.kind is Kind.BOOLEAN:
            flags = booleans(series, schema.missing, column.categories)
            out[column.name] = np.array([None if f != f else ("True" if f else "False") for f in flags], dtype=object)
        else:
            out[column.name] = texts(series, schema.missing)
    return pd.DataFrame(out)
