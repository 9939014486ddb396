"""Rows on disk are the rows in memory: the same cells, the same numbers, parsed once."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synth.privacy import rows
from synth.privacy.rows import CountedRows, MemoryRows, StoredRows
from synth.privacy.scratch import Scratch
from synth.schema import DEFAULT_MISSING, Column, Kind

TABLE = pa.table({
    "n": pa.array(["1", "x", " 2 ", None, "NA", "1"]).dictionary_encode(),
    "f": [1.5, None, -0.0, 2.0, 1e300, 3.0],
    "d": pd.to_datetime(["2020-01-01", None, "2020-01-03", "2020-01-04", "1999-01-01", "2020-01-06"]),
})  # fmt: skip
N, D = Column(name="n", kind=Kind.INTEGER), Column(name="d", kind=Kind.DATETIME)


@pytest.fixture
def stored(tmp_path):
    found = StoredRows(("n", "f", "d", "left out"), tuple(TABLE.column_names), Scratch(tmp_path))
    for start, length in ((0, 2), (2, 0), (2, 4)):
        found.append(TABLE.slice(start, length))
    return found


def test_stored_rows_are_those_that_were_appended(stored):
    memory = MemoryRows(TABLE.to_pandas())
    assert stored.names == memory.names == ("n", "f", "d")
    assert stored.exact_sizes() == (2, 0, 4)
    assert memory.exact_sizes() == (6,)
    assert memory.scratch is None
    for name in stored.names:
        found = pd.concat([part.astype(object) for part in stored.cells(name)], ignore_index=True)
        pd.testing.assert_series_equal(found, next(memory.cells(name)).astype(object), check_dtype=False)
    for column in (N, D):
        found = np.concatenate(list(stored.numbers(column, DEFAULT_MISSING)))
        assert np.array_equal(found, next(memory.numbers(column, DEFAULT_MISSING)), equal_nan=True)


def test_numbers_are_parsed_once_per_kind(stored, monkeypatch):
    asked, real = [], rows.numbers

    def parse(series, column, missing):
        asked.append(column.kind)
        return real(series, column, missing)

    monkeypatch.setattr(rows, "numbers", parse)
    memory = MemoryRows(TABLE.to_pandas())
    for found, chunks in ((stored, 3), (memory, 1)):
        asked.clear()
        for _ in range(2):
            assert len(list(found.numbers(N, ()))) == chunks
            assert len(list(found.numbers(Column(name="n", kind=Kind.DATETIME), ()))) == chunks
        assert asked == [Kind.INTEGER] * chunks + [Kind.DATETIME] * chunks


def test_no_chunk_is_one_without_rows(tmp_path):
    empty = StoredRows(("n",), ("n",), Scratch(tmp_path))
    empty.finish()
    assert empty.exact_sizes() == (0,)
    assert len(next(empty.cells("n"))) == 0
    assert len(next(empty.numbers(N, ()))) == 0
    empty.finish()
    assert empty.exact_sizes() == (0,)


def test_rows_do_not_print(stored):
    assert repr(stored) == "<StoredRows: private rows>"
    assert "1.5" not in repr(MemoryRows(TABLE.to_pandas()))


def test_one_more_column_says_how_many_rows_an_entity_has(stored):
    counted = CountedRows(stored, "rows", np.array([2, 2, 1, 2, 2, 1]))
    assert counted.names == ("rows", "n", "f", "d")
    assert counted.exact_sizes() == (2, 0, 4)
    assert counted.scratch is stored.scratch
    assert [part.tolist() for part in counted.cells("rows")] == [[2, 2], [], [1, 2, 2, 1]]
    assert [len(part) for part in counted.cells("f")] == [2, 0, 4]
    assert len(np.concatenate(list(counted.numbers(N, DEFAULT_MISSING)))) == 6
