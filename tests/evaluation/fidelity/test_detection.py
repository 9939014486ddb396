from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.fidelity.detection import detection_auc
from evaluation.inputs import prepare
from synth.schema import Column, Kind, Schema


def test_shifted_rows_are_told_apart(real: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, None, real.assign(age=real["age"] + 200), schema)
    found = detection_auc(tables.real, tables.synthetic, schema, np.random.default_rng(0))
    assert found.low > 0.99


def test_copies_do_not_leak_through_folds(real: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, None, real, schema)
    found = detection_auc(tables.real, tables.synthetic, schema, np.random.default_rng(0))
    assert abs(found.value - 0.5) < 0.02


def test_one_distinct_row_is_chance() -> None:
    schema = Schema(columns=(Column(name="c", kind=Kind.CATEGORY),))
    frame = pd.DataFrame({"c": ["a"] * 40})
    assert detection_auc(frame, frame, schema, np.random.default_rng(0)).value == 0.5
