"""One table in every format reads as the same cells."""

import bz2
import gzip
import lzma

import pyarrow as pa
import pytest

from synth.errors import InputError
from synth.reading.formats import open_source
from synth.reading.source import ReadOptions

SECRET = "SECRET-4711"
CSV = "n,s,d\n1,é,1.50\n,b,2.00\n"
ROWS = [{"n": "1", "s": "é", "d": "1.50"}, {"n": "", "s": "b", "d": "2.00"}]
LINES = '{"n": 1, "s": "é", "d": 1.50}\n\n{"s": "b", "d": 2.00, "n": ""}\n'


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", CSV, {}),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0), {}),
        ("a.csv.bz2", bz2.compress(CSV.encode()), {}),
        ("a.csv.xz", lzma.compress(CSV.encode()), {}),
        ("a.tsv", CSV.replace(",", "\t"), {}),
        ("a.psv", CSV.replace(",", "|"), {}),
        ("a.txt", CSV.replace(",", "^"), {"delimiter": "^"}),
        ("a.csv", CSV.replace("é", "'é'"), {"quote": "'"}),
        ("a.csv", CSV.encode("latin-1"), {"encoding": "latin-1"}),
        ("a.jsonl", LINES, {}),
        ("a.ndjson.gz", gzip.compress(LINES.encode(), mtime=0), {}),
    ],
)
def test_text_formats_read_as_the_same_texts(tmp_path, name, content, options):
    source = open_source(write(tmp_path / name, content), ReadOptions(**options))
    assert not source.typed
    assert source.table().to_pylist() == ROWS
    assert pa.Table.from_batches(source.batches(), schema=source.header).to_pylist() == ROWS


@pytest.mark.parametrize(
    ("name", "content", "options", "match"),
    [
        ("a.csv.bz2", SECRET, {}, "cannot read"),
        ("a.csv.xz", SECRET, {}, "cannot read"),
        ("a.csv.zst", SECRET, {}, "cannot read"),
        ("a.csv", "a,b\n1,2\n", {"quote": "''"}, "a quote is one character"),
        ("a.csv", "a,b\n1,2\n", {"quote": ","}, "other than the delimiter"),
        ("a.feather", SECRET, {}, "not a readable Arrow file"),
        ("a.xlsx", SECRET, {}, "not a readable workbook"),
        ("a.parquet.gz", SECRET, {}, "are not read"),
        ("a.sav", SECRET, {}, "are not read"),
        ("a.csv", "a,b\n1,2\n", {"sql": "select 1"}, "--sql goes with the URL"),
    ],
)
def test_refusals_never_quote_a_row(tmp_path, name, content, options, match):
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl")
    with pytest.raises(InputError, match=match) as caught:
        open_source(write(tmp_path / name, content), ReadOptions(**options)).table()
    assert SECRET not in str(caught.value)
