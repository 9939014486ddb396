import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest

from evaluation.bench import grid
from evaluation.bench.grid import Cell, circumstances, command, read_results, run_cell, run_grid, split
from synth.errors import SynthError

CELLS = [
    Cell(dataset=d, model=m, epsilon=1.0, delta=1e-5, seed=s) for d in ("randhie", "adult") for s in (0, 1) for m in ("a", "b")
]  # fmt: skip


@pytest.fixture
def ran(monkeypatch):
    """Names of what was run; splits and cells are made up."""
    done = {"cells": [], "splits": []}

    def run(cell, train, holdout):
        done["cells"].append(cell)
        return {"dataset": cell.dataset, "model": cell.model, "epsilon": cell.epsilon, "delta": cell.delta, "seed": cell.seed,
                "scores": {}, "parts": [train, holdout]}  # fmt: skip

    monkeypatch.setattr(grid, "run_cell", run)
    monkeypatch.setattr(grid, "split", lambda name: done["splits"].append(name) or (name, "held"))
    return done


def test_everything_runs_once(ran, tmp_path):
    path = tmp_path / "new" / "r.jsonl"
    records = list(run_grid(CELLS, path))
    assert ran["cells"] == CELLS
    assert ran["splits"] == ["randhie", "adult"]
    assert [r["parts"] for r in records[:1]] == [["randhie", "held"]]
    assert read_results(path) == records
    assert list(run_grid(CELLS, path)) == []
    assert len(ran["cells"]) == len(CELLS)


def test_an_interrupted_grid_goes_on_where_it_stopped(ran, tmp_path):
    path = tmp_path / "r.jsonl"
    started = run_grid(CELLS, path)
    for _ in range(3):
        next(started)
    started.close()
    assert len(read_results(path)) == 3
    assert len(list(run_grid(CELLS, path))) == len(CELLS) - 3
    keys = [(r["dataset"], r["model"], r["seed"]) for r in read_results(path)]
    assert len(set(keys)) == len(CELLS)


def test_another_epsilon_or_delta_is_another_run(ran, tmp_path):
    path = tmp_path / "r.jsonl"
    base = dict(dataset="randhie", model="a", seed=0)
    cells = [Cell(epsilon=e, delta=d, **base) for e, d in ((1.0, 1e-5), (2.0, 1e-5), (1.0, 1e-6))]
    assert len(list(run_grid(cells, path))) == 3
    assert len(list(run_grid(cells, path))) == 0


def test_a_failure_keeps_what_is_done(ran, tmp_path, monkeypatch):
    path, whole = tmp_path / "r.jsonl", grid.run_cell

    def fails(cell, train, holdout):
        if cell.model == "b":
            raise SynthError("no")
        return whole(cell, train, holdout)

    monkeypatch.setattr(grid, "run_cell", fails)
    with pytest.raises(SynthError):
        list(run_grid(CELLS, path))
    assert len(read_results(path)) == 1


def test_no_file_is_no_results(tmp_path):
    assert read_results(tmp_path / "none.jsonl") == []
    (tmp_path / "r.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    assert read_results(tmp_path / "r.jsonl") == [{"a": 1}, {"a": 2}]


def test_commands_are_timed_and_weighed(monkeypatch, tmp_path):
    monkeypatch.chdir(grid.Path(grid.__file__).parents[2])
    found = command(["--version"])
    assert set(found) == {"seconds", "cpu_seconds", "peak_mib"}
    assert 0 < found["cpu_seconds"] < 30
    assert 10 < found["peak_mib"] < 2000
    with pytest.raises(SynthError, match="synth fit failed: error: there is no file"):
        command(["fit", str(tmp_path / "none.csv"), "-e", "1", "-o", str(tmp_path / "m.synth"), "-q"])


def test_a_quarter_is_held_out_and_always_the_same():
    pytest.importorskip("statsmodels")
    (train, held), (again, _) = split("randhie"), split("randhie")
    assert len(train) + len(held) == 20_190
    assert len(held) / 20_190 == pytest.approx(0.25, abs=0.015)
    pd.testing.assert_frame_equal(train, again)


def test_circumstances_say_what_a_rerun_needs():
    found = circumstances()
    assert set(found) == {"date", "machine", "python", "versions", "commit"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    assert {"torch", "numpy", "dp-accounting"} <= set(found["versions"])
    assert "cores" in found["machine"]


def test_circumstances_without_git(monkeypatch):
    monkeypatch.setattr(grid.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 128, "", ""))
    assert circumstances()["commit"] == "none"


def test_a_cell_goes_through_the_real_commands(monkeypatch):
    """Every figure of the README comes from ``synth fit`` and ``synth sample`` with nothing but the card's schema."""
    asked = []
    table = pd.DataFrame({"a": np.arange(6)})

    def pretend(arguments):
        asked.append(arguments)
        if arguments[0] == "sample":
            table.to_parquet(arguments[arguments.index("-o") + 1])
        else:
            assert "kind" in grid.Path(arguments[arguments.index("--schema") + 1]).read_text()
        return {"seconds": 1.0, "cpu_seconds": 2.0, "peak_mib": 3}

    section = type("S", (), {"scores": ()})()
    monkeypatch.setattr(grid, "command", pretend)
    monkeypatch.setattr(grid, "prepare", lambda *a, **k: None)
    for name in ("score_marginals", "score_utility", "score_detection"):
        monkeypatch.setattr(grid, name, lambda tables: section)
    cell = Cell(dataset="randhie", model="dpvae", epsilon=1.0, delta=1e-5, seed=4)
    record = run_cell(cell, table, table)
    fit, sample, many = asked
    assert fit[0] == "fit"
    for flag, value in (("--epsilon", "1.0"), ("--delta", "1e-05"), ("--model", "dpvae"), ("--seed", "4")):
        assert fit[fit.index(flag) + 1] == value
    assert sample[sample.index("-n") + 1] == "6"
    assert many[many.index("-n") + 1] == "100000"
    assert {k: record[k] for k in ("dataset", "model", "epsilon", "delta", "seed")} == {
        "dataset": "randhie", "model": "dpvae", "epsilon": 1.0, "delta": 1e-5, "seed": 4,
    }  # fmt: skip
    json.dumps(record, allow_nan=False)
