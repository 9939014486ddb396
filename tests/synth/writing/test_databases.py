"""Rows into databases: in types where they have them, all or nothing."""

import sqlite3

import duckdb
import pandas as pd
import pytest

from synth.errors import InputError
from synth.reading.database import open_database
from synth.reading.source import ReadOptions
from synth.schema import Column, Kind, Schema
from synth.writing.cells import block_cells
from synth.writing.databases import write_table

pytest.importorskip("sqlalchemy")

SCHEMA = Schema(
    columns=(
        Column(name="n", kind=Kind.INTEGER, dtype="int16"),
        Column(name="pay", kind=Kind.DECIMAL, precision=2, dtype="decimal128(8, 2)"),
        Column(name="x", kind=Kind.FLOAT, dtype="float32"),
        Column(name="flag", kind=Kind.BOOLEAN),
        Column(name="town", kind=Kind.CATEGORY, dtype="category"),
        Column(name="day", kind=Kind.DATETIME, dtype="date32"),
        Column(name="at", kind=Kind.DATETIME, dtype="timestamp[us, tz=UTC]"),
        Column(name="clock", kind=Kind.TIME),
        Column(name="stay", kind=Kind.DURATION),
    )
)
ROWS = [
    ["-3", "12.50", "0.5", "True", "Ulm", "2020-01-31", "2020-07-01 12:00:00+00:00", "08:30:00", "1 days 00:00:05"],
    [None] * 9,
]


def blocks():
    yield block_cells(pd.DataFrame(ROWS, columns=list(SCHEMA.names)), SCHEMA)


def stopped():
    yield from blocks()
    raise KeyboardInterrupt


def read(url):
    return open_database(url, ReadOptions(sql="select * from made"))


def check(url):
    write_table(blocks(), SCHEMA, url, "made", force=False)
    source = read(url)
    table = source.table()
    assert table.num_rows == 2
    assert [table.column(i).null_count for i in range(9)] == [1] * 9
    with pytest.raises(InputError, match="already has a table 'made'"):
        write_table(blocks(), SCHEMA, url, "made", force=False)
    with pytest.raises(KeyboardInterrupt):
        write_table(stopped(), SCHEMA, url, "made", force=True)
    assert read(url).table() == table
    write_table(blocks(), SCHEMA, url, "made", force=True)
    assert read(url).table() == table
    return source


def test_sqlite(tmp_path):
    source = check(f"sqlite:///{tmp_path}/a.db")
    first = source.table().to_pylist()[0]
    assert (first["n"], first["pay"], first["day"], first["stay"]) == ("-3", "12.50", "2020-01-31", "1 days 00:00:05")


def test_duckdb(tmp_path):
    source = check(f"duckdb:///{tmp_path}/a.duckdb")
    types = [str(f.type) for f in source.header]
    assert types[:4] == ["int16", "decimal128(8, 2)", "float", "bool"]
    assert types[5] == "date32[day]"


def test_postgresql(postgres):
    types = [str(f.type) for f in check(postgres).header]
    assert types == [
        "int16", "decimal128(8, 2)", "float", "bool", "string", "date32[day]", "timestamp[us, tz=UTC]", "time64[us]",
        "duration[us]",
    ]  # fmt: skip


def test_refusals(tmp_path):
    with pytest.raises(InputError, match="needs a plain name"):
        write_table(blocks(), SCHEMA, f"sqlite:///{tmp_path}/a.db", "a; drop table b", force=False)
    (tmp_path / "a.duckdb").write_bytes(b"x" * 5000)
    (tmp_path / "a.db").write_bytes(b"x" * 5000)
    for url in (f"duckdb:///{tmp_path}/a.duckdb", f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/none/a.db"):
        with pytest.raises(InputError, match="cannot write to"):
            write_table(blocks(), SCHEMA, url, "made", force=True)


def test_other_tables_are_left_alone(tmp_path):
    file = sqlite3.connect(tmp_path / "a.db")
    with file:
        file.execute("create table other (a)")
    file.close()
    write_table(blocks(), SCHEMA, f"sqlite:///{tmp_path}/a.db", "made", force=True)
    file = sqlite3.connect(tmp_path / "a.db")
    assert file.execute("select name from sqlite_master order by name").fetchall() == [("made",), ("other",)]
    file.close()
    assert duckdb.__version__
