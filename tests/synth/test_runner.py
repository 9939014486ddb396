import inspect

import pytest

from synth import runner
from synth.api import fit
from synth.config import FitConfig
from synth.errors import InputError
from synth.progress import Silent
from synth.registry import DEFAULT


@pytest.fixture
def asked(monkeypatch):
    said = {}
    monkeypatch.setattr(runner, "fit", lambda data, **facts: said.update(data=data, **facts))
    return said


def test_everything_that_is_said_reaches_fit(asked, tmp_path):
    progress = Silent()
    config = FitConfig(
        data="a.csv",
        epsilon=1.0,
        delta=1e-6,
        schema="s",
        model="dpgan",
        options={"steps": 1},
        seed=0,
        delimiter=";",
        encoding="x",
        noise_key="k",
        public="p.csv",
        purpose="y",
        max_columns=3,
        protect_groups=("race",),
        quote="'",
        sql="select",
        sheet="first",
    )
    runner.fit_config(config, tmp_path, progress, checkpoint=tmp_path / "c", resume=True)
    assert asked == {
        "data": "a.csv", "epsilon": 1.0, "delta": 1e-6, "schema": "s", "model": "dpgan", "options": {"steps": 1}, "seed": 0,
        "ledger": tmp_path, "noise_key": "k", "progress": progress, "delimiter": ";", "encoding": "x",
        "protect_groups": ("race",),
        "public": "p.csv", "quote": "'", "sql": "select", "sheet": "first", "checkpoint": tmp_path / "c", "resume": True,
        "purpose": "y", "max_columns": 3,
    }  # fmt: skip
    assert set(asked) == set(inspect.signature(fit).parameters) - {"own_rows"}  # for frames, which no command has


def test_silence_takes_the_defaults_of_fit(asked, tmp_path):
    runner.fit_config(FitConfig(data="a.csv", epsilon=1.0), tmp_path, Silent())
    defaults = {k: p.default for k, p in inspect.signature(fit).parameters.items()}
    assert asked["model"] == DEFAULT == defaults["model"]
    assert asked["encoding"] == defaults["encoding"]
    assert asked["seed"] is defaults["seed"] is None
    assert asked["delta"] is defaults["delta"] is None
    assert asked["noise_key"] is defaults["noise_key"] is None


@pytest.mark.parametrize("config", [FitConfig(), FitConfig(data="a"), FitConfig(epsilon=1.0)])
def test_a_table_and_an_epsilon_are_needed(config, asked, tmp_path):
    with pytest.raises(InputError, match="needs a table and an epsilon"):
        runner.fit_config(config, tmp_path, Silent())
    assert asked == {}
