import json

import numpy as np
import pandas as pd
import pytest

from evaluation.bench import groups
from evaluation.bench.data import Data
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 99)),
        Column(name="race", kind=Kind.CATEGORY, categories=("a", "b", "c")),
        Column(name="sex", kind=Kind.CATEGORY, categories=("f", "m")),
        Column(name="paid", kind=Kind.CATEGORY, categories=("no", "yes")),
    ),
    target="paid",
)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(0, 100, 1600), "race": rng.choice(list("abc"), 1600, p=[0.7, 0.29, 0.01])})
    frame = frame.assign(sex=rng.choice(["f", "m"], 1600), paid=np.where(rng.random(1600) < frame["age"] / 100, "yes", "no"))
    frame = frame.astype(str)
    return Data(train=frame.iloc[:1000], test=frame.iloc[1000:], schema=SCHEMA)


def test_groups_are_scored_apart(data):
    same = groups.scores(data, data.train, "race", 0)
    assert list(same) == ["a", "b", "c", groups.ALL]
    assert all(facts["tv_1way"] == 0 for facts in same.values())
    assert same["a"]["auc"] == same["a"]["auc_real"]
    assert "auc" not in same["c"]  # too few test rows
    older = data.train[(data.train["race"] != "b") | (data.train["age"].astype(int) > 50)]
    found = groups.scores(data, older[older["race"] != "c"], "race", 0)
    assert found["a"]["tv_1way"] == 0
    assert 0.1 < found["b"]["tv_1way"] < 1
    assert (found["c"]["tv_1way"], found["c"]["drawn_share"]) == (1.0, 0.0)


def test_runs_are_recorded_once_and_shown(data, tmp_path, monkeypatch):
    made = groups.scores(data, data.train, "race", 0)
    monkeypatch.setattr(groups, "load_data", lambda _: data)
    monkeypatch.setattr(groups, "SEEDS", (0,))
    monkeypatch.setattr(
        groups, "run",
        lambda _, model, column, seed, *, protected: {
            "model": model, "column": column, "seed": seed, "protected": protected, "groups": made
        },
    )  # fmt: skip
    place = tmp_path / "r.jsonl"
    for _ in range(2):
        groups.main(place, ("marginal",))
    records = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
    assert [r["protected"] for r in records] == [False, True]
    lines = groups.table(records).splitlines()
    assert len(lines) == 2 + 4
    assert lines[2].startswith("| `marginal` | (all) | 1.000 |")
    assert lines[-1].count("|") == lines[0].count("|")


def test_a_run_fits_with_and_without(data, monkeypatch):
    told = []

    class Released:
        def sample(self, rows, seed):
            return data.train

    monkeypatch.setattr(groups, "fit", lambda rows, **facts: told.append(facts["protect_groups"]) or Released())
    for protected in (False, True):
        assert groups.run(data, "marginal", "race", 0, protected=protected)["protected"] is protected
    assert told == [(), ["race"]]
