from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.attacks.bounds import bound_of
from evaluation.attacks.scene import Scene, set_scenes
from evaluation.attacks.singling_out import single_out
from evaluation.inputs import prepare
from synth.schema import Column, Kind, Schema


def scene_of(
    real: pd.DataFrame, holdout: pd.DataFrame, release: pd.DataFrame, schema: Schema, epsilon: float | None = None
) -> Scene:
    bound = bound_of({"epsilon": epsilon, "delta": 0.0})
    scenes = set_scenes(prepare(real, holdout, release, schema), (), bound)
    assert scenes is not None
    return scenes.release


def test_a_copy_is_singled_out_beyond_its_claim(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    found = single_out(scene_of(real, holdout, real, schema, 0.5))
    assert found.rate is not None
    assert found.rate.value > 0.9
    assert found.advantage.low > 0.5
    assert found.caught
    assert found.broken


def test_fresh_rows_single_out_no_more_than_luck(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    found = single_out(scene_of(real, holdout, fresh, schema, 0.5), confidence=0.999999)
    assert found.advantage.low < 0 < found.advantage.high
    assert found.control_rate is not None
    assert found.control_rate.value < 0.1  # the descriptions are rare, or isolation would mean nothing
    assert not found.broken


def test_common_descriptions_are_not_tried() -> None:
    rng = np.random.default_rng(0)
    frames = [pd.DataFrame({"x": rng.integers(0, 2, 300)}) for _ in range(3)]
    scene = scene_of(*frames, Schema(columns=(Column(name="x", kind=Kind.INTEGER),)))
    found = single_out(scene)
    assert found.members == 0
    assert found.advantage.value == 0.0
    assert not found.caught


@pytest.mark.statistical
def test_luck_follows_the_weight_of_the_descriptions() -> None:
    """Independent columns, so the weight is known: the rate of isolation in fitted rows and in the control must agree."""
    rng = np.random.default_rng(3)
    frames = [pd.DataFrame({f"c{j}": rng.integers(0, 6, 2000) for j in range(8)}) for _ in range(3)]
    schema = Schema(columns=tuple(Column(name=f"c{j}", kind=Kind.INTEGER) for j in range(8)))
    found = single_out(scene_of(*frames, schema), confidence=1 - 1e-6)
    assert found.advantage.low < 0 < found.advantage.high
