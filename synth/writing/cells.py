"""Blocks of synthetic rows as cells that every format starts from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd
import pyarrow as pa

from synth.encoding.codec import Codec, category_texts
from synth.encoding.coded import AnyCells, Coded, Growing, as_dictionary, by_place, in_arrow, passes_unchanged
from synth.encoding.present import Cells, arrow_type, typed
from synth.encoding.values import numbers
from synth.schema import Column, Schema

Block = Mapping[str, AnyCells]
BY_PLACE = pa.dictionary(pa.int32(), pa.string())


def block_cells(frame: pd.DataFrame, schema: Schema) -> Block:
    """Numbers or texts of each column of a sampled block."""
    return {c.name: _cells(frame[c.name], c) for c in schema.columns}


def plain_cells(cells: Mapping[str, AnyCells], codec: Codec) -> dict[str, AnyCells]:
    """The same of decoded cells of some columns that no frame was made of."""
    return {name: _as_from_a_frame(values, codec.schema[name], codec) for name, values in cells.items()}


def _as_from_a_frame(cells: AnyCells, column: Column, codec: Codec) -> AnyCells:
    if passes_unchanged(column):
        return cells
    each = cells.cells() if isinstance(cells, Coded) else cells
    return _cells(typed(each, column, codec.named(column.name)), column)


def _cells(series: pd.Series, column: Column) -> Cells:
    if column.kind is not None and column.kind.is_numeric:
        return numbers(series, column, ())
    if pd.api.types.infer_dtype(series, skipna=True) == "string":  # each text is looked at once
        place, found = pd.factorize(series)
        once: Cells = category_texts(pd.Series([*found, None], dtype=object), column, ())
        return once[place]
    texts: Cells = category_texts(series, column, ())
    return texts


def arrow_header(schema: Schema) -> pa.Schema:
    """Names and types of a release; with the index, as pandas reads it."""
    fields = [pa.field(c.name, arrow_type(c), nullable=c.nullable or _loose(c)) for c in schema.columns]
    header = pa.schema(fields)
    if not schema.index_columns:
        return header
    empty = header.empty_table().to_pandas().set_index(list(schema.index_columns))
    metadata = pa.Schema.from_pandas(empty).metadata
    return header.with_metadata({b"pandas": metadata[b"pandas"]})


def _loose(column: Column) -> bool:
    """Whether a column that is declared full may still hold a gap, as a category without values does."""
    return column.kind is None or not (column.kind.is_numeric or column.kind.is_regenerated)


def arrow_batches(blocks: Iterable[Block], schema: Schema, header: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Blocks in the types of a header; dictionaries keep one order over all blocks."""
    kinds = {c.name: header.field(c.name).type for c in schema.columns}
    growing = {c.name: Growing(c) for c in schema.columns if pa.types.is_dictionary(arrow_type(c))}
    for block in blocks:
        arrays = []
        for column in schema.columns:
            cells, kind = block[column.name], kinds[column.name]
            if column.name in growing:
                made = growing[column.name].of(cells if isinstance(cells, Coded) else by_place(cells))
            elif isinstance(cells, Coded) and kind == BY_PLACE:
                made = as_dictionary(cells, column)
            else:
                made = in_arrow(cells, column)
            arrays.append(made.cast(kind))
        yield pa.RecordBatch.from_arrays(arrays, schema=header)
