"""Read raw cells of any source (texts from CSV, typed columns from Parquet or pandas) as one canonical form.

Every function maps each row on its own: no row influences how another is read, which keeps the sensitivity of
everything counted afterwards at one row. Nothing here raises because of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.errors import InputError
from synth.schema import Column, Kind, Schema

FloatArray = npt.NDArray[np.float64]
TextArray = npt.NDArray[np.object_]

TRUE_TEXTS = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE_TEXTS = frozenset({"false", "f", "no", "n", "0", "0.0"})


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
    gaps = series.isna().to_numpy()
    if pd.api.types.is_bool_dtype(series.dtype):
        out = np.where(series.fillna(False).to_numpy(dtype=bool), "True", "False").astype(object)
    elif pd.api.types.is_float_dtype(series.dtype):
        floats = series.to_numpy(dtype=np.float64, na_value=np.nan)
        whole = np.isfinite(floats) & (floats == np.trunc(floats)) & (np.abs(floats) < 2**53)
        out = floats.astype(str).astype(object)
        out[whole] = floats[whole].astype(np.int64).astype(str)
    elif pd.api.types.is_object_dtype(series.dtype) or pd.api.types.is_string_dtype(series.dtype):
        out = series.astype(object).to_numpy(copy=True)
        rest = np.fromiter((type(v) is not str for v in out), dtype=bool, count=len(out)) & ~gaps
        if rest.any():
            out[rest] = [str(v) for v in out[rest]]
        out[~gaps] = [v.strip() for v in out[~gaps]]
    else:
        out = series.astype(str).to_numpy(dtype=object, copy=True)
    out[gaps] = None
    if missing:
        out[np.isin(out.astype(str), list(missing)) & ~gaps] = None
    return out


def _per_category(series: pd.Series, read: Callable[[pd.Series], npt.NDArray[Any]], gap: Any) -> npt.NDArray[Any]:
    """Read each distinct cell of a dictionary-encoded column once."""
    values = read(pd.Series(series.cat.categories))
    return np.append(values, np.array([gap], dtype=values.dtype))[series.cat.codes.to_numpy()]


def numbers(series: pd.Series, column: Column, missing: Sequence[str]) -> FloatArray:
    """Cells as numbers, NaN where missing or unreadable; +-inf stay, to be clipped. Datetimes in seconds since 1970.

    Args:
        series: Raw cells, shape (n,).
        column: Its kind and format.
        missing: Texts that mean "missing".

    Returns:
        Float array, shape (n,).
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        return np.asarray(_per_category(series, lambda values: numbers(values, column, missing), np.nan), dtype=np.float64)
    if column.kind is Kind.DATETIME:
        return _seconds(series, column, missing)
    if pd.api.types.is_numeric_dtype(series.dtype):
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan, copy=True), dtype=np.float64)
    as_texts = pd.Series(texts(series, missing), dtype=object)
    return pd.to_numeric(as_texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _seconds(series: pd.Series, column: Column, missing: Sequence[str]) -> FloatArray:
    stamps: pd.Series
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        stamps = series
    else:
        as_texts = pd.Series(texts(series, missing), dtype=object)
        stamps = pd.to_datetime(as_texts, format=column.format or "ISO8601", errors="coerce", utc=True)
    if getattr(stamps.dt, "tz", None) is not None:
        stamps = stamps.dt.tz_convert("UTC").dt.tz_localize(None)
    out = stamps.to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6  # ns would overflow beyond 2262
    out[stamps.isna().to_numpy()] = np.nan
    return np.asarray(out, dtype=np.float64)


def booleans(series: pd.Series, missing: Sequence[str]) -> FloatArray:
    """Cells as 1.0 (true), 0.0 (false) or NaN (missing or unreadable), shape (n,)."""
    lowered = np.array([None if v is None else v.lower() for v in texts(series, missing)], dtype=object).astype(str)
    out = np.full(len(lowered), np.nan)
    out[np.isin(lowered, list(TRUE_TEXTS))] = 1.0
    out[np.isin(lowered, list(FALSE_TEXTS))] = 0.0
    return out


def check_header(frame_names: Sequence[str], schema: Schema, what: str = "the data") -> None:
    """Compare headers, which are public.

    Raises:
        InputError: A column is duplicated, missing or extra.
    """
    seen: set[str] = set()
    for name in frame_names:
        if name in seen:
            raise InputError(f"{what} has two columns named {name!r}; rename one of them")
        seen.add(name)
    lost = [name for name in schema.names if name not in seen]
    if lost:
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
    held-out and synthetic rows are compared on the same footing whatever file they came from.

    Raises:
        InputError: The header does not match the schema.
    """
    check_header([str(c) for c in frame.columns], schema, what)
    out: dict[str, npt.NDArray[np.generic]] = {}
    for column in schema.columns:
        series = frame[column.name]
        if column.kind is not None and column.kind.is_numeric:
            values = numbers(series, column, schema.missing)
            values[~np.isfinite(values)] = np.nan
            if column.precision is not None:
                values = np.round(values, column.precision)
            out[column.name] = values
        elif column.kind is Kind.BOOLEAN:
            flags = booleans(series, schema.missing)
            out[column.name] = np.array([None if f != f else ("True" if f else "False") for f in flags], dtype=object)
        else:
            out[column.name] = texts(series, schema.missing)
    return pd.DataFrame(out)
