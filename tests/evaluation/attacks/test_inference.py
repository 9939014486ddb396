from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.attacks.inference import guess_right, infer_attributes, reconstruct
from evaluation.attacks.scene import Scene, set_scenes
from evaluation.inputs import prepare
from synth.schema import Column, Kind, Schema


def scene_of(real: pd.DataFrame, holdout: pd.DataFrame, release: pd.DataFrame, schema: Schema) -> Scene:
    scenes = set_scenes(prepare(real, holdout, release, schema))
    assert scenes is not None
    return scenes.release


def test_a_copy_discloses_and_fresh_rows_do_not(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    for attack in (infer_attributes, reconstruct):
        copied, clean = (attack(scene_of(real, holdout, release, schema)) for release in (real, fresh))
        assert copied.members.mean() > copied.others.mean() + 0.15
        assert copied.members.mean() > copied.baseline.mean() + 0.15
        people = len(clean.members)
        assert abs(clean.members.mean() - clean.others.mean()) < 5 * np.sqrt(0.5 / people)


def test_the_target_is_a_secret_and_every_column_is_hidden_once(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    scene = scene_of(real, holdout, fresh, schema)
    secrets, hidden = infer_attributes(scene), reconstruct(scene)
    assert secrets.columns[0] == "ill"
    assert sorted(hidden.columns) == sorted(schema.names)
    assert list(hidden.table()["Column"]) == list(hidden.columns)
    assert hidden.table()["Targets"].between(0, 1).all()


def test_what_the_population_gives_away_is_no_disclosure() -> None:
    """A secret that follows from what is known: the attacker is always right, about controls as well."""
    rng = np.random.default_rng(0)
    frames = [pd.DataFrame({"x": rng.integers(0, 5, 400), "y": 0}) for _ in range(3)]
    frames = [frame.assign(y=(frame["x"] % 2).map({0: "even", 1: "odd"})) for frame in frames]
    schema = Schema(columns=(Column(name="x", kind=Kind.INTEGER), Column(name="y", kind=Kind.CATEGORY)), target="y")
    found = infer_attributes(scene_of(*frames, schema))
    assert found.columns[0] == "y"
    assert found.members[:, 0].mean() == found.others[:, 0].mean() == found.baseline[:, 0].mean() == 1.0


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (Kind.INTEGER, [None] * 40, 0.0),
        (Kind.CATEGORY, [None] * 40, 0.0),
        (Kind.CATEGORY, [str(i) for i in range(40)], 0.0),  # every value once: nothing to guess
        (Kind.CATEGORY, ["same"] * 40, 1.0),
        (Kind.INTEGER, [7] * 40, 1.0),
    ],
)
def test_columns_without_much_in_them(kind: Kind, values: list[object], expected: float) -> None:
    frame = pd.DataFrame({"known": range(40), "hidden": values})
    schema = Schema(columns=(Column(name="known", kind=Kind.INTEGER), Column(name="hidden", kind=kind)))
    plain = prepare(frame, None, frame, schema).real
    for known in (("known",), ()):
        assert guess_right(plain, plain, plain, schema, "hidden", known).mean() == expected
