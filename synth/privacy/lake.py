"""Tables that are read once, chunk by chunk: many files, folders, hive partitions, tables of a DuckDB database.

How rows are spread over files, and the names of files and of partition folders, depend on the rows: no message quotes them
beyond a file's own name.
"""

from __future__ import annotations

import glob
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from synth.errors import InputError
from synth.privacy.readers import check_names, csv_options, plain_table, read_header, suffix_of, text_fault
from synth.reading.text import DELIMITERS

CHUNK = 1 << 18  # rows at a time
LARGE = 1 << 28  # bytes of a single text file from which on it is not read at once
DATABASE = "::"  # between the file of a database and the name of a table
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read text files.

    Attributes:
        delimiter: By default a comma, a tab for ``.tsv``.
        encoding: Of the text.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"

    def delimiter_of(self, path: Path) -> str:
        """The delimiter in force for a file."""
        return self.delimiter if self.delimiter is not None else DELIMITERS.get(suffix_of(path), ",")


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
        return path.is_dir() or (path.stat().st_size > LARGE and suffix_of(path) in DELIMITERS)
    return glob.has_magic(source)


def open_lake(source: str, reading: Reading) -> Lake:
    """Find the pieces of a table and read its header.

    Args:
        source: A pattern such as ``lake/**/*.parquet`` or ``data-*.csv.gz``; a folder, whose files are taken whatever
            its depth; or ``file.duckdb::table``. Folders named ``key=value`` become columns.
        reading: How to read text files.

    Raises:
        InputError: Nothing there, or files that do not make one table.
    """
    if DATABASE in source:
        return _database(*source.split(DATABASE, 1))
    root, files = _files(source)
    found = [_piece(file, root, reading) for file in files]
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
        found = [p for p in found if suffix_of(p) in (*PARQUET, *DELIMITERS)]
    else:
        root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
        found = sorted(Path(p) for p in glob.glob(source, recursive=True) if Path(p).is_file())
    if not found and path.is_dir():
        raise InputError(f"the directory {source!r} holds no .parquet or .csv file")
    if not found:
        raise InputError(f"no .parquet or .csv file matches {source!r}; quote a pattern so that the shell leaves it alone")
    return root, found


def _piece(path: Path, root: Path, reading: Reading) -> Lake:
    suffix = suffix_of(path)
    if suffix in PARQUET:
        piece = _parquet(path)
    elif suffix in DELIMITERS or not suffix:
        piece = _text(path, reading)
    else:
        raise InputError(f"files of type {suffix!r} are not read in pieces; use .csv, .tsv (also .gz) or .parquet")
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


def _parquet(path: Path) -> Lake:
    try:
        schema = pyarrow.parquet.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path.name} is not a readable Parquet file: {type(error).__name__}") from None
    check_names(list(schema.names), path)
    texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]

    def chunks() -> Iterator[pa.Table]:
        try:
            with pyarrow.parquet.ParquetFile(path, read_dictionary=texts) as file:
                for batch in file.iter_batches(batch_size=CHUNK):
                    yield plain_table(pa.Table.from_batches([batch]), path.name)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path.name} is not a readable Parquet file: {type(error).__name__}") from None

    return Lake(tuple(schema.names), chunks)


def _text(path: Path, reading: Reading) -> Lake:
    delimiter = reading.delimiter_of(path)
    names = read_header(path, delimiter, reading.encoding)

    def chunks() -> Iterator[pa.Table]:
        first, held = True, []
        try:
            with pyarrow.csv.open_csv(path, **csv_options(names, delimiter, reading.encoding)) as file:
                for batch in file:
                    held.append(batch.slice(1) if first else batch)
                    first = first and batch.num_rows == 0
                    if sum(b.num_rows for b in held) >= CHUNK:
                        yield _joined(held)
                        held = []
        except (OSError, UnicodeError, pa.ArrowException) as error:
            raise text_fault(error, path.name, reading.encoding) from None
        if held:
            yield _joined(held)

    return Lake(tuple(names), chunks)


def _joined(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches).unify_dictionaries()


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
