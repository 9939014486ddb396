"""Estimates from randomised rows: unbiased, with standard errors that hold, and refusals in a sentence."""

import json

import numpy as np
import pandas as pd
import pytest

from synth.errors import InputError
from synth.local import LocalRows, load_local, record_path
from synth.randomize import randomize
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="ward", kind=Kind.CATEGORY, categories=("a", "b", "c")),
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 99)),
        Column(name="ok", kind=Kind.BOOLEAN, nullable=False),
        Column(name="one", kind=Kind.CATEGORY, categories=("x",), nullable=False),
        Column(name="day", kind=Kind.DATETIME, bounds=("2000-01-01", "2000-12-31"), nullable=False),
    )
)
N = 3000


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    ward = rng.choice(["a", "b", ""], N, p=[0.6, 0.3, 0.1])
    age = np.where(rng.random(N) < 0.1, "", rng.integers(10, 60, N).astype(str))
    ok = np.where((ward == "a") | (rng.random(N) < 0.2), "true", "false")
    day = np.datetime64("2000-01-01") + rng.integers(0, 300, N)
    return pd.DataFrame({"ward": ward, "age": age, "ok": ok, "one": "x", "day": day.astype(str)})


@pytest.fixture(scope="module")
def file(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("local") / "t.csv"
    table.to_csv(path, index=False)
    return path


def told(file, folder, number=0, **options):
    out = folder / f"out{number}.csv"
    randomize(file, out, schema=SCHEMA, force=True, **{"epsilon": 10.0, **options})
    return load_local(out)


def truth(table, a, b):
    return np.array([[((table[a[0]] == x) & (table[b[0]] == y)).mean() for y in b[1]] for x in a[1]])


@pytest.mark.statistical
def test_shares_are_unbiased_and_their_errors_hold(file, table, tmp_path):
    """Sixty randomisations: means within seven standard errors (3e-8), their spread as told within .6 (z > 6)."""
    known = truth(table, ("ward", ["a", "b", "c", ""]), ("ok", ["false", "true"]))
    ones, twos, errors = [], [], []
    for i in range(60):
        rows = told(file, tmp_path, i, bins=4)
        ones.append(rows.shares("ward").shares)
        found = rows.shares("ward", "ok")
        twos.append(found.shares)
        errors.append(found.errors)
    assert found.labels == (("a", "b", "c", None), ("False", "True"))
    for seen, true in ((np.array(ones), known.sum(1)), (np.array(twos), known)):
        assert (np.abs(seen.mean(0) - true) < 7 * seen.std(0) / np.sqrt(60)).all()
    spread = np.array(twos).std(0)
    assert (np.abs(spread / np.sqrt((np.array(errors) ** 2).mean(0)) - 1) < 0.6).all()
    assert found.errors.min() > 0


@pytest.mark.statistical
def test_means_are_unbiased_also_where_cells_are_missing(file, table, tmp_path):
    """Eighty randomisations: the mean within six standard errors (2e-9), its error within two fifths (six of its own, or more).

    The standard error counts that rows are a draw from a population as well, which stays the same here: that part is added.
    """
    ages = pd.to_numeric(table["age"])
    found = np.array([told(file, tmp_path, i, epsilon=5.0, weights={"age": 10.0}).mean("age") for i in range(80)])
    assert abs(found[:, 0].mean() - ages.mean()) < 6 * found[:, 0].std() / np.sqrt(80)
    spread = np.hypot(found[:, 0].std(), ages.std() / np.sqrt(ages.count()))
    assert 0.6 < spread / found[:, 1].mean() < 1.4


def test_bins_and_gaps_come_back(file, table, tmp_path):
    rows = told(file, tmp_path, epsilon=100.0, bins=4)
    found = rows.shares("age")
    assert found.labels[0] == (12.0, 37.0, 62.0, 87.0, None)
    assert found.shares[-1] == pytest.approx((table["age"] == "").mean(), abs=0.01)
    assert rows.shares("one").shares.tolist() == [1.0]
    assert rows.shares("one").errors.tolist() == [0.0]
    assert len(rows.shares("day").labels[0]) == 4


def test_a_mean_without_gaps(tmp_path):
    schema = Schema(columns=(Column(name="x", kind=Kind.FLOAT, bounds=(0, 1), nullable=False),))
    (tmp_path / "t.csv").write_text("x\n" + "0.25\n" * 500)
    randomize(tmp_path / "t.csv", tmp_path / "o.csv", schema=schema, epsilon=50.0)
    value, error = load_local(tmp_path / "o.csv").mean("x")
    assert value == pytest.approx(0.25, abs=6 * error)
    assert 0 < error < 0.003


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda r: r.shares(), "each once"),
        (lambda r: r.shares("ok", "ok"), "each once"),
        (lambda r: r.shares("age"), "Laplace noise"),
        (lambda r: r.shares("who"), "no column 'who'"),
        (lambda r: r.mean("ward"), "no unbiased mean"),
        (lambda r: r.mean("day"), "no unbiased mean"),
    ],
)
def test_what_the_rows_do_not_carry_is_refused(file, tmp_path, ask, match):
    with pytest.raises(InputError, match=match):
        ask(told(file, tmp_path))


def test_tables_of_too_many_cells_and_columns_of_gaps_are_refused(file, tmp_path, monkeypatch):
    rows = told(file, tmp_path)
    monkeypatch.setattr("synth.local.MOST_CELLS", 5)
    with pytest.raises(InputError, match="too many cells"):
        rows.shares("ward", "ok")
    with pytest.raises(InputError, match="shows no value"):
        LocalRows(rows.rows.assign(age=""), rows.record).mean("age")
    with pytest.raises(InputError, match="shows no value"):
        LocalRows(rows.rows.iloc[:0], rows.record).mean("age")


def test_rows_and_record_belong_together(file, tmp_path):
    told(file, tmp_path)
    out = tmp_path / "out0.csv"
    out.write_text(out.read_text().replace("\na,", "\nz,"))
    with pytest.raises(InputError, match="does not know"):
        load_local(out).shares("ward")
    assert load_local(out, record_path(out)).record["epsilon"] == 10.0
    for text in ("", "[]", "{}", json.dumps({"schema": {"columns": [{"name": "x"}]}, "columns": []})):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(InputError, match="no record"):
            load_local(out, tmp_path / "r.json")
