from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evaluation.attacks.membership import THREATS, membership_scores, sample
from evaluation.attacks.scene import set_scenes
from evaluation.attacks.threat import ranked
from evaluation.inputs import prepare
from evaluation.intervals import auc_delong
from synth.schema import Schema


def areas(real: pd.DataFrame, holdout: pd.DataFrame, release: pd.DataFrame, schema: Schema, confidence: float = 0.95) -> dict:
    scenes = set_scenes(prepare(real, holdout, release, schema))
    assert scenes is not None
    cut = len(scenes.release.members)
    scores = membership_scores(scenes.release)
    assert set(scores) == set(THREATS)
    return {name: auc_delong(values[:cut], values[cut:], confidence) for name, values in scores.items()}


def test_a_copy_is_found_by_every_estimate(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    for name, area in areas(real, holdout, real, schema).items():
        assert area.value > 0.95, name


def test_fresh_rows_give_nobody_away(real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema) -> None:
    """Four intervals of 99.9999 %."""
    for name, area in areas(real, holdout, fresh, schema, 0.999999).items():
        assert area.low < 0.5 < area.high, name


def test_half_a_copy_is_found_for_the_half(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    release = pd.concat([real.iloc[:750], fresh.iloc[:750]], ignore_index=True)
    scenes = set_scenes(prepare(real, holdout, release, schema))
    assert scenes is not None
    cut = len(scenes.release.members)
    scores = membership_scores(scenes.release)["neighbours"]
    rate = ranked(THREATS["neighbours"], scores[:cut], scores[cut:], None, 0.999999).tprs[1]
    assert rate.low < 0.5 < rate.high


def test_the_reference_is_what_tells_dense_from_common(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    """Without a reference the score is the release's density alone: a person's score ignores who else is about."""
    scenes = set_scenes(prepare(real, holdout, fresh, schema))
    assert scenes is not None
    scene = scenes.release
    other = replace(scene, reference=scene.reference.iloc[:100])
    one, two = membership_scores(scene), membership_scores(other)
    assert np.corrcoef(one["neighbours_alone"], two["neighbours_alone"])[0, 1] > 0.9
    assert np.corrcoef(one["neighbours"], two["neighbours"])[0, 1] < 0.9


def test_samples_are_rows_once_each(real: pd.DataFrame) -> None:
    few = sample(real, 100, np.random.default_rng(0))
    assert len(set(few.index)) == 100
    assert sample(real, len(real), np.random.default_rng(0)) is real
