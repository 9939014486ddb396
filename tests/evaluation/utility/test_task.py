from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.inputs import prepare
from evaluation.utility.task import MAX_CLASSES, define_task, usable
from synth.schema import Column, Kind, Schema


def test_classes_the_real_rows_lack_are_no_class(real: pd.DataFrame, schema: Schema) -> None:
    synthetic = real.assign(town=np.where(np.arange(len(real)) % 2 == 0, "atlantis", real["town"]))
    tables = prepare(real, None, synthetic, schema, target="town")
    task = define_task(tables.real, schema, "town")
    assert set(task.classes) == {"north", "south"}
    assert np.isnan(task.labels(tables.synthetic)).mean() >= 0.5


def test_many_classes_are_merged() -> None:
    rng = np.random.default_rng(0)
    schema = Schema(columns=(Column(name="y", kind=Kind.CATEGORY),))
    frame = pd.DataFrame({"y": rng.integers(0, 80, 400).astype(str)})
    task = define_task(frame, schema, "y")
    assert task.merged
    assert len(task.classes) == MAX_CLASSES
    labels = task.labels(pd.DataFrame({"y": [task.classes[0], "never seen", None]}))
    assert labels[:2].tolist() == [0, MAX_CLASSES - 1]
    assert np.isnan(labels[2])


def test_usable_rows_have_a_target_and_are_capped(real: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, None, real.assign(income=np.where(np.arange(len(real)) < 1000, np.nan, 5.0)), schema)
    task = define_task(tables.real, schema, "income")
    rows, labels = usable(tables.synthetic, task, 10_000, np.random.default_rng(0))
    assert len(rows) == len(labels) == 500
    rows, labels = usable(tables.synthetic, task, 50, np.random.default_rng(0))
    assert rows.index.is_monotonic_increasing
    assert (labels == 5.0).all()
