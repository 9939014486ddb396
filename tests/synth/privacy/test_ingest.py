"""Files into the vault, and refusals that never quote a line."""

import gzip

import numpy as np
import pandas as pd
import pytest

from synth.errors import InputError
from synth.privacy import lake
from synth.privacy.budget import Budget
from synth.privacy.ingest import open_frame, read_rows, read_table
from synth.privacy.ledger import Ledger
from synth.privacy.prepare import prepare
from synth.progress import Silent
from synth.reading.frames import Loaded
from synth.reading.source import MAX_COLUMNS, ReadOptions
from synth.reading.text import read_header
from synth.schema import Column, Kind, Schema

SECRET = "SECRET-4711"


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", "x,y\n1,u\n2,\n", {}),
        ("a.CSV", "x,y\r\n1,u\r\n2,\r\n", {}),
        ("a.v2.csv", "x,y\n1,u\n2,", {}),
        ("a.tsv", "x\ty\n1\tu\n2\t\n", {}),
        ("a.txt", "x;y\n1;u\n2;\n", {"delimiter": ";"}),
        ("a", '"x","y"\n"1","u"\n2,""\n', {}),
        ("a.csv", "\ufeffx,y\n1,u\n2,\n", {}),
        ("a.csv.gz", gzip.compress(b"x,y\n1,u\n2,\n", mtime=0), {}),
        ("a.csv", "x,y\n1,u\n2,\n".encode("utf-16"), {"encoding": "utf-16"}),
    ],
)
def test_text_tables_are_read_as_texts(tmp_path, name, content, options):
    frame = read_table(write(tmp_path / name, content), **options)
    assert frame.astype(object).to_dict("list") == {"x": ["1", "2"], "y": ["u", ""]}


def test_quoted_newlines_delimiters_and_other_alphabets(tmp_path):
    frame = read_table(write(tmp_path / "a.csv", 'x,y\n"a\nb, ""c""",é\n'))
    assert frame.iloc[0].tolist() == ['a\nb, "c"', "é"]
    frame = read_table(write(tmp_path / "a.csv", "x,y\né,ü\n".encode("latin-1")), encoding="latin-1")
    assert frame.iloc[0].tolist() == ["é", "ü"]


@pytest.mark.parametrize(
    ("name", "content", "options", "match"),
    [
        ("a.csv", "", {}, "is empty"),
        ("a.csv", "\n", {}, "is empty"),
        ("a.csv", f"x;y\n1;{SECRET}\n", {}, "pass --delimiter ';'"),
        ("a.csv", f"x\ty\n1\t{SECRET}\n", {}, "in its name; pass --delimiter"),
        ("a.csv", f"x,x\n1,{SECRET}\n", {}, "two columns named 'x'"),
        ("a.csv", f"x,\n1,{SECRET}\n", {}, "column 2 of a.csv has no name"),
        ("a.csv", f"x,y\n1,{SECRET},3\n", {}, "another number of fields"),
        ("a.csv", f"x,y\n{SECRET}\n", {}, "another number of fields"),
        ("a.csv", f"x,y\n1,{SECRET}é\n".encode("latin-1"), {}, "not text in encoding"),
        ("a.csv", b"x\xe9,y\n1,2\n", {}, "not text in encoding"),
        ("a.csv", f"x,y\n1,{SECRET}".encode() + b"\n" * 3 + b"1,2\n" * 9000 + b"\xe9,2\n", {}, "not text in encoding"),
        ("a.csv", "x,y\n1,2\n", {"encoding": "klingon"}, "not text in encoding"),
        ("a.csv", "x,y\n1,2\n", {"delimiter": ",,"}, "one character"),
        ("a.csv", "x,y\n1,2\n", {"delimiter": "\n"}, "--delimiter"),
        ("a.csv", b"PAR1\0\0,\0\n1,2\n", {}, "not a text table"),
        ("a.csv.gz", f"x,y\n1,{SECRET}\n", {}, "cannot read"),
        (
            "a.csv.gz",
            gzip.compress(b"x,y\n" + np.random.default_rng(1).bytes(9000).hex().encode(), mtime=0)[:-600],
            {},
            "cannot read",
        ),
        ("a.xls", SECRET, {}, "files of type '.xls'"),
        ("a.xlsx", SECRET, {}, "not a readable workbook"),
        ("a.parquet", SECRET, {}, "not a readable Parquet file"),
        ("a.csv", ",".join(f"c{i}" for i in range(MAX_COLUMNS + 1)) + "\n", {}, "columns; at most"),
    ],
)
def test_refusals_name_the_fault_but_never_a_line(tmp_path, name, content, options, match):
    with pytest.raises(InputError, match=match) as caught:
        read_table(write(tmp_path / name, content), **options)
    assert SECRET not in str(caught.value)


def test_missing_files_and_directories(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="no file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot read"):
        read_header(tmp_path / "none.csv", ",", "utf-8")


def test_a_single_column_needs_no_delimiter(tmp_path):
    assert read_table(write(tmp_path / "a.csv", "x\n1\n2\n"))["x"].tolist() == ["1", "2"]


def test_files_that_vanish_or_overflow_while_read(tmp_path, monkeypatch):
    import pyarrow.csv

    def fails(*args, **kwargs):
        raise OSError(SECRET)

    path = write(tmp_path / "a.csv", "x,y\n1,2\n")
    monkeypatch.setattr(pyarrow.csv, "read_csv", fails)
    with pytest.raises(InputError, match=r"cannot read a\.csv: OSError"):
        read_table(path)


def test_parquet_keeps_types_and_refuses_nested_ones(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": ["u", None], "c": pd.to_datetime(["2020-01-01", None])})
    frame.to_parquet(tmp_path / "a.parquet")
    found = read_table(tmp_path / "a.parquet")
    assert [t.kind for t in found.dtypes] == ["i", "O", "M"]
    pd.testing.assert_frame_equal(found.astype({"b": "string"}), frame.astype({"b": "string"}), check_dtype=False)
    for cell in ([1, 2], {"k": 1}, b"x"):
        pd.DataFrame({"a": [cell]}).to_parquet(tmp_path / "b.parquet")
        with pytest.raises(InputError, match=r"column 'a' of b\.parquet holds lists, structs or bytes"):
            read_table(tmp_path / "b.parquet")


def opened(frame, schema=None):
    return open_frame(frame, schema, Ledger(Budget(epsilon=1.0)))


def test_columns_are_put_in_schema_order_and_the_callers_frame_is_left_alone():
    frame = pd.DataFrame({"2": [SECRET], "1": [3]}, index=[5])
    private = opened(frame, Schema(columns=(Column(name="1"), Column(name="2"))))
    assert private._PrivateFrame__rows.names == ("1", "2")
    assert list(frame.columns) == ["2", "1"]
    assert opened(frame.rename(columns={"2": "b", "1": "a"})).schema.names == ("b", "a")


@pytest.mark.parametrize("first", ["37", "2020-01-31", "NA", "-1.5e3"])
def test_a_first_line_that_reads_as_data_is_neither_a_header_nor_quoted(tmp_path, first):
    (tmp_path / "a.csv").write_text(f"{SECRET},{first}\n1,2\n")
    with pytest.raises(InputError, match="column 2 reads as a value") as caught:
        opened(read_table(tmp_path / "a.csv"))
    assert first not in str(caught.value)
    (tmp_path / "b.csv").write_text(f"{first},{first}\n1,2\n")
    with pytest.raises(InputError, match="columns 1 and 2 with one name") as caught:
        read_table(tmp_path / "b.csv")
    assert first not in str(caught.value)


def test_no_rows_are_no_error_here_since_one_row_would_be_none(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n")
    assert len(read_table(tmp_path / "a.csv")) == 0


@pytest.mark.parametrize(
    ("frame", "schema", "match"),
    [
        (pd.DataFrame(np.ones((1, 2)), columns=["a", "a"]), None, "two columns named 'a'"),
        (pd.DataFrame(np.ones((1, 2)), columns=["a", "b"]), Schema(columns=(Column(name="a"),)), "does not mention"),
    ],
)
def test_headers_and_unsupported_promises_are_refused(frame, schema, match):
    with pytest.raises(InputError, match=match) as caught:
        opened(frame, schema)
    assert SECRET not in str(caught.value)


class Counted(Silent):
    def __init__(self):
        self.chunks = self.steps = 0

    def advance(self, steps=1):
        self.chunks += 1
        self.steps += steps


def test_a_lake_gives_the_answers_of_the_whole_table(tmp_path, keystream, monkeypatch):
    """Chunks of seven rows of many files, and one frame: the same noisy answers under the same noise, the same codes."""
    rng = np.random.default_rng(0)
    n = 60
    frame = pd.DataFrame({
        "number": rng.normal(0, 50, n).round(1), "town": rng.choice(["u", "v", "w w"], n), "id": np.arange(n).astype(str),
        "day": pd.date_range("2020-01-01", periods=n).strftime("%Y-%m-%d"), "flag": rng.random(n) < 0.3,
    })  # fmt: skip
    frame.loc[::9, "number"] = np.nan
    frame.loc[::7, "town"] = None
    (tmp_path / "lake" / "sub").mkdir(parents=True)
    frame[:20].to_parquet(tmp_path / "lake" / "a.parquet")
    frame[20:33].to_csv(tmp_path / "lake" / "b.csv.gz", index=False)
    frame[33:].to_parquet(tmp_path / "lake" / "sub" / "c.parquet")
    monkeypatch.setattr(lake, "CHUNK", 7)
    monkeypatch.setattr("synth.reading.columnar.BATCH_ROWS", 7)
    made = Column(name="id", kind=Kind.IDENTIFIER, pattern="[0-9]{8}")
    columns = (Column(name="number"), Column(name="town"), made, Column(name="day"), Column(name="flag"))
    schema = Schema(columns=columns, public_rows=n)
    answers, progress = [], Counted()
    stored = read_rows(str(tmp_path / "lake"), schema, ReadOptions(), progress)
    assert progress.chunks > 6
    assert progress.steps == 0  # their number, which a log would show, would tell how many rows there are
    assert stored.names == ("number", "town", "day", "flag")
    for rows in (frame, stored):
        book = Ledger(Budget(epsilon=100.0, delta=1e-5))
        table, codec = prepare(open_frame(rows, schema, book, entropy=keystream("lake")), Silent())
        (counts,) = table.noisy_marginals([("town", "flag")], share=0.1)
        codes = table._PrivateTable__codes
        held = [np.concatenate([block[0] for block in codes.blocks([j])]).tolist() for j in range(4)]
        answers.append((codec.to_list(), counts.counts.tolist(), held))
        assert codes.scratch is (None if rows is frame else stored.scratch)
    assert answers[0] == answers[1]


def test_a_small_file_is_read_at_once_and_a_large_one_in_chunks(tmp_path, monkeypatch):
    path = write(tmp_path / "a.csv", "x,y\n1,2\n")
    options = {"options": ReadOptions(), "progress": Silent()}
    assert isinstance(read_rows(str(path), None, **options), Loaded)
    monkeypatch.setattr(lake, "LARGE", 4)
    assert read_rows(str(path), None, **options).exact_sizes() == (1,)
    pd.DataFrame({"x": [1]}).astype("int8").to_parquet(tmp_path / "a.parquet")  # its size must not decide which facts are free
    assert isinstance(read_rows(str(tmp_path / "a.parquet"), None, **options), Loaded)


@pytest.mark.parametrize("place", ["sqlite:///x.db", "x.duckdb::view"])
def test_several_processes_read_no_query_whose_rows_may_come_in_another_order(place):
    with pytest.raises(InputError, match="may come in another order"):
        read_rows(place, None, ReadOptions(), Silent(), part=(0, 2))


def test_a_table_of_persons_is_opened_without_its_key_and_with_bounded_rows(keystream):
    frame = pd.DataFrame({"x": list("aabbc"), "id": ["7", "7", "7", "NA", "NA"]})
    schema = Schema(columns=(Column(name="x"), Column(name="id")), entity="id", max_rows_per_entity=2)
    opened_frame = open_frame(frame, schema, Ledger(Budget(epsilon=100.0, delta=1e-3)), entropy=keystream(0))
    assert opened_frame.schema.names == opened_frame.whole.names == ("rows per id", "x")
    assert opened_frame.noisy_row_count(sigma=0.12) == 3


def test_a_query_is_not_shared_out_by_workers():
    with pytest.raises(InputError, match="another order to each process"):
        read_rows("sqlite:///x.db", None, ReadOptions(sql="select 1"), Silent(), part=(0, 2))
