"""Many files as one table: each row once, whatever the layout; nothing that depends on rows is quoted."""

import lzma
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from synth.errors import InputError
from synth.privacy import lake
from synth.privacy.lake import is_lake, open_lake
from synth.reading.source import ReadOptions

ROWS = pd.DataFrame({"n": range(10), "t": list("abcdefghij")})
SECRET = "SECRET-4711"


def write(folder, name, frame):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


def read(source, **options):
    found = open_lake(str(source), ReadOptions(**options))
    return found, pd.concat([c.to_pandas().astype(object) for c in found.chunks()], ignore_index=True)


def test_patterns_and_folders_are_one_table(tmp_path):
    write(tmp_path, "a.parquet", ROWS[:4])
    write(tmp_path, "sub/b.csv", ROWS[4:7][["t", "n"]])
    write(tmp_path, "sub/deep/c.parquet", ROWS[7:])
    write(tmp_path, "_temporary/x.csv", ROWS)
    (tmp_path / "notes.md").write_text(SECRET)
    for source in (tmp_path, tmp_path / "**" / "[a-c].*"):
        found, frame = read(source)
        assert found.names == ("n", "t")
        assert frame["t"].tolist() == list("abcdefghij")
        assert frame["n"].astype(int).tolist() == list(range(10))
    assert read(tmp_path / "sub" / "*.csv", delimiter=",")[1]["t"].tolist() == list("efg")


def test_partition_folders_become_columns(tmp_path):
    write(tmp_path, "year=2019/town=u/a.parquet", ROWS[:4])
    write(tmp_path, "year=2020/town=__HIVE_DEFAULT_PARTITION__/b.csv", ROWS[4:])
    for source in (tmp_path, tmp_path / "year=*" / "*" / "*"):
        found, frame = read(source)
        assert found.names == ("n", "t", "year", "town")
        assert frame["year"].tolist() == ["2019"] * 4 + ["2020"] * 6
        assert frame["town"].where(frame["town"].notna(), None).tolist() == ["u"] * 4 + [None] * 6
    write(tmp_path / "own", "n=9/a.parquet", ROWS)
    assert read(tmp_path / "own")[1]["n"].tolist() == list(range(10))  # the file's own column stands


def test_the_files_of_a_table(tmp_path):
    a, b = write(tmp_path, "a.parquet", ROWS), write(tmp_path, "b.csv", ROWS)
    assert lake.table_files(str(tmp_path)) == lake.table_files(f"{tmp_path}/*") == [a, b]
    assert lake.table_files(str(a)) == [a]
    assert lake.table_files(str(tmp_path / "none.csv")) == [tmp_path / "none.csv"]


def test_text_files_are_read_in_chunks_without_their_header(tmp_path, monkeypatch):
    monkeypatch.setattr("synth.reading.text.BLOCK_BYTES", 64)
    monkeypatch.setattr(lake, "CHUNK", 20)
    frame = pd.DataFrame({"t": [f"value {i}" for i in range(100)], "n": range(100)})
    path = write(tmp_path, "a.csv", frame)
    chunks = list(open_lake(str(path), ReadOptions()).chunks())
    assert len(chunks) > 2
    assert [t for c in chunks for t in c["t"].to_pylist()] == list(frame["t"])
    (tmp_path / "empty.csv").write_text("x,y\n")
    assert sum(c.num_rows for c in open_lake(str(tmp_path / "empty.csv"), ReadOptions()).chunks()) == 0


def test_tables_of_a_database(tmp_path, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "db.duckdb"
    with duckdb.connect(str(path)) as base:
        base.execute("CREATE TABLE visits AS SELECT i AS n, 'x' || i AS t, DATE '2020-01-01' AS d FROM range(10) s(i)")
        base.execute("CREATE SCHEMA s; CREATE VIEW s.v AS SELECT n FROM visits WHERE n < 3")
        base.execute("CREATE TABLE odd AS SELECT [1, 2] AS l")
    assert is_lake(f"{path}::visits")
    found, frame = read(f"{path}::visits")
    assert found.names == ("n", "t", "d")
    assert frame["t"].tolist() == [f"x{i}" for i in range(10)]
    assert len(read(f"{path}::s.v")[1]) == 3
    for source, match in ((f"{path}::none", "check both names"), (f"{tmp_path / 'no'}::t", "there is no file"), (
        f'{path}::visits"; DROP TABLE visits; --', "check both names")):  # fmt: skip
        with pytest.raises(InputError, match=match):
            open_lake(source, ReadOptions())
    with pytest.raises(InputError, match="holds lists"):
        read(f"{path}::odd")

    opened = open_lake(f"{path}::visits", ReadOptions())
    path.write_bytes(b"")
    with pytest.raises(InputError, match="cannot read table"):
        list(opened.chunks())
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match="pip install duckdb"):
        open_lake(f"{path}::visits", ReadOptions())


@pytest.mark.parametrize(("source", "match"), [("*.parquet", "quote a pattern"), ("", "directory .* holds no")])
def test_nothing_there_is_a_sentence(tmp_path, source, match):
    with pytest.raises(InputError, match=match):
        open_lake(str(tmp_path / source), ReadOptions())


def test_what_is_a_lake(tmp_path, monkeypatch):
    path = write(tmp_path, "a[1].csv", ROWS)
    assert not is_lake(str(path))
    assert not is_lake(str(tmp_path / "none.csv"))
    assert is_lake(str(tmp_path))
    assert is_lake(str(tmp_path / "*.csv"))
    monkeypatch.setattr(lake, "LARGE", 10)
    assert is_lake(str(path))


def test_files_that_make_no_table_are_refused_without_quoting(tmp_path):
    write(tmp_path, "a.csv", ROWS)
    write(tmp_path, f"{SECRET}=1/b.csv", ROWS.rename(columns={"n": SECRET}))
    with pytest.raises(InputError, match="do not have the same columns") as caught:
        open_lake(str(tmp_path), ReadOptions())
    assert SECRET not in str(caught.value)
    (tmp_path / "bad").mkdir()
    for name, content, match in (
        ("a.parquet", SECRET, "not a readable Parquet"),
        ("a.xlsx", SECRET, "files of type '.xlsx'"),
    ):
        (tmp_path / "bad" / name).write_text(content)
        with pytest.raises(InputError, match=match) as caught:
            open_lake(str(tmp_path / "bad" / "*"), ReadOptions())
        (tmp_path / "bad" / name).unlink()
    for content in (f"x,y\n1,{SECRET},3\n", b"x,y\n1,\xe9" + SECRET.encode() + b"\n"):
        path = tmp_path / "bad" / "a.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(InputError, match=r"a\.csv") as caught:
            read(tmp_path / "bad" / "*.csv")
        assert SECRET not in str(caught.value)


def test_a_broken_file_in_the_middle_is_a_sentence(tmp_path):
    path = write(tmp_path, "a.parquet", ROWS)
    opened = open_lake(str(tmp_path), ReadOptions())
    pyarrow.parquet.write_table(pa.table({"other": [1]}), path)
    with pytest.raises((InputError, KeyError)):
        list(opened.chunks())
    path.write_bytes(b"SECRET")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        list(opened.chunks())


def test_pieces_are_read_as_files_are(tmp_path):
    (tmp_path / "a.csv").write_text("n;t\n1;'x;y'\n")
    with lzma.open(tmp_path / "b.csv.xz", "wt") as file:
        file.write("t;n\nz;2\n")
    found, frame = read(tmp_path, delimiter=";", quote="'")
    assert found.names == ("n", "t")
    assert frame.to_numpy().tolist() == [["1", "x;y"], ["2", "z"]]
    write(tmp_path / "own", "a.parquet", ROWS).rename(tmp_path / "own" / "a.parquet.gz")
    with pytest.raises(InputError, match=r"files of type '\.parquet\.gz'"):
        open_lake(str(tmp_path / "own" / "*"), ReadOptions())
