from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from evaluation.inputs import prepare
from evaluation.utility.models import LEARNERS, train
from evaluation.utility.task import Task, define_task
from synth.schema import Column, Kind, Schema


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_model_learns_classes(learner: str, real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, holdout, real, schema)
    task = define_task(tables.real, schema, "ill")
    model = train(learner, tables.real, task.labels(tables.real), schema, task)
    shares = model.predict(model.features.matrix(tables.holdout))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert roc_auc_score(task.labels(tables.holdout), shares[:, 1]) > 0.85


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_model_learns_numbers(learner: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=800), "c": rng.choice(["a", "b", None], 800)})
    frame["y"] = 2 * frame["x"] + (frame["c"] == "a") + 0.1 * rng.normal(size=800)
    frame.loc[::7, "x"] = np.nan
    kinds = {"x": Kind.FLOAT, "c": Kind.CATEGORY, "y": Kind.FLOAT}
    schema = Schema(columns=tuple(Column(name=n, kind=k) for n, k in kinds.items()))
    task = Task(target="y", classes=None)
    model = train(learner, frame.iloc[:600], frame["y"].to_numpy()[:600], schema, task)
    guess = model.predict(model.features.matrix(frame.iloc[600:]))
    assert r2_score(frame["y"].iloc[600:], guess) > 0.7


@pytest.mark.parametrize("learner", [*LEARNERS, "constant"])
def test_one_class_and_no_class_train_a_constant(learner: str, real: pd.DataFrame, schema: Schema) -> None:
    plain = prepare(real, None, real, schema).real
    task = define_task(plain, schema, "ill")
    model = train(learner, plain.iloc[:30], np.ones(30), schema, task)
    assert model.predict(model.features.matrix(plain.iloc[:4])).tolist() == [[0.0, 1.0]] * 4
    empty = train(learner, plain.iloc[:0], np.ones(0), schema, task)
    assert empty.predict(empty.features.matrix(plain.iloc[:4])).tolist() == [[0.0, 0.0]] * 4


@pytest.mark.parametrize("learner", LEARNERS)
def test_classes_the_rows_lack_get_no_probability(learner: str, real: pd.DataFrame, schema: Schema) -> None:
    plain = prepare(real, None, real, schema).real
    task = define_task(plain, schema, "job")
    some = plain[plain["job"] != task.classes[1]]
    model = train(learner, some, task.labels(some), schema, task)
    assert (model.predict(model.features.matrix(plain))[:, 1] == 0).all()


def test_columns_without_any_value_do_not_stop_a_model() -> None:
    frame = pd.DataFrame({"x": [np.nan] * 40, "c": [None] * 40, "y": ["a", "b"] * 20})
    schema = Schema(
        columns=tuple(Column(name=n, kind=k) for n, k in zip("xcy", [Kind.FLOAT] + [Kind.CATEGORY] * 2, strict=True))
    )
    task = define_task(frame, schema, "y")
    for learner in LEARNERS:
        model = train(learner, frame, task.labels(frame), schema, task)
        np.testing.assert_allclose(model.predict(model.features.matrix(frame)), 0.5, atol=0.1)
