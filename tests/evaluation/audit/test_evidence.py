import json

import pytest

from evaluation.audit.evidence import audit_table, spliced, write_evidence
from synth.errors import InputError

FINDING = {"check": "tables", "epsilon": 4.0, "at_least": 3.5, "at_least_one_run": None, "at_least_plain": 1.0, "canaries": 9}
FACTS = {
    "synth": "0.1.0", "created": "2026-11-22", "seconds": 600.0, "headline": "not contradicted by any of 1 checks",
    "findings": [FINDING | {"contradicted": False}],
}  # fmt: skip
DOCUMENT = "a\n<!-- mutations -->\nold\n<!-- end mutations -->\nb\n<!-- audit -->\n<!-- end audit -->\nc\n"


def test_findings_become_rows():
    assert "| tables | 4.00 | 3.50 |  | 1.00 | 9 | not contradicted |" in audit_table(FACTS)
    assert "10 minutes" in audit_table(FACTS)
    assert "CONTRADICTED" in audit_table(FACTS | {"findings": [FINDING | {"contradicted": True}]})


def test_tables_replace_what_stood_between_their_marks(tmp_path):
    document, mutations, audit = (tmp_path / n for n in ("S.md", "m.md", "a.json"))
    document.write_text(DOCUMENT)
    mutations.write_text("| bug |\n")
    audit.write_text(json.dumps(FACTS))
    write_evidence(document, mutations, audit)
    once = document.read_text()
    assert "old" not in once
    assert once.startswith("a\n<!-- mutations -->\n\n| bug |\n\n<!-- end mutations -->\nb\n")
    assert once.endswith("<!-- end audit -->\nc\n")
    write_evidence(document, mutations, audit)
    assert document.read_text() == once


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(InputError, match="lacks the marks"):
        spliced("text", "audit", "table")
    with pytest.raises(InputError, match="make evidence"):
        write_evidence(tmp_path / "S.md", tmp_path / "m.md", tmp_path / "a.json")
