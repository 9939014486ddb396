"""Cells, randomised one by one: bounds, gaps, policies, and nothing of one row in another."""

import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synth.errors import InputError
from synth.privacy import cells
from synth.privacy.cells import check_source, randomized_blocks, randomized_cells
from synth.privacy.local import plan_local
from synth.reading.source import Source, text_header
from synth.schema import Column, Kind, Outside, Schema

SURE = 100.0  # an epsilon at which every cell is told as it is, but once in 10^40
SCHEMA = Schema(
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 120)),
        Column(name="sex", kind=Kind.CATEGORY, categories=("m", "f"), outside=Outside.OTHER),
        Column(name="ok", kind=Kind.BOOLEAN, nullable=False),
        Column(name="key", kind=Kind.IDENTIFIER),
    )
)


def told(column, cells, *, epsilon=SURE, bins=None, entropy=os.urandom):
    local = plan_local(Schema(columns=(column,)), epsilon, bins=bins).columns[0]
    return randomized_cells(pd.Series(cells, dtype=object), local, ("", "NA"), entropy)


def source_of(*batches, read=None):
    names = ("age", "sex", "ok", "key")

    def rows():
        for i, batch in enumerate(batches):
            if read is not None:
                read.append(i)
            yield pa.RecordBatch.from_pydict(
                {n: pa.array(c, pa.string()) for n, c in zip(names, zip(*batch, strict=True), strict=True)}
            )

    return Source(name="t.csv", header=text_header(names), typed=False, batches=rows)


def test_with_next_to_no_noise_cells_are_told_as_the_schema_reads_them():
    number = Column(name="x", kind=Kind.INTEGER, bounds=(0, 9))
    values = ["3", "", "NA", "500", "-4", "word"]
    assert np.isnan(told(number, values, bins=10)[[1, 2, 5]]).all()
    assert told(number, values, bins=10)[[0, 3, 4]].tolist() == [3, 9, 0]
    null = Column(name="x", kind=Kind.INTEGER, bounds=(0, 9), outside=Outside.NULL)
    assert np.isnan(told(null, values, bins=10)[1:]).all()
    full = Column(name="x", kind=Kind.INTEGER, bounds=(0, 9), nullable=False)
    assert told(full, values, bins=10).tolist() == [3, 0, 0, 9, 0, 0]
    word = Column(name="x", kind=Kind.CATEGORY, categories=("a", "b"), outside=Outside.OTHER)
    assert told(word, ["a", "b", "c", ""]).tolist() == ["a", "b", "__OTHER__", None]
    assert told(Column(name="x", kind=Kind.BOOLEAN), ["yes", "0", "?"]).tolist() == ["True", "False", None]


def test_numbers_stay_on_their_grid_and_dates_where_they_can_be_written():
    money = Column(name="x", kind=Kind.DECIMAL, precision=2, bounds=(0, 99.99), nullable=False)
    found = told(money, ["12.34"] * 200, epsilon=1.0) * 100
    assert np.allclose(found, np.rint(found))
    assert len(np.unique(found)) > 100
    assert found.min() < 0 < 9999 < found.max()
    day = Column(name="x", kind=Kind.DATETIME, bounds=("0003-01-01", "9990-12-31"), nullable=False)
    found = told(day, ["2000-01-01"] * 200, epsilon=0.1)
    assert found.min() > -62_135_596_800
    assert found.max() < 253_402_300_800


def test_gaps_are_flagged_by_chance(script):
    column = Column(name="x", kind=Kind.INTEGER, bounds=(0, 9))
    found = told(column, [""] * 4000 + ["5"] * 4000, epsilon=2.0)
    gone = np.isnan(found)  # a right flag has a chance of 1 / (1 + exp(-8 / 9)) = .709; six standard errors are .043
    assert gone[:4000].mean() == pytest.approx(0.709, abs=0.043)
    assert gone[4000:].mean() == pytest.approx(0.291, abs=0.043)


def test_rows_come_block_by_block_in_their_order_and_others_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(cells, "BATCH_ROWS", 2)
    read = []
    source = source_of([("3", "m", "yes", "k1"), ("4", "f", "no", "k2")], [("5", "x", "yes", "k3")], read=read)
    blocks = randomized_blocks(source, plan_local(SCHEMA, SURE, bins=121))
    first = next(blocks)
    assert read == [0]
    assert list(first) == ["age", "sex", "ok"]
    assert [first["sex"].tolist(), first["ok"].tolist()] == [["m", "f"], ["True", "False"]]
    assert next(blocks)["sex"].tolist() == ["__OTHER__"]
    assert list(blocks) == []


@pytest.mark.parametrize("sizes", [[7], [1] * 7, [3, 4], [5, 2], [6, 1]])
def test_blocks_do_not_tell_how_a_reader_cut_the_rows(monkeypatch, sizes):
    """Readers cut by bytes, so that cuts depend on what true cells say; a Parquet file would show them as row groups."""
    monkeypatch.setattr(cells, "BATCH_ROWS", 3)
    rows = [(str(i), "mf"[i % 2], "yes", "k") for i in range(7)]
    ends = np.cumsum(sizes)
    source = source_of(*(rows[end - size : end] for size, end in zip(sizes, ends, strict=True)))
    blocks = list(randomized_blocks(source, plan_local(SCHEMA, SURE, bins=121)))
    assert [len(block["age"]) for block in blocks] == [3, 3, 1]
    assert np.concatenate([block["age"] for block in blocks]).tolist() == list(range(7))
    assert np.concatenate([block["sex"] for block in blocks]).tolist() == [row[1] for row in rows]


def test_no_rows_are_no_blocks():
    assert list(randomized_blocks(source_of(), plan_local(SCHEMA, SURE))) == []


def test_one_row_does_not_change_what_another_tells(keystream):
    plan = plan_local(SCHEMA, 1.0)
    found = []
    for row in (("3", "m", "yes", "k1"), ("NA", "", "", "")):
        (block,) = randomized_blocks(source_of([row, ("60", "f", "no", "k2")]), plan, keystream(3))
        found.append([block["age"][1], block["sex"][1], block["ok"][1]])
    assert found[0][1:] == found[1][1:]
    assert np.array_equal(found[0][:1], found[1][:1], equal_nan=True)


def test_the_header_must_be_that_of_the_schema():
    check_source(source_of(), SCHEMA)
    with pytest.raises(InputError, match="lacks column"):
        check_source(Source(name="t", header=text_header(["age"]), typed=True, batches=lambda: iter(())), SCHEMA)
    with pytest.raises(InputError, match="no name"):
        check_source(Source(name="t", header=text_header(["age", " "]), typed=False, batches=lambda: iter(())), SCHEMA)
