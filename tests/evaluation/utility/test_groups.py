from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from evaluation.inputs import prepare
from evaluation.utility.groups import find_groups, gaps_of, score_groups
from evaluation.utility.models import LEARNERS
from evaluation.utility.trial import REAL, Trial, prepare_trial
from synth.schema import Column, Kind, Schema


def simulate(seed: int, spoilt: bool = False) -> pd.DataFrame:
    """Both groups follow ``x``; where spoilt, the small group's relation is lost."""
    rng = np.random.default_rng(seed)
    n_rows = 3000
    group = rng.choice(["large", "small", "tiny"], n_rows, p=[0.79, 0.2, 0.01])
    x = rng.normal(size=n_rows)
    y = x + 0.5 * rng.normal(size=n_rows) > 0
    lost = (group == "small") & spoilt
    return pd.DataFrame(
        {"x": x, "group": group, "age": rng.integers(18, 90, n_rows), "y": np.where(lost, rng.random(n_rows) < 0.5, y)}
    )


SCHEMA = Schema(
    columns=(
        Column(name="x", kind=Kind.FLOAT),
        Column(name="group", kind=Kind.CATEGORY),
        Column(name="age", kind=Kind.INTEGER),
        Column(name="y", kind=Kind.BOOLEAN),
    ),
    target="y",
)


@pytest.fixture(scope="module")
def spoilt():
    tables = prepare(simulate(0), simulate(1), simulate(2, spoilt=True), SCHEMA, groups=("group", "age", "group"))
    trial, _ = prepare_trial(tables, LEARNERS, halves=True)
    return trial, tables


def test_the_spoilt_group_is_named_with_its_loss(spoilt) -> None:
    trial, tables = spoilt
    section = score_groups(trial, tables)
    (score,) = section.scores
    assert "(group: small)" in score.meaning
    assert score.value > 0.1 > score.ceiling
    assert score.low > score.ceiling
    assert score.floor > score.value
    table = section.tables["Subgroups"]
    assert set(table["Column"]) == {"group", "age"}
    assert len(table) == (3 + 4) * 3 * 4
    small = table[(table["Group"] == "small") & (table["Metric"] == "AUC") & (table["Model"] != "linear model")]
    assert (small["Loss"] > 0.1).all()
    assert (table[table["Group"] == "large"]["Loss"].abs() < 0.1).all()
    assert table[table["Group"] == "tiny"]["Loss"].isna().all()
    assert "'tiny'" in section.notes[0]


def test_levels_are_those_of_the_groups_rows(spoilt) -> None:
    trial, tables = spoilt
    large = next(g for g in find_groups(tables.real, trial.test, SCHEMA["group"]) if g.label == "large")
    assert large.share == pytest.approx(0.79, abs=0.04)
    gap = gaps_of(trial, large, "linear")["auc"]
    shares = trial.predictions[REAL, "linear"][large.rows, 1]
    assert gap.levels[REAL] == pytest.approx(roc_auc_score(trial.truth[large.rows], shares))
    low, value, high = gap.interval().low, gap.interval().value, gap.interval().high
    assert low <= value <= high


def test_numbers_are_cut_at_quartiles_and_missing_is_a_group() -> None:
    real = pd.DataFrame({"n": [*np.arange(100.0), np.nan], "few": [1.0, 2.0] * 50 + [1.0], "d": np.arange(101) * 86400.0})
    labels = {kind: [g.label for g in find_groups(real, real, Column(name=name, kind=kind))]
              for name, kind in (("n", Kind.FLOAT), ("few", Kind.INTEGER), ("d", Kind.DATETIME))}  # fmt: skip
    assert sorted(labels[Kind.FLOAT])[0] == "(missing)"
    assert len(labels[Kind.FLOAT]) == 5
    assert set(labels[Kind.INTEGER]) == {"1", "2"}
    assert "1970-01-01 to 1970-01-26" in labels[Kind.DATETIME]


def test_rare_categories_are_one_group() -> None:
    real = pd.DataFrame({"c": [f"v{i}" for i in range(30) for _ in range(30 - i)]})
    groups = find_groups(real, pd.DataFrame({"c": ["v0", "new"]}), Column(name="c", kind=Kind.CATEGORY))
    others = next(g for g in groups if g.label == "(others)")
    assert len(groups) == 13
    assert others.rows.tolist() == [False, True]
    assert sum(g.share for g in groups) == pytest.approx(1.0)


def test_no_group_is_a_note(spoilt: tuple[Trial, object]) -> None:
    tables = prepare(simulate(0), simulate(1), simulate(2), SCHEMA)
    assert "--group" in score_groups(spoilt[0], tables).notes[0]
