from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.inputs import prepare
from evaluation.utility.task import MAX_CLASSES, define_task
from evaluation.utility.tstr import kendall, score_utility, train_and_test
from synth.schema import Column, Kind, Schema


def test_number_target_is_a_regression(real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema) -> None:
    section = score_utility(prepare(real, holdout, fresh, schema, target="income"))
    found = {score.name: score for score in section.scores}
    models = ("", "_linear", "_forest")
    assert set(found) == {f"tstr_{m}{model}" for m in ("r2", "mae") for model in models} | {
        "model_ranking",
        "importance_agreement",
    }
    assert found["tstr_r2"].value > found["tstr_r2"].floor
    assert found["tstr_mae"].value < found["tstr_mae"].floor


def test_several_classes(real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, holdout, fresh, schema, target="job")
    section = score_utility(tables, brief=True)
    assert [score.name for score in section.scores] == ["tstr_auc", "tstr_accuracy", "tstr_f1", "tstr_log_loss"]
    auc = section.scores[0]
    assert auc.value > 0.65
    assert abs(auc.value - auc.ceiling) < 0.05
    assert abs(auc.floor - 0.5) < 0.1


def test_classes_the_real_rows_lack_are_left_out(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    synthetic = real.assign(town=np.where(np.arange(len(real)) % 2 == 0, "atlantis", real["town"]))
    tables = prepare(real, holdout, synthetic, schema, target="town")
    task = define_task(tables.real, schema, "town")
    assert set(task.classes) == {"north", "south"}
    assert 0.3 < train_and_test(tables.synthetic, tables.holdout, schema, task)["accuracy"].value < 0.7


def test_many_classes_are_merged_with_a_note() -> None:
    rng = np.random.default_rng(0)
    schema = Schema(columns=(Column(name="x", kind=Kind.FLOAT), Column(name="y", kind=Kind.CATEGORY)), target="y")
    frame = pd.DataFrame({"x": rng.normal(size=400), "y": rng.integers(0, 80, 400).astype(str)})
    rng = np.random.default_rng(1)
    fresh = pd.DataFrame({"x": rng.normal(size=400), "y": rng.integers(0, 80, 400).astype(str)})
    tables = prepare(frame, fresh, frame, schema)
    assert len(define_task(tables.real, schema, "y").classes) == MAX_CLASSES
    section = score_utility(tables, brief=True)
    assert any("more than 50 classes" in note for note in section.notes)


def test_no_target_is_a_note(real: pd.DataFrame, schema: Schema) -> None:
    bare = Schema(columns=schema.columns)
    section = score_utility(prepare(real, None, real, bare))
    assert section.scores == ()
    assert "no target" in section.notes[0]


def test_target_alone_is_chance() -> None:
    schema = Schema(columns=(Column(name="y", kind=Kind.CATEGORY),), target="y")
    frame = pd.DataFrame({"y": ["a", "b", "b"] * 20})
    assert score_utility(prepare(frame, frame, frame, schema)).scores[0].value == 0.5


def test_kendall_counts_pairs_in_the_same_order() -> None:
    levels = np.array([[0.9, 0.9], [0.8, 0.8], [0.5, 0.5]])
    assert kendall(levels, levels[::-1]).tolist() == [-1.0, -1.0]
    assert kendall(levels, np.ones((3, 2))).tolist() == [0.0, 0.0]


def test_all_rows_of_the_table_have_a_baseline(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    table = score_utility(prepare(real, holdout, fresh, schema)).tables["Utility"]
    trained = table.groupby("Trained on", sort=False)["Model"].nunique()
    assert trained.to_dict() == {"synthetic": 3, "real (non-private baseline)": 4, "shuffled columns": 3}
    constant = table[table["Model"].str.startswith("none")].set_index("Metric")["Value"]
    assert constant["AUC"] == 0.5
