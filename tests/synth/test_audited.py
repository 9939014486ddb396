import hashlib
import json

import pytest

from synth.audited import audit_lines, audit_path


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.synth"
    path.write_bytes(b"a model")
    return path


def write(model, **changes):
    facts = {
        "format": "synth-audit", "headline": "not contradicted by any of 3 checks", "measured": "epsilon is at least 1",
        "created": "2026-11-22", "synth": "0.1.0", "findings": [1, 2, 3],
        "model_sha256": hashlib.sha256(b"a model").hexdigest(),
    }  # fmt: skip
    audit_path(model).write_text(json.dumps(facts | changes))


def test_a_release_without_an_audit_says_so(model):
    assert audit_lines(model) == [("audit", "none beside this file; run: synth audit")]


def test_the_audit_of_this_file_is_told(model):
    write(model)
    found = dict(audit_lines(model))
    assert found["outcome"] == "not contradicted by any of 3 checks"
    assert found["measured"] == "epsilon is at least 1"
    assert found["when"] == "2026-11-22, synth 0.1.0, 3 checks"


def test_an_audit_of_another_file_does_not_count(model):
    write(model)
    model.write_bytes(b"another model")
    assert "of another file" in audit_lines(model)[0][1]


@pytest.mark.parametrize("change", [{"format": "x"}, {"findings": None}, {"headline": "red \x1b[31m"}])
def test_what_is_no_audit_is_said_to_be_none(model, change):
    write(model, **change)
    assert "not an audit" in audit_lines(model)[0][1]


def test_damage_is_no_traceback(model):
    audit_path(model).write_text("{")
    assert "not an audit" in audit_lines(model)[0][1]
