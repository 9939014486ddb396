import json

import pandas as pd

from synth.config import read_config


def test_a_free_choice_ends_in_a_run_file_that_fit_takes(call, place, tmp_path):
    public, run = place / "t.csv", tmp_path / "run.toml"
    asked = ("tune", "secret.csv", "--public", public, "-s", place / "s.toml", "-e", "5", "-c", "independent")
    asked = (*asked, "-c", "independent.mechanism=laplace", "--seeds", "1", "-n", "2000", "-o", run, "-q")
    code, out, err = call(*asked)
    assert code == 0, err
    assert "nothing was charged" in out
    found = read_config(run)
    assert (found.data, found.epsilon, found.model) == ("secret.csv", 5.0, "independent")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.toml", "run.toml.jsonl"]
    assert call("fit", place / "t.csv", "--config", run, "-o", tmp_path / "m.synth", "-q")[0] == 0
    code, out, _ = call(*asked, "-f", "--json")
    whole = json.loads(out)
    assert code == 0
    assert {s["candidate"] for s in whole["standings"]} == {"independent", "independent.mechanism=laplace"}


def test_a_private_choice_says_first_what_a_try_gets_and_never_how_many_there_were(call, place, tmp_path):
    asked = ("tune", place / "t.csv", "-s", place / "s.toml", "-e", "8", "-c", "independent", "-c", "marginal", "--runs", "2")
    code, out, err = call(*asked, "-o", tmp_path / "m.synth")
    assert code == 0, err
    assert "each try gets epsilon" in err
    assert "how many is not told" in " ".join(err.split())
    assert "raking" not in err
    assert "seconds" not in err
    assert err.count("trying candidates") == 1
    assert "was chosen among independent, marginal" in " ".join(err.split())
    code, out, _ = call("inspect", tmp_path / "m.synth")
    assert "(truncated" in out
    assert call("sample", tmp_path / "m.synth", "-n", "5", "-o", tmp_path / "s.csv", "-q")[0] == 0
    assert len(pd.read_csv(tmp_path / "s.csv")) == 5


def test_what_does_not_go_together_is_refused_in_a_sentence(call, place, tmp_path):
    csv, many = place / "t.csv", ("-c", "independent", "-c", "marginal")
    for asked, match in (
        ((csv, *many), "give the privacy budget"),
        (("-e", "1", *many), "name the private table"),
        ((csv, "-e", "1", *many, "--rows", "100"), "--rows and --target"),
        ((csv, "-e", "1", *many, "--public", csv, "--runs", "3"), "are free"),
        ((csv, "-e", "1", *many, "--public", csv, "--simulated", "parity"), "and not both"),
        ((csv, "-e", "1", *many, "--public", csv, "--max-columns", "2"), "cannot be compared"),
        ((csv, "-e", "1", *many, "--paid"), "--paid goes with --public"),
        ((csv, "-e", "1", *many, "--protect-groups", "sex"), "does not protect small groups"),
        ((csv, "-e", "1", *many, "--public", csv, "--protect-groups", "sex"), "does not protect small groups"),
        ((csv, "-e", "1", *many, "--purpose", "nobody", "-s", place / "s.toml"), "is not a column"),
        ((csv, "-e", "1"), "2 to 50 candidates"),
        ((csv, "-e", "1", "-c", "mst", "-c", "marginal"), "cannot be tried"),
        ((csv, "-e", "0.001", *many, "--delta", "1e-12"), "too little"),
    ):
        code, _, err = call("tune", *asked, "-o", tmp_path / "o", "-q")
        assert code in (2, 3), asked
        assert match in err
        assert list(tmp_path.iterdir()) == []
