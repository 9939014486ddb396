"""``synth coordinate`` and ``synth site``: what they say, and mistakes in one sentence each."""

import contextlib
import json

import pytest

from synth import flower
from synth.cli.main import run
from synth.errors import InputError
from synth.release import load
from synth.sites import LIMIT

SCHEMA = """
public_rows = 200

[[columns]]
name = "ward"
kind = "category"
categories = ["x", "y"]
nullable = false
"""


@pytest.fixture
def ward(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ward.csv").write_text("ward\n" + "x\n" * 150 + "y\n" * 50)
    (tmp_path / "shared.toml").write_text(SCHEMA)
    return tmp_path


@pytest.fixture
def alone(monkeypatch, room):
    """A line to a coordinator of this one site."""
    here = room(1)
    monkeypatch.setattr(flower, "site", lambda *said: contextlib.nullcontext(lambda message: here.exchange(0, message)))
    return here


SITE = [
    "site",
    "ward.csv",
    "--schema",
    "shared.toml",
    "--epsilon",
    "1",
    "--coordinator",
    "127.0.0.1:9092",
    "-m",
    "independent",
    "-q",
]


def test_a_site_and_its_coordinator(ward, alone, monkeypatch, capsys):
    assert run([*SITE, "-o", "a.synth"]) == 0
    assert "a.synth: independent, epsilon 1" in capsys.readouterr().out
    assert load(ward / "a.synth").receipt.limits[0] == LIMIT.format(size=1)
    assert (ward / "a.synth.ledger.jsonl").is_file()
    monkeypatch.setattr(flower, "coordinate", lambda *said: (alone.release, False))
    assert run(["coordinate", "--sites", "3", "-o", "b.synth"]) == 0
    said = capsys.readouterr()
    assert "b.synth: independent of 3 sites" in said.out
    assert "differ in their last digits" in said.err
    assert (ward / "a.synth").read_bytes() == (ward / "b.synth").read_bytes()


def test_what_a_site_hands_in_is_not_kept_unless_it_is_a_model(ward, monkeypatch, capsys):
    monkeypatch.setattr(flower, "coordinate", lambda *said: (b"anything", True))
    assert run(["coordinate", "--sites", "2", "-o", "b.synth", "-q"]) == 2
    assert "b.synth" not in {path.name for path in ward.iterdir()}
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_run_does_not_go_on_and_an_earlier_one_is_told(ward, alone, capsys):
    """A site that was killed is charged anew, and its ledger holds both runs."""
    plain = [word for word in SITE if word != "-q"]
    assert run([*plain, "-o", "a.synth"]) == 0
    assert "already records" not in capsys.readouterr().err
    assert run([*plain, "-o", "a.synth", "--resume", "-f"]) == 2
    assert "does not go on" in capsys.readouterr().err
    assert run(["coordinate", "--sites", "2", "--resume"]) == 2
    assert "does not go on" in capsys.readouterr().err
    book = (ward / "a.synth.ledger.jsonl").read_bytes()
    assert run([*plain, "-o", "b.synth", "--ledger", "a.synth.ledger.jsonl"]) in (0, 1)  # the line is used up
    assert "already records 1 run(s)" in " ".join(capsys.readouterr().err.split())
    assert (ward / "a.synth.ledger.jsonl").read_bytes().startswith(book)


def test_facts_for_machines(ward, alone, monkeypatch, capsys):
    assert run([*SITE, "--json", "--ledger", "book.jsonl"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["same"] is True
    assert facts["ledger"] == "book.jsonl"
    monkeypatch.setattr(flower, "coordinate", lambda *said: (alone.release, True))
    assert run(["coordinate", "--sites", "2", "--json", "-f"]) == 0
    assert json.loads(capsys.readouterr().out)["sites"] == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["coordinate", "--sites", "1"], "at least 2"),
        (["coordinate", "--sites", "2", "--certificate", "c.pem"], "go together"),
        (["coordinate", "--sites", "2", "--certificate", "c.pem", "--key", "k.pem"], "no file 'c.pem'"),
        (["coordinate", "--sites", "2", "--port", "99999"], "such as 127.0.0.1:9092"),
        (["coordinate", "--sites", "2", "--patience", "0"], "above 0"),
        ([*SITE, "--coordinator", "nowhere"], "such as 127.0.0.1:9092"),
        ([*SITE, "--model", "mst"], "no site may know"),
        (["site", "none.csv", *SITE[2:]], "there is no table"),
        ([*SITE, "--certificate", "none.pem"], "no file 'none.pem'"),
    ],
)
def test_mistakes_end_in_a_sentence(ward, capsys, words, text):
    assert run(words) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
    assert not list(ward.glob("*.synth*"))


def test_tls_is_handed_on(ward, monkeypatch):
    for name in ("c.pem", "k.pem"):
        (ward / name).write_text("x")
    heard = []

    def coordinate(*said):
        heard.append(said)
        raise InputError("enough")

    monkeypatch.setattr(flower, "coordinate", coordinate)
    assert run(["coordinate", "--sites", "2", "--certificate", "c.pem", "--key", "k.pem", "--host", "::1", "-q"]) == 2
    place, sites, _, encryption, patience = heard[0]
    assert (place, sites, patience) == (("::1", 9092), 2, 7200)
    assert (encryption.certificate.name, encryption.key.name) == ("c.pem", "k.pem")
