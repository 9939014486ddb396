import dataclasses

import pytest

from synth.cli import fitting
from synth.config import FitConfig, config_toml, parse_assignments, read_config
from synth.errors import InputError
from synth.registry import make_synthesizer


def test_flags_win_over_the_file_and_silence_does_not():
    base = FitConfig(epsilon=1.0, model="dpgan", options={"steps": 3, "hidden": 8}, seed=0)
    said = base.overridden(epsilon=None, model="dpvae", delta=1e-6, options={"steps": "5"})
    assert said == FitConfig(epsilon=1.0, model="dpvae", delta=1e-6, options={"steps": "5", "hidden": 8}, seed=0)
    assert base.options == {"steps": 3, "hidden": 8}


def test_zero_is_said():
    """A seed or an epsilon of 0 is a value, not silence."""
    assert FitConfig(seed=4, epsilon=1.0).overridden(seed=0, epsilon=0.0) == FitConfig(seed=0, epsilon=0.0)


def test_unknown_flags_raise():
    with pytest.raises(TypeError):
        FitConfig().overridden(epsilonn=1.0)


def test_a_file_says_what_flags_say(tmp_path):
    text = (
        'data = "a.csv"\nschema = "s.toml"\nepsilon = 1\ndelta = 1e-6\nmodel = "dpgan"\nseed = 7\noutput = "m"\nledger = "l"\n'
    )
    (tmp_path / "run.toml").write_text(text + 'delimiter = ";"\nencoding = "latin-1"\n[options]\nsteps = 20\n')
    said = read_config(tmp_path / "run.toml")
    assert said == FitConfig(
        data="a.csv", schema="s.toml", epsilon=1, delta=1e-6, model="dpgan", seed=7, output="m", ledger="l", delimiter=";",
        encoding="latin-1", options={"steps": 20},
    )  # fmt: skip


def test_protected_columns_are_a_list_of_names(tmp_path):
    place = tmp_path / "run.toml"
    place.write_text('protect_groups = ["race", "sex"]', encoding="utf-8")
    assert read_config(place).protect_groups == ("race", "sex")
    for wrong in ('"race"', "[1]"):
        place.write_text(f"protect_groups = {wrong}", encoding="utf-8")
        with pytest.raises(InputError, match="protect_groups"):
            read_config(place)


def test_an_empty_file_says_nothing(tmp_path):
    (tmp_path / "run.toml").write_text("")
    assert read_config(tmp_path / "run.toml") == FitConfig()


BAD = [
    "epsilon = '1'",
    "epsilon = true",
    "seed = 1.5",
    "data = 3",
    "options = 3",
    "nope = 1",
    "= 1",
    "seed = '1'",
    "model = ['a']",
]


@pytest.mark.parametrize("text", BAD)
def test_bad_files(tmp_path, text):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(InputError, match=r"run\.toml"):
        read_config(tmp_path / "run.toml")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_unreadable_files(tmp_path, content):
    if content is not None:
        (tmp_path / "run.toml").write_bytes(content)
    with pytest.raises(InputError, match="cannot read the run file"):
        read_config(tmp_path / "run.toml")
    with pytest.raises(InputError, match="cannot read the run file"):
        read_config(tmp_path)


def test_every_key_has_a_flag():
    flags = set(fitting.fit.__annotations__) - {"return", "force", "quiet", "as_json", "config", "assignments", "resume"}
    flags -= {"engine", "workers"}  # of the launcher
    assert flags | {"options"} == {f.name for f in dataclasses.fields(FitConfig)}


def test_assignments():
    assert parse_assignments([]) == {}
    assert parse_assignments(["steps=200", " a = b=c ", "x="]) == {"steps": "200", "a": "b=c", "x": ""}
    for bad in (["steps"], ["=3"], [" =3"], ["a=1", "a=1"]):
        with pytest.raises(InputError, match="--set"):
            parse_assignments(bad)


def test_a_run_file_is_read_as_it_was_written(tmp_path):
    said = FitConfig(
        data='odd "name".csv', protect_groups=("a", "b"), epsilon=0.5, delta=1e-06, model="hybrid", max_columns=3,
        options={"steps": None, "table_share": 0.2, "private_training": False, "batch_size": 512},
    )  # fmt: skip
    (tmp_path / "run.toml").write_text(config_toml(said))
    found = read_config(tmp_path / "run.toml")
    assert found == said.overridden(options={"steps": "none"})
    assert make_synthesizer("hybrid", found.options) == make_synthesizer("hybrid", said.options)
    (tmp_path / "empty.toml").write_text(config_toml(FitConfig()))
    assert read_config(tmp_path / "empty.toml") == FitConfig()
