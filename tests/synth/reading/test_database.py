"""Databases by URL and query, each read through its driver; no message quotes a value or a password."""

import sqlite3
import sys
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from synth.errors import InputError
from synth.reading.database import _typed_batch, is_url, open_database, shown
from synth.reading.source import ReadOptions

sqlalchemy = pytest.importorskip("sqlalchemy")
SECRET = "SECRET-4711"


def ask(url, sql):
    return open_database(url, ReadOptions(sql=sql))


@pytest.fixture
def lite(tmp_path):
    file = sqlite3.connect(tmp_path / "a.db")
    with file:
        file.execute("create table t (n integer, x real, s text, b blob)")
        file.executemany("insert into t values (?, ?, ?, ?)", [(1, 2.0, "a:b", b"x"), (None, 0.1, None, None)])
    file.close()
    return f"sqlite:///{tmp_path}/a.db"


def test_sqlite_cells_are_texts_each_by_itself(lite):
    source = ask(lite, "select *, 'a:b' as k from t where s = 'a:b' or s is null")
    assert not source.typed
    assert source.table().to_pylist() == [
        {"n": "1", "x": "2", "s": "a:b", "b": None, "k": "a:b"},
        {"n": None, "x": "0.1", "s": None, "b": None, "k": "a:b"},
    ]
    assert source.table() == source.table()


def test_duckdb_keeps_types(tmp_path):
    with duckdb.connect(str(tmp_path / "a.duckdb")) as file:
        file.execute("create table t as select 1::tinyint n, 1.5::decimal(6,2) d, date '2020-01-31' as d2, 'x' as s")
    source = ask(f"duckdb:///{tmp_path}/a.duckdb", "select * from t")
    assert source.typed
    assert [str(f.type) for f in source.header] == ["int8", "decimal128(6, 2)", "date32[day]", "string"]
    assert source.table().num_rows == 1


CREATE = (
    "create table t (a smallint, b bigint, c real, d numeric(8,2), e boolean, f date, g time, h timestamptz, i interval,"
    " j text, k uuid, l numeric)"
)
INSERT = (
    "insert into t select n, n, 0.5, 1.10, true, '2020-01-31', '08:30', '2020-01-31 12:00+01', '1 day', 'x:y',"
    " '00000000-0000-0000-0000-000000000001', 1.5 from generate_series(1, 5) n"
)


def test_postgresql_keeps_types_and_changes_nothing(postgres):
    engine = sqlalchemy.create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for sql in (CREATE, INSERT, "insert into t default values"):
            connection.exec_driver_sql(sql)
    engine.dispose()
    source = ask(postgres, "select * from t order by a")
    assert source.typed
    assert [str(f.type) for f in source.header] == [
        "int16", "int64", "float", "decimal128(8, 2)", "bool", "date32[day]", "time64[us]", "timestamp[us, tz=UTC]",
        "duration[us]", "string", "string", "string",
    ]  # fmt: skip
    table = source.table()
    assert table.num_rows == 6
    assert [table.column(i).null_count for i in range(12)] == [1] * 12
    assert str(table["d"][0]) == "1.10"
    for sql in (f"insert into t (j) values ('{SECRET}')", f"select '{SECRET}'::int", "select * from nothing", "selec"):
        with pytest.raises(InputError, match=r"\*\*\*@/postgres.* failed \(|returns no rows") as caught:
            ask(postgres, sql).table()
        assert SECRET not in str(caught.value)
        assert "secret@" not in str(caught.value)
    assert ask(postgres, "select count(*) n from t").table().to_pylist() == [{"n": 6}]


@pytest.mark.parametrize(
    ("url", "sql", "match"),
    [
        ("sqlite:///{}/a.db", None, "pass --sql"),
        ("sqlite:///{}/none.db", "select 1", "no file"),
        ("sqlite://", "select 1", "no file"),
        ("duckdb:///{}/none.duckdb", "select 1", "no file"),
        ("duckdb://", "select 1", "named by its file"),
        ("sqlite:///{}/a.db", f"select '{SECRET}' from nothing", r"failed \(OperationalError\)"),
        ("sqlite:///{}/a.db", "delete from t", "failed|returns no rows"),
        ("sqlite:///{}/a.db", "select n, n from t", "two columns of one name"),
        ("nope:///x", "select 1", "is no address of a database"),
        ("oracle+oracledb://u:pw@h/x", "select 1", "is not installed"),
    ],
)
def test_refusals(lite, tmp_path, url, sql, match):
    with pytest.raises(InputError, match=match) as caught:
        ask(url.format(tmp_path), sql)
    assert SECRET not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_a_damaged_duckdb_file_is_refused(tmp_path):
    (tmp_path / "a.duckdb").write_bytes(SECRET.encode() * 1000)
    with pytest.raises(InputError, match="failed") as caught:
        ask(f"duckdb:///{tmp_path}/a.duckdb", "select 1")
    assert SECRET not in str(caught.value)


def test_without_the_library_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(InputError, match=r"synth-dp\[sql\]"):
        ask("sqlite:///x.db", "select 1")


def test_urls_and_passwords():
    assert is_url("postgresql://u:p@h/d")
    assert not is_url("C:\\x.csv")
    assert not is_url("data/x.csv")
    assert shown("postgresql://u:p:q@h/d") == "postgresql://u:***@h/d"
    assert shown("sqlite:///a.db") == "sqlite:///a.db"


def test_a_decimal_that_is_no_number_is_a_gap():
    """PostgreSQL has NaN and infinity in numeric columns; an error would tell that some row holds one."""
    cells = [Decimal("1.50"), None, Decimal("NaN"), Decimal("-Infinity")]
    batch = _typed_batch([(cell, "x") for cell in cells], pa.schema([("d", pa.decimal128(6, 2)), ("s", pa.string())]))
    assert batch.column("d").to_pylist() == [Decimal("1.50"), None, None, None]
