"""Blocks as Arrow batches."""

import pandas as pd

from synth.schema import Column, Kind, Schema
from synth.writing.cells import arrow_batches, arrow_header, block_cells

SCHEMA = Schema(
    columns=(
        Column(name="c", kind=Kind.CATEGORY, dtype="category"),
        Column(name="n", kind=Kind.INTEGER, nullable=False),
    )
)


def test_dictionaries_grow_in_one_order():
    frames = [pd.DataFrame({"c": cells, "n": [1, 2]}) for cells in (["b", None], ["a", "b"])]
    header = arrow_header(SCHEMA)
    first, second = arrow_batches((block_cells(f, SCHEMA) for f in frames), SCHEMA, header)
    assert first.column("c").dictionary.to_pylist() == ["b"]
    assert second.column("c").dictionary.to_pylist() == ["b", "a"]
    assert second.column("c").to_pylist() == ["a", "b"]


def test_nullability_is_part_of_the_header():
    header = arrow_header(SCHEMA)
    assert [header.field(name).nullable for name in ("c", "n")] == [True, False]
