"""Rows into a new table of a database: all or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth.encoding.coded import spelled
from synth.errors import InputError
from synth.reading.database import duckdb_path, failed, make_engine, shown
from synth.schema import Kind, Schema
from synth.writing.cells import Block, arrow_batches, arrow_header


def write_table(blocks: Iterable[Block], schema: Schema, url: str, table: str, *, force: bool) -> None:
    """Make a table.

    Args:
        blocks: Its rows.
        schema: Names and types.
        url: Of the database, as for reading.
        table: Its name; ``force`` replaces one of that name.
        force: See there.

    Raises:
        InputError: A table in the way, or the database refuses.
    """
    if not re.fullmatch(r"\w{1,60}", table):
        raise InputError(f"the table {table!r} needs a plain name: letters, digits and underscores")
    if url.lower().startswith("duckdb:"):
        _write_duckdb(blocks, schema, duckdb_path(url), table, force=force)
    else:
        _write_sqlalchemy(blocks, schema, url, table, force=force)


def _taken(table: str) -> InputError:
    return InputError(f"the database already has a table {table!r}; choose another name with --table or pass --force")


def _write_duckdb(blocks: Iterable[Block], schema: Schema, path: str, table: str, *, force: bool) -> None:
    import duckdb

    header, stopped = arrow_header(schema).remove_metadata(), list[BaseException]()

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from arrow_batches(blocks, schema, header)
        except BaseException as error:  # DuckDB would replace it by one of its own
            stopped.append(error)
            raise

    try:
        with duckdb.connect(path) as connection:
            connection.begin()
            known = "select count(*) from duckdb_tables() where table_name = ?"
            if not force and connection.execute(known, [table]).fetchall()[0][0]:
                raise _taken(table)
            rows = pa.RecordBatchReader.from_batches(header, batches())
            connection.register("synthetic_rows", rows)
            connection.execute(f'create or replace table "{table}" as select * from synthetic_rows')
            connection.commit()
    except duckdb.Error as error:
        if stopped and not isinstance(stopped[0], GeneratorExit):
            raise stopped[0] from None
        raise failed(f"cannot write to {Path(path).name}", error) from None


def _write_sqlalchemy(blocks: Iterable[Block], schema: Schema, url: str, table: str, *, force: bool) -> None:
    engine = make_engine(url)
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    plain = engine.dialect.name != "postgresql"
    header = arrow_header(schema)
    columns = [sqlalchemy.Column(f.name, _sql_type(sqlalchemy, f.type, plain=plain)) for f in header]
    made = sqlalchemy.Table(table, sqlalchemy.MetaData(), *columns)
    try:
        if not force and sqlalchemy.inspect(engine).has_table(table):
            raise _taken(table)
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")  # its driver would end the transaction at every new table
            made.drop(connection, checkfirst=True)
            made.create(connection)
            for rows in _records(blocks, schema, header, plain=plain):
                connection.execute(made.insert(), rows)
    except SQLAlchemyError as error:
        raise failed(f"cannot write to {shown(url)}", error) from None
    finally:
        engine.dispose()


def _records(blocks: Iterable[Block], schema: Schema, header: pa.Schema, *, plain: bool) -> Iterator[list[dict[str, Any]]]:
    texts = {
        c.name for c in schema.columns if plain and (c.kind is Kind.DURATION or pa.types.is_decimal(header.field(c.name).type))
    }
    for block in blocks:
        (batch,) = arrow_batches([block], schema, header)
        columns = {
            c.name: spelled(block[c.name], c).tolist() if c.name in texts else batch.column(c.name).to_pylist()
            for c in schema.columns
        }
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if rows:
            yield rows


def _sql_type(sql: Any, kind: pa.DataType, *, plain: bool) -> Any:
    """A column type; ``plain`` databases have no type for decimals and durations that keeps them whole."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_integer(kind):
        small = kind.bit_width <= 16 and kind != pa.uint16()
        return sql.SmallInteger() if small else sql.Integer() if kind in (pa.int32(), pa.uint16()) else sql.BigInteger()
    if pa.types.is_decimal(kind):
        return sql.Text() if plain else sql.Numeric(kind.precision, kind.scale)
    if pa.types.is_floating(kind):
        return sql.Double() if kind.bit_width == 64 else sql.REAL()
    if pa.types.is_timestamp(kind):
        return sql.DateTime(timezone=kind.tz is not None)
    if pa.types.is_duration(kind):
        return sql.Text() if plain else sql.Interval()
    if pa.types.is_date(kind):
        return sql.Date()
    if pa.types.is_time(kind):
        return sql.Time()
    return sql.Boolean() if pa.types.is_boolean(kind) else sql.Text()
