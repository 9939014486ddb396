import sys

import pytest

from evaluation.bench.plot import check_plot, plot_quality
from synth.errors import InputError

pytest.importorskip("matplotlib")


def record(model="independent", seed=0, dataset="adult", name="tstr_auc", **more):
    one = {"value": 0.1 + 0.01 * seed, "ceiling": 0.05, "floor": 0.2}
    return {
        "dataset": dataset, "model": model, "epsilon": 1.0, "delta": 1e-5, "seed": seed,
        "fit": {"seconds": 3.0, "cpu_seconds": 2.0 + seed, "peak_mib": 9}, "scores": {"tv_3way": one, name: one}, **more,
    }  # fmt: skip


def test_a_mark_per_model_and_no_date(tmp_path):
    records = [record(seed=s) for s in range(3)] + [record("dpmm-aim"), record("dpvae", options={"latent": 8})]
    records += [record(dataset="houses", name="tstr_r2"), record(dataset="plain", name="other"), record(seed=9, failed="no")]
    plot_quality(records, tmp_path / "a.svg")
    plot_quality(records, tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    for word in ("dpmm-aim", "dpvae[latent=8]", "independent", "TSTR AUC", "TSTR R2", "fit, CPU seconds", "fresh real rows"):
        assert word in text
    assert "<dc:date>" not in text


def test_nothing_to_draw(tmp_path):
    with pytest.raises(InputError, match="no finished run"):
        plot_quality([record(failed="no")], tmp_path / "a.svg")


def test_what_cannot_be_drawn_is_refused_first(tmp_path, monkeypatch):
    check_plot(tmp_path / "a.svg")
    for path in (tmp_path / "a.png", tmp_path / "none" / "a.svg"):
        with pytest.raises(InputError, match=r"\.svg file in an existing folder"):
            check_plot(path)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"synth-dp\[bench\]"):
        check_plot(tmp_path / "a.svg")
