import json

import pytest

from evaluation.bench.defaults import DATASETS, FIDELITY, VARIANTS, cells, loss_of, main
from synth.registry import make_synthesizer


def record(options, seed, tv, utility=0.8):
    scores = {FIDELITY: {"value": tv, "ceiling": None}, "tstr_auc": {"value": utility, "ceiling": 0.9}}
    return {
        "dataset": "adult", "model": "hybrid", "options": options, "epsilon": 1.0, "delta": 1e-5, "seed": seed, "scores": scores
    }  # fmt: skip


def test_the_grid_is_one_that_can_be_run():
    assert len(cells()) == len(DATASETS) * len(VARIANTS) * 2
    for options in VARIANTS:
        make_synthesizer("hybrid", dict(options))


def test_the_table_says_what_the_defaults_lose(tmp_path, capsys):
    lines = [
        record({}, 0, 0.02),
        record({}, 1, 0.04),
        record({"steps": 400}, 0, 0.01),
        {**record({"steps": 9}, 0, 0), "failed": "x"},
    ]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    main(tmp_path / "r.jsonl", only_show=True)
    assert "| adult | 0.1300 | hybrid[steps=400] | 0.1100 | 0.0200 |" in capsys.readouterr().out
    assert loss_of({"scores": {FIDELITY: {"value": 0.3}}}) == pytest.approx(0.3)
