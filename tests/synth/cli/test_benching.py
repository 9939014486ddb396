import json

import pytest

from evaluation.bench import grid
from evaluation.bench.data import Data
from evaluation.bench.simulators import parity


@pytest.fixture
def little(monkeypatch):
    train, test, schema = parity(0)
    monkeypatch.setattr(grid, "load_data", lambda name: Data(train=train[:400], test=test[:200], schema=schema))
    monkeypatch.chdir(grid.Path(grid.__file__).parents[2])


def test_a_tiny_grid_runs_resumes_and_is_drawn(call, tmp_path, little):
    """Real fits of the quickest model on a simulated table."""
    pytest.importorskip("matplotlib")
    path, plot = tmp_path / "b.jsonl", tmp_path / "b.svg"
    arguments = ("bench", "-m", "independent", "--datasets", "parity", "--seeds", "2", "-e", "2", "--results", path)
    code, out, err = call(*arguments, "--plot", plot)
    assert code == 0, err
    assert err.splitlines()[0] == f"2 runs, recorded in {path}"
    assert "[2/2] parity, epsilon 2, independent, seed 1" in err
    assert "| parity | 2 | 1e-05 | `independent` | 2 |" in out
    assert "independent" in plot.read_text()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [r["seed"] for r in records] == [0, 1]
    assert all(r["fit"]["cpu_seconds"] > 0 for r in records)
    assert call(*arguments, "-q")[2] == ""
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--models", "nope"), "no model 'nope'"),
        (("--datasets", "nope"), "no data set 'nope'"),
        (("--epsilons", "1,x"), "--epsilons takes numbers"),
        (("--set", "dpvae"), "--set takes model.option=value"),
        (("--plot", "x.png"), ".svg"),
    ],
)
def test_bad_requests_are_one_sentence(call, tmp_path, arguments, words):
    code, out, err = call("bench", *arguments, "--results", tmp_path / "b.jsonl")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert words in err
    assert not (tmp_path / "b.jsonl").exists()


def test_an_interruption_says_how_to_go_on(call, tmp_path, monkeypatch):
    def stop(plan, say):
        raise KeyboardInterrupt

    monkeypatch.setattr("evaluation.bench.plan.run_plan", stop)
    code, _, err = call("bench", "--results", tmp_path / "b.jsonl")
    assert code == 4
    assert err.startswith(f"error: interrupted; finished runs are kept in {tmp_path / 'b.jsonl'}")
