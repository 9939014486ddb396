import json

import numpy as np
import pandas as pd
import pytest

from evaluation.bench import techniques
from evaluation.bench.data import Data
from synth.errors import RefusedError
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 99)),
        Column(name="town", kind=Kind.CATEGORY, categories=("Aix", "Bath", "Ulm")),
        Column(name="paid", kind=Kind.CATEGORY, categories=("no", "yes")),
    ),
    target="paid",
)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(0, 100, 1500), "town": rng.choice(["Aix", "Bath", "Ulm"], 1500)})
    frame = frame.assign(paid=np.where(rng.random(1500) < frame["age"] / 100, "yes", "no")).astype(str)
    return Data(train=frame.iloc[:1200], test=frame.iloc[1200:], schema=SCHEMA)


def refuse(*_):
    raise RefusedError("too few\nrows")


LINES = (
    techniques.Technique(name="real", noise="all", trust="all", make=lambda data, *_: data.train),
    techniques.Technique(name="narrow", noise="all", trust="all", make=lambda data, *_: data.train.drop(columns="town")),
    techniques.Technique(name="fitted", noise="all", trust="all", make=techniques.Fit(model="independent")),
    techniques.Technique(name="open", noise="none", trust="all", make=techniques.baseline("independent")),
    techniques.Technique(name="refusing", noise="all", trust="all", make=refuse),
)


def test_runs_are_recorded_once_and_shown(data, tmp_path, monkeypatch):
    monkeypatch.setattr(techniques, "load_data", lambda _: data)
    for name, value in {"TECHNIQUES": LINES, "EPSILONS": (1.0, 3.0), "SEEDS": (0, 1), "DATASETS": ("adult",)}.items():
        monkeypatch.setattr(techniques, name, value)
    place = tmp_path / "r.jsonl"
    techniques.main(place, ("adult",))
    techniques.main(place, ("adult",))
    records = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
    assert len(records) == 2 * (4 * 2 + 1)  # a baseline without privacy has no epsilon
    by_name = {r["technique"]: r for r in records}
    assert by_name["real"]["scores"]["tv_3way"] == 0
    assert by_name["real"]["scores"]["tstr_auc"] > 0.7
    assert "tv_3way" not in by_name["narrow"]["scores"]
    assert 0.25 < by_name["open"]["scores"]["tstr_auc"] < 0.75
    shown = techniques.table(records)
    assert "refused: too few rows" in shown
    assert shown.count("\n") == 1 + 5
    assert "0.0000 ± 0.0000 / 0.0000 ± 0.0000" in next(line for line in shown.splitlines() if line.startswith("| real |"))


def test_every_line_of_the_table_has_its_own_name():
    names = [t.name for t in techniques.TECHNIQUES]
    assert len(set(names)) == len(names)


def test_public_rows_are_not_among_the_private_ones(data, monkeypatch):
    seen = {}

    def fit(rows, **terms):
        seen.update(terms, private=rows)
        raise RefusedError("seen")

    monkeypatch.setattr(techniques, "fit", fit)
    with pytest.raises(RefusedError):
        techniques.Fit(model="marginal", public=True)(data, 1.0, 0)
    assert not set(seen["private"].index) & set(seen["public"].index)


def test_cells_are_randomised_at_their_source(data):
    drawn = techniques.randomized(data, 8.0, 0)
    assert list(drawn.columns) == ["age", "town", "paid"]
    assert len(drawn) == 1200
    assert 0.05 < np.mean(drawn["town"].to_numpy() == data.train["town"].to_numpy()) < 0.99


def test_columns_are_chosen_for_the_target(data):
    drawn = techniques.Fit(model="independent", terms={"max_columns": 2}, for_target=True)(data, 1.0, 0)
    assert set(drawn.columns) == {"age", "paid"}
