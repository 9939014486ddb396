"""Decoded cells in the types that their table had: as pandas columns, as Arrow arrays, as texts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from synth.encoding.temporal import localized
from synth.kinds import DAY_SECONDS
from synth.schema import Column, Kind
from synth.storage import Family, Flavour, Storage

Cells = npt.NDArray[Any]  # numbers (seconds for temporal kinds, NaN where missing) or texts (None where missing)

_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LARGEST_TICK = 2.0**63 - 2**10
_EXTENSION: dict[pa.DataType, Any] = {
    pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(), pa.uint32(): pd.UInt32Dtype(), pa.uint64(): pd.UInt64Dtype(),
    pa.float32(): pd.Float32Dtype(), pa.float64(): pd.Float64Dtype(), pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype(),
}  # fmt: skip


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a column: its declared one, or what goes with its kind."""
    storage = column.storage
    return _default_type(column) if storage is None else storage_type(storage)


def _default_type(column: Column) -> pa.DataType:
    kind = column.kind
    if kind is Kind.DATETIME and column.format is not None and column.grid == DAY_SECONDS:
        return pa.date32()
    if kind is Kind.DATETIME:
        return pa.timestamp("us", tz=column.timezone)
    return {
        Kind.INTEGER: pa.int64(), Kind.DECIMAL: pa.float64(), Kind.FLOAT: pa.float64(), Kind.BOOLEAN: pa.bool_(),
        Kind.TIME: pa.time64("us"), Kind.DURATION: pa.duration("us"),
    }.get(kind or Kind.CATEGORY, pa.string())  # fmt: skip


def storage_type(storage: Storage) -> pa.DataType:
    """The Arrow type of a storage type."""
    family, bits = storage.family, storage.bits
    if family is Family.INTEGER:
        return getattr(pa, f"{'' if storage.signed else 'u'}int{bits}")()
    if family is Family.FLOAT:
        return getattr(pa, f"float{bits}")()
    if family is Family.DECIMAL:
        return getattr(pa, f"decimal{bits}")(*storage.digits)
    if family is Family.CATEGORY:
        return pa.dictionary(pa.int32(), pa.string() if storage.inner is None else storage_type(storage.inner))
    if family is Family.TIMESTAMP:
        return pa.timestamp(storage.unit, tz=storage.zone)
    if family is Family.DATE:
        return pa.date32() if bits == 32 else pa.date64()
    if family is Family.TIME:
        return pa.time32(storage.unit) if bits == 32 else pa.time64(storage.unit)
    if family is Family.DURATION:
        return pa.duration(storage.unit)
    return pa.bool_() if family is Family.BOOLEAN else pa.large_string() if storage.large else pa.string()


def arrow_array(cells: Cells, column: Column, named: tuple[str, ...] = ()) -> pa.Array:
    """Cells as an Arrow array of ``arrow_type``.

    Args:
        cells: Numbers or texts, as their kind has them, shape (n,).
        column: Facts in force.
        named: All texts that a category may hold, where they are known.
    """
    target, kind = arrow_type(column), column.kind
    if pa.types.is_string(target) or pa.types.is_large_string(target) or pa.types.is_dictionary(target):
        texts = cells if cells.dtype == object and kind is not Kind.BOOLEAN else as_texts(cells, column)
        if pa.types.is_dictionary(target):
            return _dictionary(texts, target, named or column.categories or ())
        return pa.array(texts, type=target)
    if kind is Kind.BOOLEAN and not pa.types.is_boolean(target):
        cells = np.array([np.nan if c is None else float(c == "True") for c in cells])
    if cells.dtype == object:
        return cast_texts(cells, target)
    gone = np.isnan(cells)
    known = np.where(gone, 0.0, cells)
    if kind is Kind.DATETIME:
        return _stamps(cells, known, gone, column, target)
    if pa.types.is_time(target) or pa.types.is_duration(target):
        ticks = np.clip(np.rint(known * _TICKS[target.unit]), -_LARGEST_TICK, _LARGEST_TICK).astype(np.int64)
        return pa.array(ticks.astype(np.int32) if target.bit_width == 32 else ticks, mask=gone).cast(target)
    if pa.types.is_decimal(target):
        return _decimals(known, gone, target)
    if pa.types.is_integer(target):
        low, high = column.storage.whole_bounds() if column.storage is not None else (-(2**63), 2**63 - 1)
        whole = np.clip(np.rint(known), max(float(low), -_LARGEST_TICK), min(float(high), _LARGEST_TICK)).astype(np.int64)
        return pa.array(whole, mask=gone).cast(target)
    return pa.array(_narrow(known, column, target), type=target, mask=gone)


def _stamps(cells: Cells, known: Cells, gone: Cells, column: Column, target: pa.DataType) -> pa.Array:
    if pa.types.is_date(target):
        days = pa.array(np.floor(known / DAY_SECONDS).astype(np.int32), mask=gone).cast(pa.date32())
        return days.cast(target)
    if target.tz is None:
        unit = _TICKS[target.unit]
        ticks = np.clip(np.rint(known * 1e6) * (unit / 1e6), -_LARGEST_TICK, _LARGEST_TICK)
        return pa.array(np.rint(ticks).astype(np.int64), mask=gone).cast(target)
    aware = localized(cells, column.zone)
    return pa.array(aware.dt.tz_convert("UTC").dt.tz_localize(None), type=pa.timestamp("us"), from_pandas=True).cast(
        pa.timestamp(target.unit), safe=False
    ).cast(target)  # fmt: skip


def _decimals(known: Cells, gone: Cells, target: pa.DataType) -> pa.Array:
    largest = Decimal(10) ** (target.precision - target.scale) - Decimal(10) ** -target.scale
    found, place = np.unique(known, return_inverse=True)
    exact = [min(max(Decimal(f"{v:.{target.scale}f}"), -largest), largest) for v in found]
    return pa.array([None if g else exact[p] for p, g in zip(place, gone, strict=True)], type=target)


def _narrow(known: Cells, column: Column, target: pa.DataType) -> Cells:
    """Floats of the target's width that stay inside the bounds."""
    if target.bit_width == 64:
        return known
    kind = np.float32 if target.bit_width == 32 else np.float16
    out = np.clip(known, float(np.finfo(kind).min), float(np.finfo(kind).max)).astype(kind)
    if column.bounds is not None:
        low, high = column.numeric_bounds()
        out = np.where(out.astype(np.float64) > high, np.nextafter(out, kind(-np.inf)), out)
        out = np.where(out.astype(np.float64) < low, np.nextafter(out, kind(np.inf)), out)
    return out.astype(kind)


def _dictionary(cells: Cells, target: pa.DataType, named: tuple[str, ...]) -> pa.Array:
    values = list(dict.fromkeys([*named, *(c for c in dict.fromkeys(cells) if c is not None)]))
    place = {text: i for i, text in enumerate(values)}
    indices = pa.array([None if c is None else place[c] for c in cells], type=pa.int32())
    inner = pa.array(values, type=pa.string())
    if not pa.types.is_string(target.value_type):
        return cast_texts(cells, target.value_type).dictionary_encode()
    return pa.DictionaryArray.from_arrays(indices, inner)


def cast_texts(cells: Cells, target: pa.DataType) -> pa.Array:
    """Texts as another type, each by itself; missing where they are none of it."""
    if pa.types.is_string(target) or pa.types.is_large_string(target):
        return pa.array(cells, type=target)
    known: dict[str, Any] = {}
    for text in dict.fromkeys(c for c in cells if c is not None):
        try:
            known[text] = pa.scalar(text).cast(target).as_py()
        except (pa.ArrowException, ValueError, OverflowError):
            known[text] = None
    return pa.array([None if c is None else known[c] for c in cells], type=target)


def typed(cells: Any, column: Column, named: tuple[str, ...] = ()) -> pd.Series:
    """Cells as a pandas column: of the type the table had, or of one that goes with the kind.

    Args:
        cells: Numbers or texts, as their kind has them, shape (n,).
        column: Facts in force.
        named: All texts that a category may hold, where they are known.
    """
    cells = np.asarray(cells)
    storage, kind = column.storage, column.kind
    if storage is not None and not (storage.family is Family.TEXT and storage.flavour is Flavour.FILE):
        return _pandas(arrow_array(cells, column, named), column, storage, named)
    if kind is Kind.DATETIME and column.format is None and storage is None:
        stamps = localized(cells, column.zone)
        return stamps if _needs_microseconds(column) else stamps.dt.as_unit("ns")
    if kind is Kind.DURATION and storage is None:
        return pd.Series(arrow_array(cells, column).to_pandas()).astype("timedelta64[ns]")
    if kind is Kind.TIME and column.format is None and storage is None:
        return pd.Series(arrow_array(cells, column).to_pandas(), dtype=object)
    if storage is not None or (kind is not None and kind.is_temporal):
        return pd.Series(as_texts(cells, column), dtype=object)
    if kind is Kind.INTEGER:
        whole = pd.Series(cells).round()
        return whole.astype("Int64") if column.nullable else whole.astype("int64")
    if kind is Kind.BOOLEAN:
        flags = pd.Series(cells, dtype=object).map({"True": True, "False": False})
        return flags.astype("boolean") if column.nullable else flags.astype("bool")
    return pd.Series(cells).astype("float64") if kind is not None and kind.is_numeric else pd.Series(cells, dtype=object)


def _needs_microseconds(column: Column) -> bool:
    """Whether dates may lie beyond what nanoseconds hold."""
    low, high = column.numeric_bounds() if column.bounds is not None else (0.0, 0.0)
    return not (low > -9.2e9 and high < 9.2e9)


def _pandas(array: pa.Array, column: Column, storage: Storage, named: tuple[str, ...]) -> pd.Series:
    if storage.flavour is Flavour.ARROW:
        return pd.Series(pd.arrays.ArrowExtensionArray(array))
    if storage.family is Family.CATEGORY:
        return _categorical(array, column, storage, named)
    whole = storage.family in (Family.INTEGER, Family.BOOLEAN)
    if storage.flavour is Flavour.EXTENSION or (whole and (column.nullable or array.null_count)):
        return pd.Series(array.to_pandas(types_mapper=_EXTENSION.get))
    return pd.Series(array.to_pandas())


def _categorical(array: pa.Array, column: Column, storage: Storage, named: tuple[str, ...]) -> pd.Series:
    values = array.cast(array.type.value_type)
    domain: Any = list(named or column.categories or dict.fromkeys(v for v in values.to_pylist() if v is not None))
    if storage.inner is not None:
        inner = cast_texts(np.array(domain, dtype=object), storage_type(storage.inner)).drop_null()
        domain = list(dict.fromkeys(inner.to_pandas().tolist()))
        if storage.inner.family in (Family.INTEGER, Family.FLOAT):
            domain = np.array(domain, dtype=inner.type.to_pandas_dtype())
    ordered = column.kind is Kind.ORDINAL
    return pd.Series(pd.Categorical(values.to_pandas(integer_object_nulls=True), categories=domain, ordered=ordered))


def as_texts(cells: Cells, column: Column) -> Cells:
    """Cells as a text file has them, ``None`` where missing. Shape (n,)."""
    kind = column.kind
    if kind is Kind.BOOLEAN:
        spelled = column.categories or ("False", "True")
        return np.array([None if c is None else spelled[c == "True"] for c in cells], dtype=object)
    if cells.dtype == object:
        return cells
    if kind is Kind.DATETIME:
        return _spelled_stamps(cells, column)
    gone = np.isnan(cells)
    found, place = np.unique(np.where(gone, 0.0, cells), return_inverse=True)
    spell = _speller(column)
    texts = np.array([spell(v) for v in found.tolist()] or [""], dtype=object)
    return _with_gaps(texts[place.ravel()], gone)


def _with_gaps(texts: Cells, gone: Cells) -> Cells:
    out = np.array(texts, dtype=object)
    out[gone] = None
    return out


def _speller(column: Column) -> Callable[[float], str]:
    kind, storage = column.kind, column.storage
    if kind is Kind.INTEGER:
        return lambda v: str(round(v))
    if kind is Kind.TIME:
        return lambda v: _clock(v, column)
    if kind is Kind.DURATION:
        return lambda v: str(pd.Timedelta(np.timedelta64(round(v * 1e6), "us")))  # which reaches further than nanoseconds
    digits = storage.digits[1] if storage is not None and storage.family is Family.DECIMAL else column.precision
    if digits is not None:
        zero = f"{0:.{digits}f}"
        return lambda v: _marked(text if (text := f"{v:.{digits}f}") != f"-{zero}" else zero, column)
    if storage is not None and storage.family is Family.FLOAT and storage.bits < 64:
        narrow = np.float32 if storage.bits == 32 else np.float16
        return lambda v: _marked(str(narrow(v)), column)
    return lambda v: _marked(repr(v), column)


def _marked(text: str, column: Column) -> str:
    return text.replace(".", ",") if column.decimal_mark == "," else text


def _clock(value: float, column: Column) -> str:
    whole = min(max(round(value * 1e6), 0), 86_400 * 10**6 - 1)
    found = (pd.Timestamp(0) + timedelta(microseconds=whole)).time()
    if column.format is not None:
        return found.strftime(column.format)
    return _iso(found, column.grid)


def _iso(found: time, grid: float) -> str:
    unit = "minutes" if grid >= 60 else "seconds" if grid >= 1 else "milliseconds" if grid >= 1e-3 else "microseconds"
    return found.isoformat(timespec=unit)


def _spelled_stamps(cells: Cells, column: Column) -> Cells:
    stamps = localized(cells, column.zone)
    form = column.format
    if form is None:
        day = column.grid == DAY_SECONDS and column.zone is None
        clock = "" if day else "%H:%M:%S" if column.grid >= 1 else "%H:%M:%S.%f"
        form = f"%Y-%m-%d {clock}".strip()
    texts = stamps.dt.strftime(form).astype(object)
    if column.format is None and column.zone is not None:
        offsets = stamps.dt.strftime("%z").astype(object)
        texts = texts + offsets.str.replace(r"^([+-]\d\d)(\d\d)$", r"\1:\2", regex=True)
    return _with_gaps(texts.to_numpy(dtype=object), stamps.isna().to_numpy())
