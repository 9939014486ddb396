import json

import pytest

from evaluation.audit import session
from evaluation.audit.session import FullPlan
from evaluation.audit.sightings import Finding


@pytest.fixture
def copied(model, tmp_path):
    path = tmp_path / "m.synth"
    path.write_bytes(model.read_bytes())
    return path


def test_an_audit_lies_beside_the_release_and_is_shown_on_its_card(call, copied):
    before = copied.read_bytes()
    code, out, err = call("audit", copied, "-q")
    assert code == 0, err
    assert "not contradicted by any of" in out
    assert "epsilon is at least" in out
    assert copied.read_bytes() == before
    assert (copied.parent / "m.synth.audit.html").read_text().startswith("<!doctype html>")
    facts = json.loads((copied.parent / "m.synth.audit.json").read_text())
    assert facts["contradicted"] == []
    code, out, _ = call("inspect", copied, "--html", copied.parent / "card.html")
    assert "Last audit" in out
    assert "not contradicted" in " ".join(out.split())
    assert "Last audit" in (copied.parent / "card.html").read_text()
    assert json.loads(call("inspect", copied, "--json")[1])["audit"]["outcome"].startswith("not contradicted")
    code, _, err = call("audit", copied, "-q")
    assert (code, "--force" in err) == (2, True)


def test_json_on_stdout(call, copied):
    code, out, _ = call("audit", copied, "--json")
    assert code == 0
    assert json.loads(out)["format"] == "synth-audit"


def test_a_release_without_an_audit_says_so(call, copied):
    assert "none beside this file" in call("inspect", copied)[1]


@pytest.mark.parametrize("arguments", [(), ("m.synth", "--full")])
def test_either_a_model_or_everything(call, arguments):
    code, out, err = call("audit", *arguments)
    assert (code, out) == (2, "")
    assert "synth audit model.synth" in err


def test_what_is_no_model_is_refused(call, tmp_path):
    assert call("audit", tmp_path / "none.synth", "-q")[0] == 2
    assert not list(tmp_path.iterdir())


def test_a_contradicted_claim_is_an_exit_code_of_its_own(call, tmp_path, monkeypatch):
    wrong = Finding(check="unit", attacks="x", contradicted=True, significance=1e-6)
    plan = FullPlan(checks=("unit",), models=(), fits=1)
    monkeypatch.setattr(session, "FullPlan", lambda: plan)
    monkeypatch.setattr(session, "CHECKS", {"unit": type("C", (), {"finding": staticmethod(lambda rng: wrong)})})
    code, out, err = call("audit", "--full", "-q", "-o", tmp_path / "all.html")
    assert code == 3
    assert "CONTRADICTED" in out
    assert "contradicted by: unit" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all.html", "all.json"]


def test_a_full_audit(call, tmp_path, monkeypatch):
    plan = FullPlan(checks=("unit",), models=("independent",), fits=1)
    monkeypatch.setattr(session, "FullPlan", lambda: plan)
    code, out, err = call("audit", "--full", "-q", "-o", tmp_path / "all.html")
    assert code == 0, err
    assert "not contradicted by any of 2 checks" in out
