from __future__ import annotations

from pathlib import Path

import pytest

from evaluation import Report
from evaluation.gate import TABLE, Policy, judge, read_policy, template, with_verdict
from evaluation.scores import Score
from synth.errors import InputError

CARD = {"epsilon": 1.0, "delta": 1e-6}


def score(name: str, value: float, low: float, high: float, ceiling: float = 1.0, floor: float = 0.5) -> Score:
    return Score(
        name=name, label=name, section="utility", value=value, low=low, high=high, better="higher", ceiling=ceiling,
        floor=floor, meaning="m.", interval="i",
    )  # fmt: skip


GOOD = (
    score("attack_advantage", 0.02, -0.01, 0.05),
    score("tstr_auc", 0.9, 0.88, 0.92, ceiling=0.92),
    score("subgroup_gap", 0.04, 0.01, 0.08),
    score("tv_2way", 0.1, 0.09, 0.11),
)


def write(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_template_is_a_policy_and_a_good_release_passes_it(tmp_path: Path) -> None:
    policy = read_policy(write(tmp_path, template()))
    verdict = judge(GOOD, CARD, policy)
    assert verdict.passed
    assert len(verdict.checks) == 6
    assert policy.digest != read_policy(write(tmp_path, template() + "\n")).digest
    assert not any(note.startswith("Warning") for note in verdict.notes())


@pytest.mark.parametrize(
    ("policy", "failed"),
    [
        (Policy(max_epsilon=0.5), "max_epsilon"),
        (Policy(max_delta=1e-7), "max_delta"),
        (Policy(max_attack_advantage=0.04), "max_attack_advantage"),
        (Policy(min_utility=0.95), "min_utility"),
        (Policy(max_subgroup_gap=0.05), "max_subgroup_gap"),
        (Policy(scores={"tv_2way": (None, 0.1)}), "scores.tv_2way.max"),
        (Policy(scores={"tstr_auc": (0.89, None)}), "scores.tstr_auc.min"),
        (Policy(scores={"nothing": (0.0, None)}), "scores.nothing.min"),
    ],
)
def test_every_limit_can_fail_and_is_named(policy: Policy, failed: str) -> None:
    verdict = judge(GOOD, CARD, policy)
    assert verdict.failed == (failed,)
    assert verdict.notes()[0].startswith(f"Warning: The release fails the policy: {failed}")


def test_estimates_are_judged_where_the_policy_says_so() -> None:
    for policy in (Policy(max_attack_advantage=0.04), Policy(min_utility=0.94), Policy(max_subgroup_gap=0.05)):
        assert not judge(GOOD, CARD, policy).passed
        limits = {name: getattr(policy, name) for name in ("max_attack_advantage", "min_utility", "max_subgroup_gap")}
        assert judge(GOOD, CARD, Policy(**limits, evidence="value")).passed


def test_what_was_not_measured_fails() -> None:
    policy = Policy(max_epsilon=1.0, max_attack_advantage=1.0, min_utility=0.0, max_subgroup_gap=100.0)
    verdict = judge((), None, policy)
    assert len(verdict.failed) == 4
    assert all(check.reason.startswith("Not measured") for check in verdict.checks)
    flat = (score("tstr_auc", 0.5, 0.5, 0.5, ceiling=0.5, floor=0.5),)
    assert not judge(flat, CARD, Policy(min_utility=0.0)).passed


def test_a_copy_is_refused_and_the_report_says_so(copy_report: Report) -> None:
    verdict = judge(copy_report.scores, copy_report.card, Policy(max_attack_advantage=0.5), asked_before=2)
    assert verdict.failed == ("max_attack_advantage",)
    told = with_verdict(copy_report, verdict)
    assert "2 time(s) before" in told.notes[0]
    assert "voids the guarantee" in told.notes[1]
    page = told.to_html()
    assert "fails the policy" in page
    assert page.index('id="gate"') < page.index('id="privacy"')  # above the sections, not among the attacks
    assert len(told.get_details(TABLE)) == 1
    assert told.to_json()["details"][TABLE][0]["Passed"] is False


def test_fresh_rows_pass_the_gate(fresh_report: Report) -> None:
    assert judge(fresh_report.scores, CARD, Policy(max_attack_advantage=0.2)).passed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_epsilon = ", "not valid TOML"),
        ("", "checks nothing"),
        ("evidence = 'value'", "checks nothing"),
        ("max_epsilons = 1", "unknown key 'max_epsilons'"),
        ("max_epsilon = -1", "max_epsilon must be a number"),
        ("max_epsilon = true", "max_epsilon must be a number"),
        ("min_utility = 2", "from 0 to 1"),
        ("max_epsilon = nan", "max_epsilon must be a number"),
        ("max_epsilon = 1\nevidence = 'hope'", "evidence must be"),
        ("scores = 1", "scores must be tables"),
        ("[scores.a]", "takes min and max"),
        ("[scores.a]\nmin = 'x'", "takes min and max"),
        ("[scores.a]\nleast = 1", "takes min and max"),
    ],
)
def test_a_bad_policy_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_policy(write(tmp_path, text))


def test_a_policy_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the policy"):
        read_policy(tmp_path / "none.toml")
