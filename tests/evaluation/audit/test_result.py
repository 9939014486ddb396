import json
import re

import pytest

from evaluation.audit.claims import claim_of
from evaluation.audit.result import AuditResult, points_of
from evaluation.audit.sightings import Finding
from synth.privacy.events import GaussianEvent

FIRST = Finding(
    check="release", attacks="<b>all</b>", contradicted=False, significance=1e-6, excess=-0.1, epsilon=2.0, delta=1e-5,
    at_least=1.5, at_least_one_run=1.1, at_least_plain=0.4, mu=0.3, canaries=400,
)  # fmt: skip
WRONG = Finding(check="sampling", attacks="batches", contradicted=True, significance=1e-6, detail="p = 1e-9")


def result(*findings, **more):
    facts = {
        "scope": "m.synth (hybrid)", "synth": "0.1.0", "created": "2026-11-22", "model_sha256": "ab" * 32, "epsilon": 2.0,
        "delta": 1e-5, "findings": findings, "seconds": 3.0,
        "curve": points_of(claim_of((GaussianEvent(what="x", sigma=1.0),))),
    }  # fmt: skip
    return AuditResult(**(facts | more))


def test_the_outcome_in_words():
    good, bad = result(FIRST), result(FIRST, WRONG)
    assert good.headline() == "not contradicted by any of 1 checks"
    assert good.measured().startswith("epsilon is at least 1.50 of 2.00 claimed, with 95% confidence; at least 1.10")
    assert bad.contradicted() == ["sampling"]
    assert bad.headline().startswith("CONTRADICTED")
    assert result(WRONG).measured() == ""


@pytest.mark.parametrize("found", [result(FIRST), result(FIRST, WRONG), result(WRONG, epsilon=None, delta=None, curve=())])
def test_nothing_is_ever_called_safe(found):
    for text in (found.to_html(), json.dumps(found.to_json())):
        assert not re.search(r"\bsafe", text, re.I)
        assert "proves nothing" in text
        assert "attacker knows" in text


def test_the_page_escapes_and_draws():
    page = result(FIRST).to_html()
    assert "<b>all</b>" not in page
    assert page.count("<polyline") == 3
    assert "<script" not in page
    assert "<polyline" not in result(WRONG, epsilon=None, delta=None, curve=()).to_html()


def test_json_has_what_the_release_card_reads():
    facts = json.loads(json.dumps(result(FIRST, WRONG).to_json(), allow_nan=False))
    assert facts["format"] == "synth-audit"
    assert facts["contradicted"] == ["sampling"]
    assert facts["findings"][0]["at_least"] == 1.5
    assert facts["headline"]
