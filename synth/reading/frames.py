"""Sources as pandas frames, and what their types declare."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from synth.errors import SchemaError
from synth.kinds import Kind, Outside
from synth.reading.source import Source
from synth.reading.times import with_plain_times
from synth.schema import Column, Schema
from synth.storage import Family, Storage, parse_storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A table in memory and the public facts that came with it.

    Attributes:
        frame: Raw rows, the columns of an index in front. Private.
        dtypes: Storage type by column, for those columns that have one worth keeping.
        full: Columns that cannot hold a missing value.
        index: Leading columns that are the index of a frame.
    """

    frame: pd.DataFrame
    dtypes: dict[str, str]
    full: frozenset[str] = frozenset()
    index: tuple[str, ...] = ()


def load_source(source: Source) -> Loaded:
    """Read a source as a whole."""
    table = source.table()
    if not source.typed:
        return Loaded(frame=table.to_pandas(strings_to_categorical=True), dtypes={})
    frame = with_plain_times(table).to_pandas(ignore_metadata=True, integer_object_nulls=True)
    frame.columns = frame.columns.astype(str)
    return Loaded(frame=frame, **header_facts(source.header), index=source.index)


def header_facts(header: pa.Schema) -> dict[str, Any]:
    """``dtypes`` and ``full`` of an Arrow header."""
    spelled = {field.name: _arrow_dtype(field.type) for field in header}
    return {
        "dtypes": {name: dtype for name, dtype in spelled.items() if dtype is not None},
        "full": frozenset(field.name for field in header if not field.nullable),
    }


def _arrow_dtype(kind: pa.DataType) -> str | None:
    if pa.types.is_dictionary(kind):
        inner = _arrow_dtype(kind.value_type)
        text = "category" if inner in (None, "text", "large_string") else f"category[{inner}]"
    else:
        text = str(kind)
    text = "text" if text in ("string", "string_view") else text
    return text if _is_known(text) else None


def _is_known(text: str) -> bool:
    try:
        parse_storage(text)
    except SchemaError:
        return False
    return True


def load_frame(data: pd.DataFrame) -> Loaded:
    """A pandas frame as it is. Levels of a named index become its first columns; an index without names numbers rows."""
    named = [i for i, name in enumerate(data.index.names) if name is not None]
    index: tuple[str, ...] = ()
    if named and len(named) == data.index.nlevels:
        index = tuple(str(name) for name in data.index.names)
        data = data.reset_index()
    dtypes, full = {}, set()
    for i, name in enumerate(map(str, data.columns)):
        dtype = data.dtypes.iloc[i]
        text = _pandas_dtype(dtype)
        if text is not None and _is_known(text):
            dtypes[name] = text
            if isinstance(dtype, np.dtype) and dtype.kind in "biu":
                full.add(name)
    return Loaded(frame=data, dtypes=dtypes, full=frozenset(full), index=index)


def _pandas_dtype(dtype: Any) -> str | None:
    if isinstance(dtype, pd.CategoricalDtype):
        inner = str(dtype.categories.dtype)
        return "category" if inner in ("object", "string", "str") else f"category[{inner}]"
    return str(dtype)


_KINDS = {
    Family.INTEGER: Kind.INTEGER,
    Family.BOOLEAN: Kind.BOOLEAN,
    Family.TIMESTAMP: Kind.DATETIME,
    Family.DATE: Kind.DATETIME,
    Family.TIME: Kind.TIME,
    Family.DURATION: Kind.DURATION,
    Family.CATEGORY: Kind.CATEGORY,
}


def with_storage(schema: Schema, loaded: Loaded) -> Schema:
    """The schema with what the table's types declare, where it says nothing itself.

    Raises:
        SchemaError: A declared kind that the table's type cannot hold.
    """
    index = schema.index_columns or tuple(name for name in loaded.index if name in schema.names[: len(loaded.index)])
    return replace(schema, columns=tuple(_typed(c, loaded) for c in schema.columns), index_columns=index)


def _typed(column: Column, loaded: Loaded) -> Column:
    dtype = loaded.dtypes.get(column.name)
    if dtype is not None and column.dtype is None:
        column = _with_dtype(column, parse_storage(dtype))
    numeric = column.kind is not None and column.kind.is_numeric and column.policy is Outside.CLIP
    if column.name in loaded.full and (numeric or column.kind is Kind.BOOLEAN):
        return replace(column, nullable=False)
    return column


def _with_dtype(column: Column, storage: Storage) -> Column:
    if column.kind is not None:
        return replace(column, dtype=storage.text)
    kind, outside = _KINDS.get(storage.family), column.outside
    if storage.family is Family.DECIMAL:
        kind = Kind.DECIMAL if storage.digits[1] <= 12 else Kind.FLOAT
    if kind in (Kind.CATEGORY, Kind.BOOLEAN) and outside is Outside.CLIP:
        outside = None
    if kind is not None and kind is not Kind.CATEGORY and outside is Outside.OTHER:
        outside = None
    precision = storage.digits[1] if kind is Kind.DECIMAL else None
    return replace(column, kind=kind, dtype=storage.text, outside=outside, precision=precision)
