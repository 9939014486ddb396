from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.features import MAX_CODES, MAX_POINT_DIMS, Points, TreeFeatures, nearest_distance
from evaluation.inputs import prepare
from synth.schema import Column, Kind, Schema


def test_unseen_and_rare_categories_are_missing() -> None:
    schema = Schema(columns=(Column(name="c", kind=Kind.CATEGORY), Column(name="y", kind=Kind.CATEGORY)))
    training = pd.DataFrame({"c": ["often"] * 2 + [str(i) for i in range(400)], "y": ["a"] * 402})
    features = TreeFeatures.learn(training, schema, without="y")
    assert features.names == ("c",)
    assert features.categorical == [True]
    assert len(features.codes["c"]) == MAX_CODES
    matrix = features.matrix(pd.DataFrame({"c": ["often", "never seen", None]}))
    assert matrix[0, 0] == 0
    assert np.isnan(matrix[1:, 0]).all()


def test_points_put_copies_at_zero_and_others_apart(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, holdout, real, schema)
    points = Points.learn(tables.holdout, schema)
    pool = points.matrix(tables.real)
    assert nearest_distance(pool[:50], pool).max() == 0.0
    queries = points.matrix(tables.holdout)[:40]
    slow = np.sqrt(((queries[:, None, :].astype(float) - pool[None].astype(float)) ** 2).sum(axis=2)).min(axis=1)
    np.testing.assert_allclose(nearest_distance(queries, pool, block=7), slow, atol=1e-5)


def test_points_stay_small_on_wide_and_long_categories() -> None:
    schema = Schema(columns=tuple(Column(name=f"c{i}", kind=Kind.CATEGORY) for i in range(100)))
    frame = pd.DataFrame({name: [f"v{j}" for j in range(300)] for name in schema.names})
    matrix = Points.learn(frame, schema).matrix(frame)
    assert matrix.shape[1] <= MAX_POINT_DIMS
    np.testing.assert_allclose((matrix**2).sum(axis=1), 50.0, rtol=1e-5)
