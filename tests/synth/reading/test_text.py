"""Text files: quotes, headers, compression."""

import pyarrow as pa
import pytest

from synth.errors import InputError
from synth.reading.source import ReadOptions
from synth.reading.text import open_text, read_header


def test_zstd(tmp_path):
    with pa.CompressedOutputStream(pa.OSFile(str(tmp_path / "a.csv.zst"), "wb"), "zstd") as file:
        file.write("n,s\n1,é\n".encode())
    assert open_text(tmp_path / "a.csv.zst", ReadOptions()).table().to_pylist() == [{"n": "1", "s": "é"}]


def test_an_empty_quote_leaves_quotes_alone(tmp_path):
    (tmp_path / "a.csv").write_text('a,b\n"x,y"\n')
    source = open_text(tmp_path / "a.csv", ReadOptions(quote=""))
    assert source.table().to_pylist() == [{"a": '"x', "b": 'y"'}]


def test_headers_are_read_alone(tmp_path):
    (tmp_path / "a.csv").write_text("a|b\n1|2\n")
    assert read_header(tmp_path / "a.csv", "|", "utf-8") == ["a", "b"]
    with pytest.raises(InputError, match="pass --delimiter"):
        read_header(tmp_path / "a.csv", ",", "utf-8")


def test_all_batches_make_the_whole(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" + "1,x\n" * 10)
    source = open_text(tmp_path / "a.csv", ReadOptions())
    assert sum(len(b) for b in source.batches()) == source.table().num_rows == 10
