import json
import shutil

import pytest

from synth.api import fit
from synth.cli.deciding import ledger_of
from synth.errors import InputError
from synth.privacy.chain import read_ledger


@pytest.fixture(scope="module")
def released(place, tmp_path_factory):
    """A model with its ledger, and rows of it."""
    folder = tmp_path_factory.mktemp("released")
    release = fit(
        place / "t.csv",
        epsilon=3.0,
        schema=place / "s.toml",
        model="independent",
        seed=0,
        ledger=folder / "m.synth.ledger.jsonl",
    )
    release.save(folder / "m.synth")
    release.sample(seed=0).to_csv(folder / "syn.csv", index=False)
    return folder


@pytest.fixture
def home(released, tmp_path):
    shutil.copytree(released, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def evaluate(call, place, home):
    def go(*more):
        real = ("--real", place / "t.csv", "--synthetic", home / "syn.csv", "-m", home / "m.synth")
        return call("evaluate", *real, "-o", home / "r.html", "-q", *more)

    return go


def asked(home):
    return [record for record in read_ledger(home / "m.synth.ledger.jsonl") if record["record"] == "asked"]


def test_the_template_is_printed_and_works(call, evaluate, home):
    code, out, err = call("evaluate", "--policy-template")
    assert code == 0, err
    (home / "p.toml").write_text(out)
    assert "max_attack_advantage" in out


def test_a_failed_gate_is_exit_code_3_with_its_name(evaluate, home):
    (home / "p.toml").write_text("max_epsilon = 1.0\n")
    code, out, err = evaluate("--policy", home / "p.toml")
    assert code == 3
    assert "fails the policy: max_epsilon" in err
    assert "do not publish" in out
    assert "fails the policy" in (home / "r.html").read_text()
    (home / "p.toml").write_text("max_epsilon = 5.0\n")
    code, _, err = evaluate("--policy", home / "p.toml", "-f")
    assert code == 0, err
    assert "voids the guarantee" in err
    assert "passes the policy" in (home / "r.html").read_text()
    records = asked(home)
    assert len(records) == 2
    assert records[0]["policy"] != records[1]["policy"]
    assert records[0]["release"] == records[1]["release"]
    assert not {"passed", "verdict", "scores"} & set(records[0])


def test_an_asking_that_cannot_be_recorded_is_not_answered(evaluate, home, call, place):
    (home / "p.toml").write_text("max_epsilon = 5.0\n")
    (home / "m.synth.ledger.jsonl").unlink()
    code, out, err = evaluate("--policy", home / "p.toml")
    assert code == 2
    assert "there is no ledger" in err
    assert out == ""
    real = ("--real", place / "t.csv", "--synthetic", home / "syn.csv", "-o", home / "r.html", "-q")
    code, _, err = call("evaluate", *real, "--policy", home / "p.toml")
    assert code == 2
    assert "--ledger" in err
    assert not (home / "r.html").exists()


def test_publish_writes_a_page_and_charges(evaluate, home):
    code, out, err = evaluate("--publish", "0.5", "--publish-delta", "1e-6")
    assert code == 0, err
    assert "epsilon 3.5" in out
    page = (home / "r.html").read_text()
    assert "epsilon 3.5" in page
    runs = [record for record in read_ledger(home / "m.synth.ledger.jsonl") if record["record"] == "run"]
    assert [run["purpose"] for run in runs] == ["fit", "published report"]
    assert runs[1]["epsilon"] == 0.5
    code, out, _ = evaluate("--publish", "0.5", "--json", "-f")
    assert code == 0
    assert json.loads(out)["facts"]["epsilon_report"] == 0.5


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--holdout", "t"), "goes without"),
        (("--policy", "p"), "goes without"),
        (("--schema", "s"), "goes without"),
        (("--ledger", "nowhere"), "no ledger"),
        (("-t", "nothing"), "'nothing'"),
        (("--publish-delta", "0.009"), "--publish-delta"),
        (("--publish-delta", "0.5"), "delta"),
        (("--publish", "0"), "epsilon"),
    ],
)
def test_publish_refuses_what_is_not_paid_for(evaluate, home, place, more, words):
    options = ["--publish", "0.5", *(place / "t.csv" if word == "t" else word for word in more)]
    code, _, err = evaluate(*options)
    assert code == 2
    assert words in err
    assert not (home / "r.html").exists()


def test_publish_needs_the_model(call, place, home):
    code, _, err = call(
        "evaluate", "--real", place / "t.csv", "--synthetic", home / "syn.csv", "--publish", "1", "-o", home / "r.html"
    )
    assert code == 2
    assert "--model" in err


def test_the_ledger_is_beside_the_model():
    assert ledger_of("a/m.synth", None, "x").name == "m.synth.ledger.jsonl"
    assert ledger_of("a/m.synth", "b", "x").name == "b"
    with pytest.raises(InputError, match="x is recorded"):
        ledger_of(None, None, "x")
