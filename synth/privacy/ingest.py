"""A file or frame into the vault. Text files are read as texts: the schema, not a guess about the rows, says what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synth.encoding.regenerate import check_providers
from synth.encoding.values import check_header, texts
from synth.entity import cap_of, learnt_schema, rows_name
from synth.errors import InputError, SchemaError
from synth.privacy.frame import PrivateFrame
from synth.privacy.lake import DATABASE, Lake, is_lake, open_lake
from synth.privacy.ledger import Ledger
from synth.privacy.parts import frame_part, lake_part
from synth.privacy.prepare import free_text
from synth.privacy.public import PublicRows, filled
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.readers import check_names, looks_like_data
from synth.privacy.rows import CountedRows, MemoryRows, Rows, StoredRows
from synth.privacy.scratch import Scratch
from synth.privacy.units import PrivacyUnits, exact_owners
from synth.progress import Progress
from synth.reading.database import is_url
from synth.reading.formats import open_source
from synth.reading.frames import Loaded, load_frame, load_source, with_storage
from synth.reading.objects import is_arrow_like, open_object
from synth.reading.source import ReadOptions
from synth.schema import Kind, Schema, undeclared


def read_rows(
    place: str | Path, schema: Schema | None, options: ReadOptions, progress: Progress, *, part: tuple[int, int] = (0, 1)
) -> Loaded | StoredRows:
    """A table into memory, or where it is a lake into a store on disk, chunk by chunk; see ``lake`` and ``load_table``.

    Args:
        place: A file, a pattern, a folder, a table of a DuckDB file, or the URL of a database.
        schema: Declared facts; columns that are made anew do not reach the store.
        options: How to read it.
        progress: Told that something goes on, not how many rows there are.
        part: Which of how many workers reads, from 0: it keeps its part of the rows, or of the entities. All must find rows in
            the same order, or one might count twice.
    """
    shared, url = part[1] > 1, is_url(str(place))
    if shared and (url or DATABASE in str(place)):
        raise InputError("the rows of a query may come in another order to each process; give a file, or fit in one process")
    if url or not is_lake(str(place)):
        loaded = load_table(place, options)
        if not shared:
            return loaded
        settled_schema([str(name) for name in loaded.frame.columns], schema)
        return replace(loaded, frame=frame_part(loaded.frame, schema, part))
    lake = open_lake(str(place), options)
    return store_rows(lake_part(lake, schema, part) if shared else lake, schema, progress)


def store_rows(lake: Lake, schema: Schema | None, progress: Progress, folder: Path | None = None) -> StoredRows:
    """Stream the columns that are learnt into a store on disk that goes with this process.

    Args:
        lake: All chunks, or the part of one worker.
        schema: Declared facts.
        progress: Told once a chunk that something goes on.
        folder: For the store; by default where ``TMPDIR`` says.

    Raises:
        InputError: The header does not match, a file cannot be read, or the disk is full.
    """
    learnt = _read_columns(settled_schema(list(lake.names), schema))
    rows = StoredRows(lake.names, learnt, Scratch(folder))
    for chunk in lake.chunks():
        rows.append(chunk.select(list(learnt)))
        progress.advance(0)  # something goes on; the number of chunks would tell that of the rows
    rows.finish()
    return rows


def read_table(place: str | Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> pd.DataFrame:
    """Read a whole table as a frame: see ``load_table``, without the facts that its types declare.

    Raises:
        InputError: See ``load_table``.
    """
    return load_table(place, ReadOptions(delimiter=delimiter, encoding=encoding)).frame


def load_table(data: Any, options: ReadOptions | None = None) -> Loaded:
    """Read a table of any format, with the facts that its types declare.

    Args:
        data: A file, the URL of a database, a pandas frame, or anything that hands out Arrow data (polars, Arrow, DuckDB).
        options: How a file or a database is read.

    Raises:
        InputError: It cannot be read as a table with unique column names. No rows are no error: that an empty
            table is empty, and one with a row is not, shows in the paid row count or not at all.
    """
    if isinstance(data, str | Path):
        source = open_source(data, options)
        if not source.typed:
            check_names(source.header.names, Path(source.name))
        return load_source(source)
    if isinstance(data, pd.DataFrame):
        if len(data.columns) == 0:
            raise InputError("the table has no columns")
        return load_frame(data)
    if is_arrow_like(data):
        return load_source(open_object(data))
    raise InputError(f"data must be a frame, an Arrow table, a path or a URL, not {type(data).__name__}")


def load_public(data: Any, options: ReadOptions | None = None) -> PublicRows:
    """Read public rows: a file, a frame or an Arrow table.

    Raises:
        InputError: It cannot be read, or has no rows.
    """
    frame = load_table(data, options).frame
    if not len(frame):
        raise InputError("the public table has no rows; leave it out")
    return PublicRows(frame.set_axis([str(name) for name in frame.columns], axis=1).reset_index(drop=True))


def open_frame(
    data: pd.DataFrame | Loaded | StoredRows,
    schema: Schema | None,
    ledger: Ledger,
    *,
    entropy: Entropy = os_entropy,
    public: PublicRows | None = None,
) -> PrivateFrame:
    """Put a table behind a ledger.

    Args:
        data: Raw rows; their header is public, and so are the types that came with a ``Loaded`` table.
        schema: Declared facts; ``None`` declares the header only. Where it names an entity, the rows that count are chosen
            here, before anything else looks at them, and the frame has the schema ``learnt_schema``.
        ledger: Of this run.
        entropy: Source of secret bytes.
        public: Rows that give facts which the schema leaves open.

    Raises:
        InputError: The header does not match, or the table asks for what is not supported.
    """
    held: Rows
    if isinstance(data, StoredRows):
        held, settled = data, settled_schema(list(data.header), schema)
    else:
        loaded = data if isinstance(data, Loaded) else Loaded(frame=data, dtypes={})
        names = [str(name) for name in loaded.frame.columns]
        settled = with_storage(settled_schema(names, schema), loaded)
        held = MemoryRows(loaded.frame.set_axis(names, axis=1)[list(_read_columns(settled))].reset_index(drop=True))
    if public is not None:
        settled = filled(settled, public)
        check_learnable(settled)
    if settled.entity is None:
        return PrivateFrame(held, settled, ledger, entropy)
    keys = np.concatenate([texts(part, settled.missing) for part in held.cells(settled.entity)])
    owner, counts = exact_owners(keys, cap_of(settled), entropy)
    counted, units = CountedRows(held, rows_name(settled), counts), PrivacyUnits(len(owner), owner, cap_of(settled))
    return PrivateFrame(counted, learnt_schema(settled), ledger, entropy, units, settled)


def header_of(data: Loaded | StoredRows) -> list[str]:
    """Names of a table's columns. Public."""
    return list(data.header) if isinstance(data, StoredRows) else [str(name) for name in data.frame.columns]


def _read_columns(schema: Schema) -> tuple[str, ...]:
    """Columns that are looked at: those that are learnt or checked, and the one that names the entity."""
    return tuple(c.name for c in schema.columns if c in schema.read_columns or c.name == schema.entity)


def settled_schema(names: list[str], schema: Schema | None) -> Schema:
    """The declared schema, or one that declares the header only.

    Raises:
        InputError: The header does not match it, or it asks for what is not supported.
    """
    if schema is None:
        if len(set(names)) < len(names):
            check_header(names, undeclared(tuple(dict.fromkeys(names))))
        bare = next((i for i, name in enumerate(names) if looks_like_data(name)), None)
        if bare is not None:
            raise InputError(
                f"the name of column {bare + 1} reads as a value: if the table lacks a header line, add one; if it is a name "
                "indeed, declare it in a schema"
            )
        schema = undeclared(tuple(names))
    check_header(names, schema)
    check_learnable(learnt_schema(schema))
    return schema


def check_learnable(schema: Schema) -> None:
    """Refuse what no model can learn, before anything is spent.

    Raises:
        SchemaError: Free text, nothing to learn at all, or values that cannot be made.
    """
    text = next((c.name for c in schema.columns if c.kind is Kind.TEXT), None)
    if text is not None:
        raise SchemaError(free_text(text))
    if not schema.modelled:
        raise SchemaError("all columns are identifiers or personal data, so there is nothing to learn; add other columns")
    if schema.target is not None and schema.target not in {c.name for c in schema.read_columns}:
        raise SchemaError(
            f"the target {schema.target!r} is made anew for each row, so nothing predicts it; name another target"
        )
    check_providers(schema)
