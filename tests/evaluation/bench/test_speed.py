"""Costs as tables grow: what is recorded, on tiny tables; how long it took is nobody's test."""

import json
from types import SimpleNamespace

import pytest

from evaluation.bench.plot import plot_speed
from evaluation.bench.speed import Sizes, counting, run_speed, sampling, speed_table, wide_chunk, wide_columns
from synth.api import fit
from synth.encoding.values import check_header
from synth.schema import Column, Kind, Schema

TINY = Sizes(rows=(100, 200), widths=(3,), fit_rows=(), fit_widths=(), sample=300, length=50)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import pandas as pd

    rows = pd.DataFrame({"b": ["true", "false"] * 200})
    release = fit(rows, epsilon=5.0, schema=Schema(columns=(Column(name="b", kind=Kind.BOOLEAN),)), model="independent")
    return release.save(tmp_path_factory.mktemp("model") / "m.synth")


def test_a_pass_says_what_it_moved():
    record = counting(500, 4, copied=1e9)
    assert (record["pairs"], record["rows"], record["columns"]) == (6, 500, 4)
    assert record["mib_moved"] >= 0
    assert record["share_of_copy"] > 0


@pytest.mark.parametrize("width", [3, 20, 45])
def test_wide_tables_have_the_columns_that_their_schema_says(width):
    import numpy as np

    table = wide_chunk(30, width, np.random.default_rng(0))
    assert table.num_rows == 30
    check_header(table.column_names, Schema(columns=wide_columns(width)))


def test_records_table_and_plot(tmp_path, model, monkeypatch):
    from evaluation.bench import speed

    monkeypatch.setattr(speed, "START", 200)
    monkeypatch.setattr(speed, "COPY_BYTES", 1 << 10)
    weighed = {"model": "marginal", "cpu_seconds": 1.0, "seconds": 2.0}
    monkeypatch.setattr(speed, "fitting", lambda rows, width, _: {"bench": "fit", "rows": rows, "columns": width, **weighed})
    monkeypatch.setattr(
        speed, "large_samples", lambda release, rows: [{"bench": "large samples", "which": "all", "rows": rows}]
    )
    sizes = Sizes(rows=(100, 200), widths=(3,), fit_rows=(10,), fit_widths=(5,), sample=300, length=50, many=40)
    run_speed(tmp_path / "deep" / "speed.jsonl", sizes, model)
    records = [json.loads(line) for line in (tmp_path / "deep" / "speed.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [r["bench"] for r in records] == ["counting"] * 3 + ["sampling"] * 3 + [
        "large samples", "very large sample", "fit", "fit",
    ]  # fmt: skip
    assert {"date", "machine", "commit"} <= set(records[0])
    assert {r["format"] for r in records if r["bench"] == "sampling"} == {"parquet", "feather", "csv"}
    shown = speed_table(records)
    assert shown.count("|---") == 10 + 7 + 6 + 5 + 6
    assert "Sampling:" in shown
    plot_speed(records, tmp_path / "a.svg")
    plot_speed(records, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_without_a_model_nothing_is_sampled(tmp_path):
    run_speed(tmp_path / "speed.jsonl", TINY)
    assert "sampling" not in (tmp_path / "speed.jsonl").read_text(encoding="utf-8")
    assert "Sampling" not in speed_table([])


def test_rows_that_are_drawn_faster_are_compared_with_those_drawn_with_care(monkeypatch, model):
    import pandas as pd

    from evaluation.bench import speed
    from synth.release import load

    release = load(model)
    rows = pd.DataFrame({"b": ["true", "false"] * 20})
    monkeypatch.setattr(speed, "START", 50)
    monkeypatch.setattr(speed, "load_data", lambda _: SimpleNamespace(train=rows, test=rows, schema=release.schema))
    found = list(speed.large_samples(release, 100))
    assert [(r["which"], r["rows"]) for r in found] == [("the first 40", 40), ("40 after the first 50", 40), ("all 100", 100)]
    assert all(r["tv_1way"] < 0.5 for r in found)


@pytest.mark.slow
def test_a_whole_fit_is_weighed(tmp_path):
    from evaluation.bench.speed import fitting

    assert fitting(2000, 4, tmp_path)["cpu_seconds"] > 0


def test_writers_get_the_rows_that_were_drawn(model, tmp_path):
    from synth.release import load

    record = sampling(load(model), 100, "csv", tmp_path)
    assert (record["format"], record["rows"]) == ("csv", 100)
    assert list(tmp_path.iterdir()) == []
