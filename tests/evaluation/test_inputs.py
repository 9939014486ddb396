from __future__ import annotations

import pandas as pd

from evaluation.inputs import check_overlap, overlap, prepare
from synth.schema import Schema


def test_permuted_keeps_columns_and_breaks_rows(real: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, None, real, schema)
    for name in schema.names:
        assert sorted(tables.permuted[name].astype(str)) == sorted(tables.real[name].astype(str))
    assert overlap(tables.permuted, tables.real) < 0.01
    assert tables.target == "ill"


def test_streams_are_apart_and_repeatable(real: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, None, real, schema, seed=3)
    assert tables.rng(1).integers(1 << 40) == tables.rng(1).integers(1 << 40)
    assert tables.rng(1).integers(1 << 40) != tables.rng(2).integers(1 << 40)


def test_overlap_counts_exact_rows(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, holdout, real, schema)
    assert overlap(tables.real.iloc[:10], tables.real) == 1.0
    assert overlap(tables.holdout, tables.real) == 0.0
    assert check_overlap(tables).notes == ()
