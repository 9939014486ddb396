import json

import numpy as np
import pandas as pd
import pytest

from evaluation.bench import public_rows
from evaluation.bench.data import Data
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


def test_the_public_tenth_shares_no_row_with_the_private_rest(data):
    private, tenth = public_rows.split(data, 0)
    assert len(tenth) == 120
    assert sorted([*private.train.index, *tenth.index]) == list(range(1200))


def test_public_tables_are_what_they_are_called(data):
    _, tenth = public_rows.split(data, 0)
    made = {kind: public_rows.public_table(kind, tenth, 0) for kind in public_rows.TABLES}
    assert made["none"] is None
    assert made["older"]["age"].astype(int).min() >= public_rows.OLDER
    for kind in ("shuffled", "sorted"):
        for name in tenth:
            assert sorted(made[kind][name]) == sorted(tenth[name])
    assert list(made["sorted"]["paid"]) == sorted(tenth["paid"])


def test_runs_are_recorded_once(data, tmp_path, monkeypatch):
    monkeypatch.setattr(public_rows, "load_data", lambda _: data)
    for name, value in {"EPSILONS": (3.0,), "MODELS": ("independent",), "SEEDS": (0,)}.items():
        monkeypatch.setattr(public_rows, name, value)
    monkeypatch.setattr(public_rows, "UNDECLARED", "independent")
    place = tmp_path / "r.jsonl"
    public_rows.main(place, ("none", "older", "alone"))
    public_rows.main(place, ("none", "older", "alone"))
    records = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
    assert [(r["public"], r["declared"]) for r in records] == [
        ("none", True), ("older", True), ("alone", True), ("none", False), ("same", False),
    ]  # fmt: skip
    assert all(0 <= r["scores"]["tv_1way"] <= 1 for r in records)
