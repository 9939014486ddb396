import dataclasses
import importlib
import json
import sys

import pytest

from evaluation.bench.grid import RESULTS
from evaluation.bench.tables import COLUMNS


@pytest.fixture
def bench():
    return importlib.import_module("evaluation.bench.__main__")


def record(cell):
    return {
        **dataclasses.asdict(cell), "fit": {"seconds": 1.0, "peak_mib": 5},
        "sample_100k": {"seconds": 1.0}, "scores": {n: {"value": 0.5, "ceiling": None, "floor": None} for _, n, _ in COLUMNS},
    }  # fmt: skip


def test_the_grid_that_is_asked_for(bench, monkeypatch, tmp_path, capsys):
    seen = []

    def run_grid(cells, path):
        for cell in cells:
            seen.append(cell)
            with path.open("a") as file:
                file.write(json.dumps(record(cell)) + "\n")
            yield record(cell)

    monkeypatch.setattr(bench, "run_grid", run_grid)
    bench.main(["--datasets", "adult", "--epsilons", "1,2", "--seeds", "2", "--results", str(tmp_path / "q.jsonl")])
    assert len(seen) == 2 * 2 * 3
    assert {(c.epsilon, c.seed) for c in seen} == {(1.0, 0), (1.0, 1), (2.0, 0), (2.0, 1)}
    assert {c.model for c in seen} == set(bench.MODELS)
    out = capsys.readouterr().out
    assert out.count("adult dpvae 0") == 2
    assert "| adult | 2 | `dpgan` | 2 |" in out


def test_tables_only(bench, capsys, tmp_path):
    bench.main(["--tables", "--results", str(tmp_path / "q.jsonl")])
    assert capsys.readouterr().out == ""
    bench.main(["--tables", "--results", str(RESULTS / "quality.jsonl")])
    assert "times plain" in capsys.readouterr().out


def test_steps(bench, monkeypatch, tmp_path, capsys):
    one = {"network": "n", "parameters": 1, "batch": 2, "step": "s", "milliseconds": 1.0, "ratio": 1.0}
    monkeypatch.setattr("evaluation.bench.steps.measure_steps", lambda: [one])
    bench.main(["--steps", "--results", str(tmp_path / "new" / "q.jsonl")])
    assert json.loads((tmp_path / "new" / "steps.jsonl").read_text()) == one
    assert "| n | 1 | 2 | s | 1.0 | 1.00 |" in capsys.readouterr().out


def test_models_are_the_registry(bench):
    from synth.registry import SYNTHESIZERS

    assert set(bench.MODELS) == set(SYNTHESIZERS)


def test_unknown_flags(bench, capsys):
    with pytest.raises(SystemExit):
        bench.main(["--nope"])
    assert "usage" in capsys.readouterr().err
    assert "evaluation.bench.__main__" in sys.modules
