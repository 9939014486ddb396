"""Databases by URL and query: DuckDB through its own driver, all others through SQLAlchemy (extra ``sql``).

Messages of databases quote values, so only the name of an error is passed on.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth.errors import InputError
from synth.reading.columnar import plain_field
from synth.reading.source import BATCH_ROWS, ReadOptions, Source, check_names, spell, text_batches, text_header

URL = re.compile(r"[a-z][a-z0-9+_.-]+://", re.IGNORECASE)
_FETCH = 10_000  # rows at once
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_POSTGRES = {  # object identifiers of types, fixed by PostgreSQL's catalogue
    16: pa.bool_(), 21: pa.int16(), 23: pa.int32(), 20: pa.int64(), 700: pa.float32(), 701: pa.float64(), 1082: pa.date32(),
    1083: pa.time64("us"), 1114: pa.timestamp("us"), 1184: pa.timestamp("us", tz="UTC"), 1186: pa.duration("us"),
}  # fmt: skip
_NUMERIC = 1700


def is_url(text: str) -> bool:
    """Whether a place is a database rather than a file."""
    return URL.match(text) is not None


def open_database(url: str, options: ReadOptions) -> Source:
    """The answer to a query.

    Args:
        url: Such as ``sqlite:///x.db``, ``duckdb:///x.duckdb`` or ``postgresql://user@host/name``.
        options: With the query.

    Raises:
        InputError: No query, no such database, or it does not answer.
    """
    if options.sql is None:
        raise InputError('a database needs a query: pass --sql "select * from patients"')
    if url.lower().startswith("duckdb:"):
        return _open_duckdb(url, options.sql)
    return _open_sqlalchemy(url, options.sql)


def duckdb_path(url: str) -> str:
    """The file of a DuckDB URL.

    Raises:
        InputError: It names none.
    """
    path = url.partition(":///")[2]
    if not path:
        raise InputError("a DuckDB database is named by its file: duckdb:///folder/name.duckdb")
    return path


def shown(url: str) -> str:
    """A URL without its password."""
    return re.sub(r"(://[^/@]*?:)[^@]*@", r"\1***@", url)


def failed(what: str, error: BaseException) -> InputError:
    """A sentence about an error of a database; names no value."""
    cause = getattr(error, "orig", None) or error
    return InputError(f"{what} ({type(cause).__name__}); try the address and the query in the database's own client")


def _open_duckdb(url: str, query: str) -> Source:
    import duckdb

    path = duckdb_path(url)
    if not Path(path).is_file():
        raise InputError(f"there is no file {path!r}; check the path")

    @contextlib.contextmanager
    def answer() -> Iterator[pa.RecordBatchReader]:
        try:
            with duckdb.connect(path, read_only=True) as connection:
                relation = connection.sql(query)
                if relation is None:
                    raise InputError("the query returns no rows; it must be a select")
                yield relation.to_arrow_reader(BATCH_ROWS)
        except (duckdb.Error, pa.ArrowException) as error:
            raise failed(f"the query on {Path(path).name} failed", error) from None

    with answer() as reader:
        header = pa.schema([plain_field(field, Path(path).name) for field in reader.schema])
    check_names(header.names, "the query's answer")

    def batches() -> Iterator[pa.RecordBatch]:
        with answer() as reader:
            for batch in reader:
                yield batch.cast(header)

    return Source(name=Path(path).name, header=header, typed=True, batches=batches)


def make_engine(url: str) -> Any:
    """An SQLAlchemy engine.

    Raises:
        InputError: SQLAlchemy or the driver is not installed, or the URL is none.
    """
    try:
        import sqlalchemy
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    except ImportError:
        raise InputError('databases need SQLAlchemy: pip install "synth-dp[sql]"') from None
    scheme, _, rest = url.partition("://")
    try:
        return sqlalchemy.create_engine(f"{_DRIVERS.get(scheme.lower(), scheme)}://{rest}")
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise InputError(
            f"{shown(url)!r} is no address of a database; write sqlite:///x.db, duckdb:///x.duckdb or postgresql://user@host/name"
        ) from None
    except ImportError as error:
        raise InputError(f"the driver {error.name!r} of {shown(url)!r} is not installed: pip install {error.name}") from None


def _open_sqlalchemy(url: str, query: str) -> Source:
    engine = make_engine(url)
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    if engine.dialect.name == "sqlite" and (file is None or not Path(file).is_file()):
        raise InputError(f"there is no file {str(file or '')!r}; check the path")
    name = shown(url)
    with _answer(engine, query, name, first=True) as result:
        header, typed = _header(result)
    check_names(header.names, "the query's answer")

    def rows() -> Iterator[Sequence[Any]]:
        with _answer(engine, query, name, first=False) as result:
            yield from result

    def batches() -> Iterator[pa.RecordBatch]:
        if not typed:
            return text_batches(([spell(cell) for cell in row] for row in rows()), header)
        return _typed_batches(rows(), header)

    return Source(name=name, header=header, typed=typed, batches=batches)


@contextlib.contextmanager
def _answer(engine: Any, query: str, name: str, *, first: bool) -> Iterator[Any]:
    """The running query; ``first`` asks for its header only."""
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = 1")
            chosen: dict[str, Any] = {"stream_results": True, "yield_per": 1 if first else _FETCH}
            if engine.dialect.name == "postgresql":
                chosen["postgresql_readonly"] = True
            plain = connection.execution_options(**chosen)
            result = plain.execute(sqlalchemy.text(query.replace(":", r"\:")))
            if not result.returns_rows:
                raise InputError("the query returns no rows; it must be a select")
            try:
                yield result
            finally:
                result.close()
    except SQLAlchemyError as error:
        raise failed(f"the query on {name} failed", error) from None
    finally:
        engine.dispose()


def _header(result: Any) -> tuple[pa.Schema, bool]:
    """Types of the answer, where the database gives them without looking at rows."""
    described = list(result.cursor.description)
    names = [str(column[0]) for column in described]
    if result.context.dialect.name != "postgresql":
        return text_header(names), False
    return pa.schema([pa.field(name, _postgres(c)) for name, c in zip(names, described, strict=True)]), True


def _postgres(column: Any) -> pa.DataType:
    code, digits, after = column[1], column[4], column[5]
    if code == _NUMERIC and digits and after is not None and 0 <= after <= digits <= 38:
        return pa.decimal128(digits, after)
    return _POSTGRES.get(code, pa.string())


def _typed_batches(rows: Iterator[Sequence[Any]], header: pa.Schema) -> Iterator[pa.RecordBatch]:
    kept: list[Sequence[Any]] = []
    for row in rows:
        kept.append(row)
        if len(kept) == BATCH_ROWS:
            yield _typed_batch(kept, header)
            kept = []
    if kept:
        yield _typed_batch(kept, header)


def _typed_batch(rows: list[Sequence[Any]], header: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for i, field in enumerate(header):
        cells = [row[i] for row in rows]
        if pa.types.is_string(field.type):
            cells = [spell(c) for c in cells]
        elif pa.types.is_decimal(field.type):  # which may be NaN or infinite in PostgreSQL, and no error hangs on a value
            cells = [c if c is not None and c.is_finite() else None for c in cells]
        arrays.append(pa.array(cells, type=field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=header)
