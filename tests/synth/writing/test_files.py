"""What is written reads back as what was sampled, in every format."""

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from synth.encoding.codec import category_texts
from synth.encoding.coded import Coded
from synth.encoding.values import numbers
from synth.errors import InputError
from synth.privacy.ingest import load_table
from synth.reading.formats import open_source
from synth.schema import Column, Kind, Schema
from synth.writing.cells import block_cells
from synth.writing.files import SUFFIXES, writer_of

SCHEMA = Schema(
    columns=(
        Column(name="key", kind=Kind.IDENTIFIER, pattern=r"\d{5}"),
        Column(name="n", kind=Kind.INTEGER, dtype="int16"),
        Column(name="pay", kind=Kind.DECIMAL, precision=2, dtype="decimal128(8, 2)"),
        Column(name="x", kind=Kind.FLOAT, dtype="float32"),
        Column(name="flag", kind=Kind.BOOLEAN),
        Column(name="town", kind=Kind.CATEGORY, dtype="category"),
        Column(name="day", kind=Kind.DATETIME, dtype="date32"),
        Column(name="at", kind=Kind.DATETIME, dtype="timestamp[ms, tz=Europe/Berlin]"),
        Column(name="clock", kind=Kind.TIME),
        Column(name="stay", kind=Kind.DURATION),
        Column(name="born", kind=Kind.DATETIME, format="%d/%m/%Y"),
    ),
    missing=("?",),
)
TEXTS = [
    ["00017", "-3", "12.50", "0.1", "True", 'a,"b"', "2020-01-31", "2020-07-01 12:00:00+02:00", "08:30:00", "1 days 00:00:05",
     "31/01/1999"],
    ["00018", *["?"] * 10],
]  # fmt: skip


def canonical(frame):
    """Cells as numbers and texts, whatever stored them."""
    return {
        c.name: (numbers if c.kind.is_numeric else category_texts)(frame[c.name], c, SCHEMA.missing).tolist()
        for c in SCHEMA.columns
    }


def table(times):
    return pd.DataFrame(TEXTS * times, columns=list(SCHEMA.names)).astype(object)


def blocks(times=1):
    return [block_cells(table(3).replace("?", None), SCHEMA)] * times


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_reads_back(tmp_path, suffix):
    if suffix == ".xlsx":
        pytest.importorskip("openpyxl")
    path = tmp_path / f"a{suffix}"
    writer_of(path.name)(blocks(2), SCHEMA, path)
    loaded = load_table(path)
    assert list(loaded.frame.columns) == list(SCHEMA.names)
    assert len(loaded.frame) == 12
    for name, cells in canonical(table(6)).items():
        found = canonical(loaded.frame)[name]
        if SCHEMA[name].dtype == "float32":
            np.testing.assert_allclose(found, cells, rtol=1e-6)
        else:
            np.testing.assert_equal(found, cells)


def test_texts_are_exact(tmp_path):
    writer_of("a.csv")(blocks(), SCHEMA, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert (
        lines[1] == '00017,-3,12.50,0.1,True,"a,""b""",2020-01-31,2020-07-01 12:00:00+02:00,08:30:00,1 days 00:00:05,31/01/1999'
    )
    assert lines[2] == "00018," + ",".join("?" * 10)
    writer_of("a.jsonl")(blocks(), SCHEMA, tmp_path / "a.jsonl")
    first = (tmp_path / "a.jsonl").read_text().splitlines()[0]
    assert first.startswith('{"key": "00017", "n": -3, "pay": 12.50, "x": 0.1, "flag": true, "town": "a,\\"b\\"", ')


def test_types_are_kept(tmp_path):
    for name in ("a.parquet", "a.feather"):
        writer_of(name)(blocks(), SCHEMA, tmp_path / name)
        header = open_source(tmp_path / name).header
        assert {f.name: str(f.type) for f in header} == {
            "key": "string",
            "n": "int16",
            "pay": "decimal128(8, 2)",
            "x": "float",
            "flag": "bool",
            "town": "dictionary<values=string, indices=int32, ordered=0>",
            "day": "date32[day]",
            "at": "timestamp[ms, tz=Europe/Berlin]",
            "clock": "time64[us]",
            "stay": "duration[us]",
            "born": "date32[day]",
        }


def test_an_index_is_written_as_pandas_reads_it(tmp_path):
    schema = Schema(columns=SCHEMA.columns, index_columns=("key",))
    writer_of("a.parquet")(blocks(), schema, tmp_path / "a.parquet")
    found = pd.read_parquet(tmp_path / "a.parquet")
    assert found.index.name == "key"
    assert list(found.columns) == list(SCHEMA.names[1:])
    assert pyarrow.parquet.read_schema(tmp_path / "a.parquet").names == list(SCHEMA.names)


def test_unknown_formats_and_empty_tables(tmp_path):
    assert writer_of("a.sav") is None
    assert writer_of("a.parquet.gz") is None
    for name in ("a.csv", "a.jsonl", "a.parquet", "a.arrow"):
        writer_of(name)([], SCHEMA, tmp_path / name)
    assert (tmp_path / "a.csv").read_text().count("\n") == 1
    assert len(load_table(tmp_path / "a.parquet").frame) == 0
    with pytest.raises(InputError, match="is empty"):
        load_table(tmp_path / "a.jsonl")


def test_parquet_pages_hold_places_of_texts_and_numbers_as_they_are_where_they_differ(tmp_path):
    schema = Schema(
        columns=tuple(Column(name=n, kind=k) for n, k in (("c", Kind.CATEGORY), ("n", Kind.INTEGER), ("m", Kind.INTEGER)))
    )
    places = np.arange(5000) % 3
    block = {
        "c": Coded(places, np.array(["b", None, "a", "never"], dtype=object)),
        "n": np.arange(5000.0),
        "m": Coded(places, np.array([7.0, 8.0, np.nan])),
    }
    writer_of("a.parquet")([block, block], schema, tmp_path / "a.parquet")
    facts = pyarrow.parquet.read_metadata(tmp_path / "a.parquet").row_group(1)
    packed = ["RLE_DICTIONARY" in facts.column(j).encodings for j in range(3)]
    assert packed == [True, False, True]
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert [str(t) for t in table.schema.types] == ["string", "int64", "int64"]
    assert table.column("c").to_pylist()[-5000:-4997] == ["b", None, "a"]
    assert table.column("m").to_pylist()[:3] == [7, 8, None]
