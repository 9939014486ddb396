"""One file from blocks of rows: text, JSON lines, Parquet, Arrow, workbooks."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from synth.encoding.coded import AnyCells, Coded, by_value, spelled
from synth.encoding.present import Cells, as_texts
from synth.reading import columnar, excel, jsonlines
from synth.reading.compression import SUFFIXES as PACKED
from synth.reading.compression import create_compressed, split_suffixes
from synth.reading.text import DELIMITERS
from synth.schema import Column, Kind, Schema
from synth.writing.cells import BY_PLACE, Block, arrow_batches, arrow_header

MANY = 4096  # cells that show whether a column's numbers mostly differ
Write = Callable[[Iterable[Block], Schema, Path], None]

SUFFIXES = (
    *(s + p for s in DELIMITERS for p in ("", *PACKED)), *(s + p for s in (".jsonl", ".ndjson") for p in ("", *PACKED)),
    *columnar.PARQUET, *columnar.ARROW, ".xlsx",
)  # fmt: skip
SHOWN = ".csv, .tsv, .jsonl (also .gz, .bz2, .xz, .zst), .parquet, .feather, .arrow, .xlsx"


def writer_of(name: str) -> Write | None:
    """How a file of that name is written; ``None`` for no known format."""
    suffix, packed = split_suffixes(name)
    if suffix + packed not in SUFFIXES:
        return None
    if suffix in DELIMITERS:
        return lambda blocks, schema, path: write_text(blocks, schema, path, DELIMITERS[suffix], packed)
    if suffix in jsonlines.SUFFIXES:
        return lambda blocks, schema, path: write_jsonlines(blocks, schema, path, packed)
    if suffix in columnar.PARQUET:
        return write_parquet
    return write_excel if suffix in excel.SUFFIXES else write_arrow


def write_text(blocks: Iterable[Block], schema: Schema, path: Path, delimiter: str, packed: str) -> None:
    """Texts between delimiters, quoted where they must be; a gap is the first text that means "missing"."""
    gap = schema.missing[0] if schema.missing else ""
    with create_compressed(path, packed) as raw:
        raw.write(_lines([schema.names], delimiter))
        for block in blocks:
            columns = [spelled(block[c.name], c, gap) for c in schema.columns]
            raw.write(_lines(zip(*columns, strict=True), delimiter))


def _lines(rows: Iterable[Iterable[Any]], delimiter: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def write_jsonlines(blocks: Iterable[Block], schema: Schema, path: Path, packed: str) -> None:
    """An object per line; numbers with the digits that the column has."""
    keys = [json.dumps(name, ensure_ascii=False) + ": " for name in schema.names]
    with create_compressed(path, packed) as raw:
        for block in blocks:
            columns = [by_value(block[c.name], partial(_members, key, c)) for key, c in zip(keys, schema.columns, strict=True)]
            raw.write("".join(f"{{{', '.join(row)}}}\n" for row in zip(*columns, strict=True)).encode())


def _members(key: str, column: Column, cells: Cells) -> Cells:
    """``"name": value`` of each cell."""
    texts = as_texts(cells, column)
    number = column.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT) and column.decimal_mark != ","
    flag = column.kind is Kind.BOOLEAN and column.categories is None
    plain = number or flag
    spelled = ("null" if t is None else t.lower() if plain else json.dumps(t, ensure_ascii=False) for t in texts)
    return np.array([key + text for text in spelled] or [], dtype=object)


def write_parquet(blocks: Iterable[Block], schema: Schema, path: Path) -> None:
    """Parquet with the table's types.

    Texts that the first block has by place go to the file as they are in its pages: by place. The types that readers see are
    those of ``arrow_header`` in any case. Columns of many different numbers are written without a dictionary, which is smaller.
    """
    blocks = iter(blocks)
    first = next(blocks, None)
    header = arrow_header(schema)
    cells = {} if first is None else first
    placed = {
        c.name for c in schema.columns if isinstance(cells.get(c.name), Coded) and header.field(c.name).type == pa.string()
    }
    inside = pa.schema([f.with_type(BY_PLACE) if f.name in placed else f for f in header], header.metadata)
    seen = {**(header.metadata or {}), b"ARROW:schema": b64encode(header.serialize().to_pybytes())}
    dictionaries = [name for name in schema.names if not _differ(cells.get(name))]
    with pyarrow.parquet.ParquetWriter(path, inside, store_schema=False, use_dictionary=dictionaries) as writer:
        for batch in arrow_batches(blocks if first is None else chain([first], blocks), schema, inside):
            writer.write_batch(batch)
        writer.add_key_value_metadata(seen)


def _differ(cells: AnyCells | None) -> bool:
    """Whether most of the first cells are numbers of their own."""
    few = None if cells is None or isinstance(cells, Coded) or cells.dtype == object else cells[:MANY]
    return few is not None and len(few) == MANY and len(np.unique(few)) > MANY // 2


def write_arrow(blocks: Iterable[Block], schema: Schema, path: Path) -> None:
    """Arrow IPC, which is Feather version 2."""
    header = arrow_header(schema)
    options = pa.ipc.IpcWriteOptions(unify_dictionaries=False, emit_dictionary_deltas=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, header, options=options) as writer:
        for batch in arrow_batches(blocks, schema, header):
            writer.write_batch(batch)


def write_excel(blocks: Iterable[Block], schema: Schema, path: Path) -> None:
    """One sheet; times with a zone and durations as texts, which workbooks have no cells for."""
    book = excel.load_openpyxl().Workbook(write_only=True)
    sheet = book.create_sheet(schema.name[:31])
    sheet.append(list(schema.names))
    header = arrow_header(schema)
    texts = {c.name for c in schema.columns if c.zone is not None or c.kind is Kind.DURATION or c.format is not None}
    for block in blocks:
        (batch,) = arrow_batches([block], schema, header)
        columns = [
            spelled(block[c.name], c).tolist() if c.name in texts else batch.column(c.name).to_pylist() for c in schema.columns
        ]
        for row in zip(*columns, strict=True):
            sheet.append(row)
    book.save(path)
