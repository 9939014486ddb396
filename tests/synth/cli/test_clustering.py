from pathlib import Path

import pytest

from synth import cluster
from synth.cli.clustering import fit_engine, sample_engine
from synth.config import FitConfig
from synth.errors import InputError

QUIET = {"force": False, "quiet": True, "as_json": False}


def test_a_fit_is_handed_on(monkeypatch):
    said = {}

    def fake(config, target, ledger, workers, *, force, resume):
        said.update(config=config, target=target, ledger=ledger, workers=workers, force=force, resume=resume)
        return "release"

    monkeypatch.setattr(cluster, "fit_on_ray", fake)
    config = FitConfig(data="a.csv", epsilon=1.0)
    found = fit_engine("ray", config, Path("m.synth"), 3, resume=True, **QUIET)
    assert found == ("release", Path("m.synth.ledger.jsonl"))
    told = {"config": config, "target": Path("m.synth"), "ledger": found[1], "workers": 3, "force": False, "resume": True}
    assert said == told


@pytest.mark.parametrize(("engine", "workers", "words"), [("spark", None, "knows ray"), ("ray", 0, "at least 1")])
def test_what_does_not_go_is_said_before_anything_starts(engine, workers, words):
    with pytest.raises(InputError, match=words):
        fit_engine(engine, FitConfig(), Path("m.synth"), workers, resume=False, **QUIET)


def test_a_sample_is_a_folder_of_plain_rows(monkeypatch, capsys):
    monkeypatch.setattr(cluster, "sample_on_ray", lambda model, target, rows, **_: (rows, 2))
    sample_engine("ray", Path("m.synth"), Path("rows"), 5, None, None, plain=True, **QUIET)
    assert capsys.readouterr().out.startswith("rows: 5 rows in 2 files")
    for plain, target, words in ((False, "rows", "without conditions"), (True, "rows.csv", "name a folder")):
        with pytest.raises(InputError, match=words):
            sample_engine("ray", Path("m.synth"), Path(target), 5, None, None, plain=plain, **QUIET)
