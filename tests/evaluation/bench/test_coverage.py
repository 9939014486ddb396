from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evaluation.bench.coverage import SCHEMA, Trial, draw, names_of, questions, run_coverage, summary
from synth.api import fit

TINY = Trial(model="independent", epsilon=0.3, rows=1200, datasets=2, refits=10)


def test_a_run_goes_on_where_it_stopped_and_sums_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.bench.coverage.LAW_ROWS", 20_000)
    file = tmp_path / "c.jsonl"
    run_coverage(TINY, 1, file)
    first = file.read_text()
    found = run_coverage(TINY, 2, file)
    assert file.read_text().startswith(first)
    assert found["tables"] == len(file.read_text().splitlines()) == 2
    assert set(found["estimates"]) == {"mean of x", "share of y=yes", "share of g=c"}
    mean = found["estimates"]["mean of x"]
    assert set(mean) == {"noise_aware", "without_noise", "as_real"}
    assert mean["noise_aware"]["width"] > mean["as_real"]["width"] > 0  # five times as wide: eight standard errors of that
    json.dumps(found, allow_nan=False)


def test_coverage_is_counted_with_its_interval() -> None:
    one = {f"{what}{kind}": [what == "held"] for what in ("held", "width") for kind in ("", "_without_noise", "_as_real")}
    missed = one | {"held": [False]}
    found = summary(TINY, ["q"], [one] * 19 + [missed])["estimates"]["q"]["noise_aware"]
    assert found["coverage"] == 0.95
    assert found["low"] < 0.95 < found["high"]


def test_models_with_relations_are_asked_for_them() -> None:
    release = fit(draw(300, np.random.default_rng(0)), epsilon=5.0, delta=1e-5, schema=SCHEMA, model="marginal")
    names = names_of(questions(release))
    assert "x (of y)" in names
    assert len(names) == len(set(names)) == 3 + 4 + 4
