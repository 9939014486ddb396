import json

import pytest


@pytest.fixture
def sweep(call, place, tmp_path):
    def go(*more):
        return call(
            "sweep", place / "t.csv", "-s", place / "s.toml", "-m", "independent", "-e", "1,3", "--max-rows", 150,
            "--baseline", "independent", "-o", tmp_path / "w.html", "-q", *more,
        )  # fmt: skip

    return go


def test_private_rows_are_not_touched_before_the_cost_is_accepted(sweep, place, tmp_path):
    code, _, err = sweep("--holdout", place / "t.csv")
    assert code == 2
    assert "2 fit(s) will be charged" in err
    assert "not accepted" in err
    assert list(tmp_path.iterdir()) == []


def test_an_accepted_sweep_is_charged_shown_and_resumed(sweep, place, tmp_path):
    code, out, err = sweep("--holdout", place / "t.csv", "--yes", "--json")
    assert code == 0, err
    whole = json.loads(out)
    assert "epsilon 4 by plain addition" in whole["facts"]["charged"]
    assert whole["curves"]["tv_2way"]["epsilons"] == [1.0, 3.0]
    assert "contains private information" in (tmp_path / "w.html").read_text()
    before = (tmp_path / "w.html.ledger.jsonl").read_bytes()
    code, out, err = sweep("--holdout", place / "t.csv", "--force")
    assert code == 0, err
    assert "do not publish" in out
    assert (tmp_path / "w.html.ledger.jsonl").read_bytes() == before


def test_declared_public_rows_are_free_and_split(sweep, tmp_path):
    code, out, err = sweep("--public-data")
    assert code == 0, err
    assert "nothing was charged" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.html", "w.html.jsonl"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "--holdout"),
        (("--simulated", "parity"), "not both"),
        (("--public-data", "-e", "1,x"), "numbers with commas"),
        (("--public-data", "-e", "3,1"), "increasing order"),
        (("--public-data", "--baseline", "gan"), "none of them is private"),
        (("--public-data", "-m", "gan"), "no model 'gan'"),
    ],
)
def test_bad_input_is_one_sentence(sweep, tmp_path, more, words):
    code, out, err = sweep(*more)
    assert (code, out) == (2, "")
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_unknown_simulations_are_named(call, tmp_path):
    code, _, err = call("sweep", "--simulated", "nothing", "-o", tmp_path / "w.html")
    assert code == 2
    assert "parity" in err
