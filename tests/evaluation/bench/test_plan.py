import dataclasses
import json

import pytest

from evaluation.bench import grid
from evaluation.bench.peering import PEERS
from evaluation.bench.plan import DATASETS, MODELS, RESULTS, Plan, cells_of, default_results, run_plan
from evaluation.bench.tables import COLUMNS
from synth.errors import InputError


def record(cell):
    return {
        **dataclasses.asdict(cell), "fit": {"seconds": 1.0, "cpu_seconds": 1.0, "peak_mib": 5},
        "sample_100k": {"seconds": 1.0}, "scores": {n: {"value": 0.5, "ceiling": None, "floor": None} for _, n, _ in COLUMNS},
    }  # fmt: skip


@pytest.fixture
def seen(monkeypatch):
    """Cells that a pretended grid ran; the second one failed."""
    found = []

    def run_grid(cells, path, terms):
        for cell in cells:
            found.append(cell)
            done = {**record(cell), **({"failed": "no luck"} if len(found) == 2 else {})}
            with path.open("a") as file:
                file.write(json.dumps(done) + "\n")
            yield done

    monkeypatch.setattr(grid, "run_grid", run_grid)
    return found


def test_the_grid_that_is_asked_for(seen, tmp_path, capsys):
    said = []
    plan = Plan(datasets=("adult",), models=("dpvae", "dpgan", "independent"), epsilons=(1.0, 2.0), seeds=2,
                sets=("dpvae.latent=8",), results=tmp_path / "q.jsonl")  # fmt: skip
    run_plan(plan, said.append)
    assert len(seen) == 2 * 2 * 4
    assert {(c.epsilon, c.seed) for c in seen} == {(1.0, 0), (1.0, 1), (2.0, 0), (2.0, 1)}
    assert said[0] == f"16 runs, recorded in {tmp_path / 'q.jsonl'}"
    assert "adult dpgan 0 failed: no luck" in said
    out = capsys.readouterr().out
    assert out.count("adult dpvae 0") == 2
    assert "| adult | 2 | 1e-05 | `dpgan` | 2 |" in out
    assert "`dpvae[latent=8]`" in out
    assert "no luck" in out


def test_what_is_run_when_nothing_is_said():
    cells = cells_of(Plan())
    assert {c.model for c in cells} == set(MODELS)
    assert {c.dataset for c in cells} == set(DATASETS)
    assert len(cells) == 5 * len(MODELS) * len(DATASETS)
    assert {c.model for c in cells_of(Plan(peers=True))} == set(PEERS)
    assert {(c.model, tuple(c.options)) for c in cells_of(Plan(sets=("dpvae.latent=8",)))} == {("dpvae", ("latent",))}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"datasets": ("nope",)}, "no data set 'nope'"),
        ({"models": ("nope",)}, "no model 'nope'"),
        ({"sets": ("dpvae.nope=1",)}, "no option 'nope'"),
        ({"epsilons": (0.0,)}, "epsilons must be positive"),
        ({"epsilons": (float("nan"),)}, "epsilons must be positive"),
        ({"delta": 1.0}, "delta between"),
        ({"seeds": 0}, "seeds at least 1"),
    ],
)
def test_nonsense_is_refused_before_anything_runs(change, words):
    with pytest.raises(InputError, match=words):
        cells_of(Plan(**change))


def test_only_showing_shows_what_is_asked_for(capsys, tmp_path):
    run_plan(Plan(only_show=True, results=tmp_path / "q.jsonl"), print)
    assert capsys.readouterr().out == ""
    path = RESULTS / "quality.jsonl"
    run_plan(Plan(only_show=True, results=path), print)
    out = capsys.readouterr().out
    assert "times dense" in out
    assert "houses" in out
    run_plan(Plan(only_show=True, results=path, datasets=("adult",), models=("marginal",)), print)
    out = capsys.readouterr().out
    assert "| adult | 1 | 1e-05 | `marginal` |" in out
    assert "houses" not in out
    assert "`hybrid`" not in out


def test_a_drawing(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    run_plan(Plan(only_show=True, results=RESULTS / "quality.jsonl", plot=tmp_path / "q.svg"), print)
    assert "hybrid" in (tmp_path / "q.svg").read_text()
    with pytest.raises(InputError):
        run_plan(Plan(only_show=True, plot=tmp_path / "q.png"), print)
    capsys.readouterr()


def test_steps(monkeypatch, tmp_path, capsys):
    one = {"network": "n", "parameters": 1, "batch": 2, "step": "s", "milliseconds": 1.0, "ratio": 1.0}
    monkeypatch.setattr("evaluation.bench.steps.measure_steps", lambda: [one])
    run_plan(Plan(steps=True, results=tmp_path / "new" / "q.jsonl"), print)
    assert json.loads((tmp_path / "new" / "steps.jsonl").read_text()) == one
    assert "| n | 1 | 2 | s | 1.0 | 1.00 |" in capsys.readouterr().out


def test_records_go_to_the_checkout_or_here(monkeypatch, tmp_path):
    assert default_results() == RESULTS / "quality.jsonl"
    monkeypatch.setattr("evaluation.bench.plan.RESULTS", tmp_path / "none")
    assert str(default_results()) == "bench.jsonl"
