import json

import pytest

from evaluation.audit import session
from evaluation.audit.session import FullPlan, audit_all, audit_release, digest
from synth.errors import ArtifactError, InputError

PLAN = FullPlan(checks=("tables", "unit"), models=("independent",), fits=2)


class Told:
    """Progress that remembers its phases."""

    def __init__(self):
        self.phases = []

    def phase(self, name, total=None):
        self.phases.append(name)

    def advance(self, steps=1):
        pass


@pytest.mark.statistical
def test_everything_is_run_once_and_then_read(tmp_path):
    record, told = tmp_path / "a.jsonl", Told()
    first = audit_all(PLAN, record, told)
    assert [f.check for f in first.findings] == ["tables", "unit", "independent"]
    assert not first.contradicted()
    assert told.phases == ["tables", "unit", "fitting independent"]
    again = Told()
    assert audit_all(PLAN, record, again).findings == first.findings
    assert again.phases == []


def test_an_audit_goes_on_where_it_was_cut_off(tmp_path):
    record, told = tmp_path / "a.jsonl", Told()
    audit_all(PLAN, record)
    lines = record.read_text().splitlines(keepends=True)
    record.write_text(lines[0] + lines[1][:20])
    audit_all(PLAN, record, told)
    assert told.phases == ["unit", "fitting independent"]
    assert len(record.read_text().splitlines()) == 3


def test_findings_of_another_version_do_not_count(tmp_path, monkeypatch):
    record, told = tmp_path / "a.jsonl", Told()
    audit_all(FullPlan(checks=("unit",), models=(), fits=1), record)
    monkeypatch.setattr(session, "__version__", "9.9")
    audit_all(FullPlan(checks=("unit",), models=(), fits=1), record, told)
    assert told.phases == ["unit"]


def test_another_file_is_no_record(tmp_path):
    record = tmp_path / "a.jsonl"
    record.write_text(json.dumps({"x": 1}) + "\n")
    with pytest.raises(InputError, match="not the record of an audit"):
        audit_all(PLAN, record)


def test_models_that_are_not_installed_are_left_out(tmp_path, monkeypatch):
    def missing(name):
        raise InputError("not installed")

    monkeypatch.setattr(session, "require_installed", missing)
    found = audit_all(FullPlan(checks=("unit",), models=("aim",), fits=1), tmp_path / "a.jsonl")
    assert [f.check for f in found.findings] == ["unit"]


def test_a_release_is_audited_without_being_changed(tmp_path):
    import numpy as np
    import pandas as pd

    from synth.api import fit

    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.choice(["x", "y"], 900), "b": rng.choice(["1", "2"], 900)})
    path = fit(rows, epsilon=3.0, model="independent").save(tmp_path / "m.synth")
    before, told = digest(path), Told()
    found = audit_release(path, told)
    assert digest(path) == before == found.model_sha256
    assert not found.contradicted()
    assert found.findings[0].check == "release"
    assert found.findings[0].at_least > 1.0
    assert {f.check for f in found.findings} >= {"tables", "row count", "kinds", "categories"}
    assert len(told.phases) == 2
    with pytest.raises(ArtifactError):
        audit_release(tmp_path / "other.synth")
