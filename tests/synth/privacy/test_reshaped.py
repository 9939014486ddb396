import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synth.constraints import FixedCombinations, Inequality
from synth.privacy.reshaped import ReshapedRows
from synth.privacy.rows import MemoryRows, StoredRows
from synth.privacy.scratch import Scratch
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="low", kind=Kind.INTEGER, bounds=(0, 9)),
        Column(name="high", kind=Kind.INTEGER, bounds=(0, 20)),
        Column(name="p", kind=Kind.CATEGORY),
        Column(name="q", kind=Kind.BOOLEAN),
    ),
    constraints=(Inequality(low="low", high="high"), FixedCombinations(columns=("p", "q"))),
)
FRAME = pd.DataFrame({"low": ["1", "2", ""], "high": ["5", "1", "7"], "p": ["a", "b", ""], "q": ["yes", "no", ""]})


def stored(folder):
    rows = StoredRows(SCHEMA.names, SCHEMA.names, Scratch(folder))
    for part in (FRAME[:2], FRAME[2:]):
        rows.append(pa.Table.from_pandas(part, preserve_index=False))
    return rows


@pytest.mark.parametrize("disk", [False, True])
def test_columns_are_those_that_are_learnt(disk, tmp_path):
    behind = stored(tmp_path) if disk else MemoryRows(FRAME)
    rows = ReshapedRows(behind, SCHEMA)
    assert rows.names == ("low", "high", "p")
    assert rows.scratch is behind.scratch
    assert rows.exact_sizes() == behind.exact_sizes()
    learnt = {c.name: c for c in SCHEMA.modelled}
    high = np.concatenate(list(rows.numbers(learnt["high"], SCHEMA.missing)))
    assert high.tolist() == [4, -1, 7]
    assert np.concatenate(list(rows.numbers(learnt["low"], SCHEMA.missing)))[:2].tolist() == [1, 2]
    assert pd.concat(list(rows.cells("high"))).tolist() == [4, -1, 7]
    assert pd.concat(list(rows.cells("low"))).tolist() == ["1", "2", ""]
    assert pd.concat(list(rows.cells("p"))).tolist() == ['["a", "True"]', '["b", "False"]', None]


def test_one_row_more_changes_no_other():
    learnt = {c.name: c for c in SCHEMA.modelled}
    few, many = (next(ReshapedRows(MemoryRows(f), SCHEMA).numbers(learnt["high"], SCHEMA.missing)) for f in (FRAME[:2], FRAME))
    assert many[:2].tolist() == few.tolist()
