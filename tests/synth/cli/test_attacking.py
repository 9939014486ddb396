import json

import pytest


@pytest.fixture
def arguments(place):
    return ("attack", place / "t.csv", "-s", place / "s.toml", "-m", "independent", "-e", "3", "-n", "8", "--targets", "4")


def test_attack_reports_against_the_claim(call, arguments, tmp_path):
    code, out, err = call(*arguments, "--records", tmp_path / "r.jsonl", "-q")
    assert code == 0, err
    assert "do not publish" in out
    assert "at most" in out
    for name in ("all", "random", "vulnerable"):
        assert name in out
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 8
    code, out, err = call(*arguments, "--records", tmp_path / "r.jsonl", "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert facts["fits"] == 8
    assert len(facts["targets"]) == 4
    assert len(facts["outcomes"]) == 3
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 8


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("-n", "7"), "even number"),
        (("-n", "6"), "at least 8"),
        (("--targets", "1"), "--targets takes"),
        (("--targets", "400"), "half of the rows"),
        (("-w", "0"), "--workers"),
        (("-m", "nothing"), "nothing"),
        (("-e", "0"), "epsilon"),
    ],
)
def test_bad_options_are_one_sentence(call, arguments, more, words):
    code, out, err = call(*arguments, *more, "-q")
    assert code == 2
    assert words in err
    assert out == ""


def test_a_broken_claim_is_said_aloud(call, arguments, monkeypatch):
    """A generator that gives its rows away, in the place of the model."""
    from evaluation.attacks.refits import Synthesizer

    monkeypatch.setattr(Synthesizer, "__call__", lambda self, rows, schema: rows)
    code, _, err = call(*arguments, "-q")
    assert code == 0
    assert "the claim does not hold" in err
