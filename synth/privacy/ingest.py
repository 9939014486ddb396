"""A file or frame into the vault. Text files are read as texts: the schema, not a guess about the rows, says what they are.

Parsers quote the offending line in their errors, so none of their messages is passed on.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from synth.encoding.regenerate import check_providers
from synth.encoding.values import check_header
from synth.errors import InputError, SchemaError
from synth.privacy.frame import PrivateFrame
from synth.privacy.lake import PARQUET, Lake, Reading, is_lake, open_lake
from synth.privacy.ledger import Ledger
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.readers import DELIMITERS, csv_options, looks_like_data, plain_table, read_header, suffix_of, text_fault
from synth.privacy.rows import StoredRows
from synth.privacy.scratch import Scratch
from synth.progress import Progress
from synth.schema import Kind, Schema, undeclared


def read_rows(
    source: str, schema: Schema | None, *, delimiter: str | None, encoding: str, progress: Progress
) -> pd.DataFrame | StoredRows:
    """A table into memory, or where it is a lake into a store on disk, chunk by chunk; see ``lake`` and ``read_table``.

    Args:
        source: A file, a pattern, a folder, or a table of a database.
        schema: Declared facts; columns that are made anew do not reach the store.
        delimiter: Of text files.
        encoding: Of text files.
        progress: Told that something goes on, not how many rows there are.
    """
    if not is_lake(source):
        return read_table(Path(source), delimiter=delimiter, encoding=encoding)
    return store_rows(open_lake(source, Reading(delimiter=delimiter, encoding=encoding)), schema, progress)


def store_rows(lake: Lake, schema: Schema | None, progress: Progress, folder: Path | None = None) -> StoredRows:
    """Stream the columns that are learnt into a store on disk that goes with this process.

    Args:
        lake: All chunks, or the part of one worker.
        schema: Declared facts.
        progress: Advanced once a chunk.
        folder: For the store; by default where ``TMPDIR`` says.

    Raises:
        InputError: The header does not match, a file cannot be read, or the disk is full.
    """
    learnt = settled_schema(list(lake.names), schema).only_modelled().names
    rows = StoredRows(lake.names, learnt, Scratch(folder))
    for chunk in lake.chunks():
        rows.append(chunk.select(list(learnt)))
        progress.advance()
    rows.finish()
    return rows


def read_table(path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> pd.DataFrame:
    """Read a whole table: CSV or TSV (also gzipped) as texts, Parquet with its types.

    Args:
        path: The file; its suffix says the format.
        delimiter: Of a text file; by default a comma, a tab for ``.tsv``.
        encoding: Of a text file.

    Raises:
        InputError: The file cannot be read as a table with unique column names. No rows are no error: that an empty
            table is empty, and one with a row is not, shows in the paid row count or not at all.
    """
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a directory; name the file in it")
    if not path.exists():
        raise InputError(f"there is no file {str(path)!r}; check the path")
    suffix = suffix_of(path)
    if suffix in PARQUET:
        frame = _read_parquet(path)
    elif suffix in DELIMITERS or not suffix:
        frame = _read_text(path, delimiter if delimiter is not None else DELIMITERS.get(suffix, ","), encoding)
    else:
        raise InputError(f"files of type {suffix!r} are not read; use .csv, .tsv (also .gz) or .parquet")
    return frame


def _read_text(path: Path, delimiter: str, encoding: str) -> pd.DataFrame:
    if len(delimiter) != 1:  # before the header is looked at
        raise InputError(f"a delimiter is one character, not {delimiter!r}")
    options = csv_options(read_header(path, delimiter, encoding), delimiter, encoding)
    try:
        table = pyarrow.csv.read_csv(path, **options)
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise text_fault(error, path.name, encoding) from None
    frame: pd.DataFrame = table.slice(1).to_pandas()
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pyarrow.parquet.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path.name} is not a readable Parquet file: {type(error).__name__}") from None
    plain = plain_table(table, path.name)
    frame: pd.DataFrame = plain.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    frame.columns = frame.columns.astype(str)
    return frame


def open_frame(
    rows: pd.DataFrame | StoredRows, schema: Schema | None, ledger: Ledger, *, entropy: Entropy = os_entropy
) -> PrivateFrame:
    """Put rows behind a ledger.

    Args:
        rows: Raw rows; their header is public.
        schema: Declared facts; ``None`` declares the header only.
        ledger: Of this run.
        entropy: Source of secret bytes.

    Raises:
        InputError: The header does not match, or the table asks for what is not supported.
    """
    names = list(rows.header) if isinstance(rows, StoredRows) else [str(name) for name in rows.columns]
    settled = settled_schema(names, schema)
    if isinstance(rows, StoredRows):
        return PrivateFrame(rows, settled, ledger, entropy)
    renamed = rows.set_axis(names, axis=1)[[c.name for c in settled.modelled]].reset_index(drop=True)
    return PrivateFrame(renamed, settled, ledger, entropy)


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
    if schema.entity is not None:
        raise InputError(
            f"the schema declares the entity column {schema.entity!r}, but this version protects single rows only; "
            "keep one row per person and take 'entity' out of the schema"
        )
    check_learnable(schema)
    return schema


def check_learnable(schema: Schema) -> None:
    """Refuse what no model can learn, before anything is spent.

    Raises:
        SchemaError: Free text, nothing to learn at all, or values that cannot be made.
    """
    text = next((c.name for c in schema.columns if c.kind is Kind.TEXT), None)
    if text is not None:
        raise SchemaError(
            f"column {text!r} is free text, which cannot be learnt privately: drop it, or declare it as kind pii (made by "
            "Faker), identifier (made from a pattern) or category (values that many rows share)"
        )
    if not schema.modelled:
        raise SchemaError("all columns are identifiers or personal data, so there is nothing to learn; add other columns")
    if schema.target is not None and schema.target not in {c.name for c in schema.modelled}:
        raise SchemaError(
            f"the target {schema.target!r} is made anew for each row, so nothing predicts it; name another target"
        )
    check_providers(schema)
