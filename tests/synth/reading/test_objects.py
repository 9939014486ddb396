"""Frames of other libraries, through Arrow's own interface."""

import duckdb
import pyarrow as pa
import pytest

from synth.errors import InputError
from synth.privacy.ingest import load_table
from synth.reading.objects import is_arrow_like, open_object


def test_polars_frames_are_read():
    polars = pytest.importorskip("polars")
    loaded = load_table(polars.DataFrame({"n": polars.Series([1, None], dtype=polars.Int16), "s": ["a", "b"]}))
    assert loaded.dtypes["n"] == "int16"
    assert loaded.frame["n"].tolist() == [1, None]


def test_duckdb_relations_and_arrow_tables_are_read():
    relation = duckdb.sql("select 1::smallint as n, 'x' as s")
    assert is_arrow_like(relation)
    assert load_table(relation).dtypes == {"n": "int16", "s": "text"}
    source = open_object(pa.table({"n": [1, 2]}))
    assert sum(len(b) for b in source.batches()) == 2
    assert not is_arrow_like([1])


def test_what_is_no_table_is_refused():
    class Odd:
        def __arrow_c_stream__(self, requested_schema=None):
            raise ValueError("SECRET")

    with pytest.raises(InputError, match="cannot be read as Arrow data: ValueError"):
        open_object(Odd())
    with pytest.raises(InputError, match="columns 1 and 2"):
        open_object(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
