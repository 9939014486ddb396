from __future__ import annotations

import pandas as pd

from evaluation.attacks.scene import Scene, set_scenes
from evaluation.inputs import prepare, row_hashes
from synth.schema import Schema


def keys(frame: pd.DataFrame) -> set[int]:
    return {int(h) for h in row_hashes(frame)}


def test_nobody_plays_two_parts(real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema) -> None:
    scenes = set_scenes(prepare(real, holdout, fresh, schema))
    assert scenes is not None
    for scene in (scenes.release, scenes.fresh, scenes.copied):
        assert isinstance(scene, Scene)
        parts = [keys(scene.reference), keys(scene.others), keys(scene.fitted)]
        assert not parts[0] & parts[1]
        assert not parts[2] & (parts[0] | parts[1])
        assert keys(scene.members) <= parts[2]
        assert len(scene.people) == len(scene.members) + len(scene.others)
    assert not keys(scenes.fresh.release) & (keys(scenes.fresh.reference) | keys(scenes.fresh.others))
    assert keys(scenes.copied.members) <= keys(scenes.copied.release)
    assert len(scenes.release.reference) == 600


def test_without_enough_held_out_people_there_is_no_scene(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    assert set_scenes(prepare(real, None, real, schema)) is None
    assert set_scenes(prepare(real, holdout.iloc[:25], real, schema)) is None
