"""Tables that are read once, chunk by chunk: many files, folders, hive partitions, tables of a DuckDB database.

How rows are spread over files, and the names of files and of partition folders, depend on the rows: no message quotes them
beyond a file's own name.
"""

from __future__ import annotations

import glob
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synth.errors import InputError
from synth.privacy.readers import check_names, plain_table
from synth.reading.columnar import PARQUET
from synth.reading.compression import split_suffixes
from synth.reading.formats import open_source
from synth.reading.source import ReadOptions
from synth.reading.text import DELIMITERS

CHUNK = 1 << 18  # rows at a time
LARGE = 1 << 28  # bytes of a single text file from which on it is not read at once
DATABASE = "::"  # between the file of a database and the name of a table


@dataclass(frozen=True, slots=True)
class Lake:
    """A table in pieces.

    Attributes:
        names: Header. Public.
        chunks: Start reading; yields tables with exactly these columns, in this order, with plain types.
    """

    names: tuple[str, ...]
    chunks: Callable[[], Iterator[pa.Table]]


def is_lake(source: str) -> bool:
    """Whether a source is read in chunks: a pattern, a folder, a table of a database, or a large text file.

    A single Parquet file is not, however large: types that come with it are public facts when it is read at once and are not
    when it is read in chunks, so its size, which the rows decide, would show in the release.
    """
    if DATABASE in source:
        return True
    path = Path(source)
    if path.exists():
        return path.is_dir() or (path.stat().st_size > LARGE and split_suffixes(path.name)[0] in DELIMITERS)
    return glob.has_magic(source)


def open_lake(source: str, options: ReadOptions) -> Lake:
    """Find the pieces of a table and read its header.

    Args:
        source: A pattern such as ``lake/**/*.parquet`` or ``data-*.csv.gz``; a folder, whose files are taken whatever
            its depth; or ``file.duckdb::table``. Folders named ``key=value`` become columns.
        options: How to read text files.

    Raises:
        InputError: Nothing there, or files that do not make one table.
    """
    if DATABASE in source:
        return _database(*source.split(DATABASE, 1))
    root, files = _files(source)
    found = [_piece(file, root, options) for file in files]
    names = found[0].names
    for piece in found:
        if sorted(piece.names) != sorted(names):
            raise InputError("the files do not have the same columns, so they are not one table; name those that are")

    def chunks() -> Iterator[pa.Table]:
        for piece in found:
            for table in piece.chunks():
                yield table.select(list(names))

    return Lake(names, chunks)


def table_files(source: str) -> list[Path]:
    """The files that hold a table, in the order they are read in."""
    return [Path(source)] if Path(source).is_file() or not is_lake(source) else _files(source)[1]


def _files(source: str) -> tuple[Path, list[Path]]:
    """Root below which folders may be partitions, and the files in a fixed order."""
    path = Path(source)
    if path.is_dir():
        root, found = path, sorted(p for p in path.rglob("*") if p.is_file())
        found = [p for p in found if not any(part.startswith((".", "_")) for part in p.relative_to(path).parts)]
        found = [p for p in found if _is_piece(p)]
    else:
        root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
        found = sorted(Path(p) for p in glob.glob(source, recursive=True) if Path(p).is_file())
    if not found and path.is_dir():
        raise InputError(f"the directory {source!r} holds no .parquet or .csv file")
    if not found:
        raise InputError(f"no .parquet or .csv file matches {source!r}; quote a pattern so that the shell leaves it alone")
    return root, found


def _is_piece(path: Path) -> bool:
    suffix, packed = split_suffixes(path.name)
    return suffix in DELIMITERS or (not packed and suffix in PARQUET)


def _piece(path: Path, root: Path, options: ReadOptions) -> Lake:
    suffix, packed = split_suffixes(path.name)
    if suffix and not _is_piece(path):
        raise InputError(
            f"files of type {suffix + packed!r} are not read in pieces; use .csv, .tsv (also .gz, .bz2, .xz, .zst) or .parquet"
        )
    piece = _file(path, options)
    keys = _partition(path, root)
    if not keys:
        return piece
    names = (*piece.names, *(key for key in keys if key not in piece.names))

    def chunks() -> Iterator[pa.Table]:
        for table in piece.chunks():
            for key, value in keys.items():
                if key not in piece.names:
                    table = table.append_column(key, _repeated(value, table.num_rows))
            yield table

    return Lake(names, chunks)


def _repeated(value: str | None, rows: int) -> pa.Array:
    cell = pa.array([value], pa.string()).dictionary_encode()
    return cell.take(pa.array(np.zeros(rows, dtype=np.int32)))


def _partition(path: Path, root: Path) -> dict[str, str | None]:
    """Columns that the folders between root and file stand for."""
    pairs = (part.partition("=") for part in path.relative_to(root).parts[:-1])
    return {key: None if value == "__HIVE_DEFAULT_PARTITION__" else value for key, equals, value in pairs if equals and key}


def _file(path: Path, options: ReadOptions) -> Lake:
    source = open_source(path, replace(options, sql=None, sheet=None))
    check_names(list(source.header.names), path)

    def chunks() -> Iterator[pa.Table]:
        held: list[pa.RecordBatch] = []
        for batch in source.batches():
            held.append(batch)
            if sum(b.num_rows for b in held) >= CHUNK:
                yield _joined(held, path.name)
                held = []
        if held:
            yield _joined(held, path.name)

    return Lake(tuple(source.header.names), chunks)


def _joined(batches: list[pa.RecordBatch], name: str) -> pa.Table:
    return plain_table(pa.Table.from_batches(batches), name).unify_dictionaries()


def _database(file: str, table: str) -> Lake:
    """A table or view of a DuckDB file, which is opened for reading only."""
    try:
        import duckdb
    except ImportError:
        raise InputError("reading a DuckDB table needs another package: pip install duckdb") from None
    path = Path(file)
    if not path.is_file():
        raise InputError(f"there is no file {file!r}; check the path")
    query = "SELECT * FROM " + ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
    settings: dict[str, Any] = {"enable_external_access": "false"}

    def opened() -> Any:
        return duckdb.connect(str(path), read_only=True, config=settings).sql(query)

    try:
        names = tuple(str(name) for name in opened().columns)
    except duckdb.Error as error:
        raise InputError(f"cannot read table {table!r} of {path.name}: {type(error).__name__}; check both names") from None
    check_names(list(names), path)

    def chunks() -> Iterator[pa.Table]:
        try:
            for batch in opened().to_arrow_reader(CHUNK):
                yield plain_table(pa.Table.from_batches([batch]), path.name)
        except (duckdb.Error, pa.ArrowException) as error:
            raise InputError(f"cannot read table {table!r} of {path.name}: {type(error).__name__}") from None

    return Lake(names, chunks)
