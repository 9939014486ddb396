import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.bench import grid
from evaluation.bench.cells import Cell, key
from evaluation.bench.data import Data
from evaluation.bench.grid import Terms, circumstances, command, latest, read_results, run_cell, run_grid
from evaluation.bench.peering import Peer
from evaluation.bench.simulators import parity
from synth.errors import InputError, SynthError

CELLS = [
    Cell(dataset=d, model=m, epsilon=1.0, delta=1e-5, seed=s) for d in ("randhie", "adult") for s in (0, 1) for m in ("a", "b")
]  # fmt: skip


@pytest.fixture
def ran(monkeypatch):
    """Names of what was run; data and cells are made up."""
    done = {"cells": [], "data": [], "said": []}

    def run(cell, data, terms):
        done["cells"].append(cell)
        return {**dataclasses.asdict(cell), "scores": {}, "data": data}

    monkeypatch.setattr(grid, "run_cell", run)
    monkeypatch.setattr(grid, "load_data", lambda name: done["data"].append(name) or name)
    return done


def test_everything_runs_once(ran, tmp_path):
    path = tmp_path / "new" / "r.jsonl"
    records = list(run_grid(CELLS, path, Terms(say=ran["said"].append)))
    assert ran["cells"] == CELLS
    assert ran["data"] == ["randhie", "adult"]
    assert records[0]["data"] == "randhie"
    assert read_results(path) == records
    assert ran["said"][0] == "[1/8] randhie, epsilon 1, a, seed 0"
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
    assert len({key(r) for r in read_results(path)}) == len(CELLS)


def test_another_budget_or_option_is_another_run(ran, tmp_path):
    path = tmp_path / "r.jsonl"
    base = dict(dataset="randhie", model="a", seed=0)
    cells = [Cell(epsilon=e, delta=d, **base) for e, d in ((1.0, 1e-5), (2.0, 1e-5), (1.0, 1e-6))]
    cells.append(Cell(epsilon=1.0, delta=1e-5, options={"latent": 3}, **base))
    assert len(list(run_grid(cells, path))) == 4
    assert len(list(run_grid(cells, path))) == 0


def test_old_records_count_as_done(ran, tmp_path):
    path = tmp_path / "r.jsonl"
    old = {"dataset": "randhie", "model": "a", "epsilon": 1.0, "delta": 1e-5, "seed": 0, "commit": "x-dirty"}
    path.write_text(json.dumps(old) + "\n")
    assert len(list(run_grid(CELLS, path))) == len(CELLS) - 1


def test_a_failure_is_a_record_and_the_grid_goes_on(ran, tmp_path, monkeypatch):
    path, whole = tmp_path / "r.jsonl", grid.run_cell

    def fails(cell, data, terms):
        if cell.model == "b":
            raise SynthError("no\nluck")
        return whole(cell, data, terms)

    monkeypatch.setattr(grid, "run_cell", fails)
    records = list(run_grid(CELLS, path))
    assert [r.get("failed") for r in records] == [None, "no luck"] * 4
    assert records[1]["variant"] == "b"
    assert "commit" in records[1]
    assert list(run_grid(CELLS, path)) == []
    monkeypatch.setattr(grid, "run_cell", whole)
    assert len(list(run_grid(CELLS, path, Terms(retry=True)))) == 4
    assert list(run_grid(CELLS, path, Terms(retry=True))) == []
    assert len(read_results(path)) == 12
    assert not [r for r in latest(read_results(path)) if "failed" in r]


def test_results_files(tmp_path):
    path = tmp_path / "r.jsonl"
    assert read_results(path) == []
    path.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert read_results(path) == [{"a": 1}, {"a": 2}]
    path.write_text('{"a": 1}\n{"a"')
    with pytest.raises(InputError, match=r"line 2 of .*damaged"):
        read_results(path)


def test_commands(monkeypatch, tmp_path):
    monkeypatch.chdir(Path(grid.__file__).parents[2])
    assert set(command(["--version"])) == {"seconds", "cpu_seconds", "peak_mib"}
    with pytest.raises(SynthError, match="synth fit failed: error: there is no file"):
        command(["fit", str(tmp_path / "none.csv"), "-e", "1", "-o", str(tmp_path / "m.synth"), "-q"])


def test_circumstances_say_what_a_rerun_needs():
    found = circumstances()
    assert set(found) == {"date", "machine", "python", "versions", "commit"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    assert {"torch", "numpy", "dp-accounting"} <= set(found["versions"])
    assert "cores" in found["machine"]
    assert not found["commit"].endswith("-dirty")


def test_circumstances_without_git(monkeypatch):
    monkeypatch.setattr(grid.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 128, "", ""))
    assert circumstances()["commit"] == "none"


@pytest.fixture(scope="module")
def little():
    train, test, schema = parity(0)
    return Data(train=train[:600], test=test[:300], schema=schema)


def test_a_cell_goes_through_the_real_commands(little, monkeypatch):
    """Every figure of the README comes from ``synth fit`` and ``synth sample`` with nothing but the public schema."""
    asked = []

    def pretend(arguments, limit):
        asked.append(arguments)
        if arguments[0] == "sample":
            little.train.to_parquet(arguments[arguments.index("-o") + 1])
        else:
            assert "kind" in Path(arguments[arguments.index("--schema") + 1]).read_text()
        assert limit == 7
        return {"seconds": 1.0, "cpu_seconds": 2.0, "peak_mib": 3}

    monkeypatch.setattr(grid, "command", pretend)
    cell = Cell(dataset="parity", model="dpvae", options={"latent": 5}, epsilon=1.0, delta=1e-5, seed=4)
    record = run_cell(cell, little, Terms(limit=7))
    fit, sample, many = asked
    assert fit[0] == "fit"
    flags = (("--epsilon", "1.0"), ("--delta", "1e-05"), ("--model", "dpvae"), ("--seed", "4"), ("--set", "latent=5"))
    for flag, value in flags:
        assert fit[fit.index(flag) + 1] == value
    assert sample[sample.index("-n") + 1] == "600"
    assert many[many.index("-n") + 1] == "100000"
    assert key(record) == key(dataclasses.asdict(cell))
    assert record["variant"] == "dpvae[latent=5]"
    assert set(record["scores"]["detection_auc"]) == {"value", "low", "high", "ceiling", "floor"}
    assert {"tv_1way", "tv_3way", "tstr_auc", "detection_auc"} <= set(record["scores"])
    json.dumps(record, allow_nan=False)


FAKE = """
def generate(frame, columns, *, epsilon, delta, seed, rows, options, target):
    assert (epsilon, delta, seed, rows, target) == (1.0, 1e-5, 3, 600, "label")
    assert options == {"method": "shuffle", "depth": "2"}
    return frame.sample(rows, replace=True, random_state=seed)
"""


def test_a_peer_goes_through_its_own_interpreter(little, monkeypatch, tmp_path):
    (tmp_path / "fake.py").write_text(FAKE)
    peer = Peer(script=tmp_path / "fake.py", library="fake-1.0", options={"method": "shuffle"})
    monkeypatch.setattr(grid, "PEERS", {"fake": peer})
    monkeypatch.setattr(grid, "interpreter", lambda peer, cache, say: Path(sys.executable))
    cell = Cell(dataset="parity", model="fake", options={"depth": "2"}, epsilon=1.0, delta=1e-5, seed=3)
    record = run_cell(cell, little, Terms(cache=tmp_path))
    assert record["peer"] == "fake-1.0"
    assert record["fit"]["peak_mib"] > 10
    assert "sample_100k" not in record
    assert record["scores"]["tv_1way"]["value"] < 0.1
