from __future__ import annotations

from dataclasses import replace

import pandas as pd

from evaluation.attacks.marginal_ratio import marginal_scores
from evaluation.attacks.scene import Scene, set_scenes
from evaluation.inputs import prepare
from evaluation.intervals import Interval, auc_delong
from synth.schema import Schema


def scene_of(real: pd.DataFrame, holdout: pd.DataFrame, release: pd.DataFrame, schema: Schema) -> Scene:
    scenes = set_scenes(prepare(real, holdout, release, schema))
    assert scenes is not None
    return scenes.release


def area(scene: Scene, confidence: float = 0.95) -> Interval:
    scores = marginal_scores(scene)
    return auc_delong(scores[: len(scene.members)], scores[len(scene.members) :], confidence)


def test_exact_tables_of_the_fitted_rows_give_them_away(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    assert area(scene_of(real, holdout, real, schema)).low > 0.7
    found = area(scene_of(real, holdout, fresh, schema), 0.999999)
    assert found.low < 0.5 < found.high


def test_knowing_the_measured_tables_helps(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    """A release that holds one exact pair and is fresh otherwise: looking at that pair alone finds more."""
    pair = ["age", "income"]
    release = fresh.assign(**{name: real[name].to_numpy() for name in pair})
    scene = scene_of(real, holdout, release, schema)
    told = area(replace(scene, measured=(tuple(pair),)))
    assert told.low > 0.5
    assert told.value > area(replace(scene, measured=(("town", "ill"),))).value + 0.05


def test_unknown_and_empty_tables_are_passed_over(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    scene = replace(scene_of(real, holdout, fresh, schema), measured=((), ("nothing", "age")))
    assert not marginal_scores(scene).any()
