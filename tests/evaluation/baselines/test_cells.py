from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.baselines.cells import N_BINS, learn_cells
from synth.encoding.values import conform
from synth.schema import Column, Kind, Schema


def test_cells_come_back_as_real_values_of_the_same_cell(real: pd.DataFrame, schema: Schema) -> None:
    rows = conform(real, schema)
    cells = learn_cells(rows, schema)
    again = cells.decode(cells.codes, np.random.default_rng(0))
    assert list(again.columns) == list(schema.names)
    for name in schema.names:
        assert (again[name].isna() == rows[name].isna()).all(), name
        assert set(again[name].dropna()) <= set(rows[name].dropna()), name
    for name in ("job", "town", "ill"):
        assert again[name].fillna("").tolist() == rows[name].fillna("").tolist()
    ranks = again["income"].rank() - rows["income"].rank()
    assert ranks.abs().max() <= 3 * len(rows) / N_BINS


def test_sizes_and_order_follow_the_schema(real: pd.DataFrame, schema: Schema) -> None:
    domain = learn_cells(conform(real, schema), schema).domain
    assert domain.target == "ill"
    assert domain.in_order[schema.index("job")] == 3
    assert domain.in_order[schema.index("ill")] == 0
    assert domain.in_order[schema.index("income")] == domain.sizes[schema.index("income")]


def test_empty_and_huge_columns_have_cells() -> None:
    frame = pd.DataFrame({"n": [np.nan] * 500, "t": [f"v{i}" for i in range(500)], "c": ["x"] * 500})
    kinds = {"n": Kind.FLOAT, "t": Kind.CATEGORY, "c": Kind.CATEGORY}
    schema = Schema(columns=tuple(Column(name=n, kind=k) for n, k in kinds.items()))
    cells = learn_cells(conform(frame, schema), schema)
    assert cells.domain.sizes == (1, 200, 1)
    again = cells.decode(cells.codes, np.random.default_rng(0))
    assert again["n"].isna().all()
    assert again["t"].nunique() > 200
