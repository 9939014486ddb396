"""Parquet and Arrow files, with their types."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from synth.errors import InputError
from synth.reading.source import BATCH_ROWS, Source

PARQUET, ARROW = (".parquet", ".pq"), (".feather", ".arrow", ".ipc")
_FAULTS = (OSError, pa.ArrowException, ValueError)


def open_parquet(path: Path) -> Source:
    """A Parquet file.

    Raises:
        InputError: It is none, or holds what is no cell.
    """
    header = _guarded(path, "Parquet", lambda: pyarrow.parquet.read_schema(path))

    def batches(names: list[str]) -> Iterator[pa.RecordBatch]:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=names)

    return _source(path, header, "Parquet", batches)


def open_arrow(path: Path) -> Source:
    """A Feather (version 2) or Arrow IPC file, of the random-access or of the streaming kind.

    Raises:
        InputError: It is none, or holds what is no cell.
    """

    def header() -> pa.Schema:
        with pa.memory_map(str(path)) as file:
            return _reader(file).schema

    def batches(names: list[str]) -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(path)) as file:
            reader = _reader(file)
            whole = isinstance(reader, pa.ipc.RecordBatchFileReader)
            every = (reader.get_batch(i) for i in range(reader.num_record_batches)) if whole else iter(reader)
            for batch in every:
                yield batch.select(names)

    return _source(path, _guarded(path, "Arrow", header), "Arrow", batches)


def _reader(file: Any) -> Any:
    try:
        return pa.ipc.open_file(file)
    except pa.ArrowInvalid:
        file.seek(0)
        return pa.ipc.open_stream(file)


def _guarded(path: Path, format_name: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except _FAULTS as error:
        raise InputError(f"{path.name} is not a readable {format_name} file: {type(error).__name__}") from None


def _source(path: Path, stored: pa.Schema, format_name: str, read: Callable[[list[str]], Iterator[pa.RecordBatch]]) -> Source:
    names, index = index_first(stored)
    header = pa.schema([plain_field(stored.field(name), path.name) for name in names])

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in read(names):
                yield pa.RecordBatch.from_arrays([batch.column(name) for name in names], schema=header)
        except _FAULTS as error:
            raise InputError(f"{path.name} is not a readable {format_name} file: {type(error).__name__}") from None

    return Source(name=path.name, header=header, typed=True, batches=batches, index=index)


def index_first(stored: pa.Schema) -> tuple[list[str], tuple[str, ...]]:
    """Column names with a pandas index in front, and the index. An index without a name numbers rows: it is left out."""
    try:
        found = json.loads((stored.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    except (ValueError, AttributeError):
        found = []
    kept = [name for name in found if isinstance(name, str) and stored.get_field_index(name) >= 0]
    index = tuple(name for name in kept if not name.startswith("__index_level_"))
    return [*index, *(name for name in stored.names if name not in kept)], index


def plain_field(field: pa.Field, where: str) -> pa.Field:
    """A field without metadata.

    Raises:
        InputError: It holds lists, structs or bytes.
    """
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if (
        pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    ):
        raise InputError(f"column {field.name!r} of {where} holds lists, structs or bytes; flatten or drop it")
    return pa.field(field.name, field.type, nullable=field.nullable)
