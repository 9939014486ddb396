from __future__ import annotations

from dataclasses import replace

from evaluation import Score
from evaluation.verdict import QUESTIONS, answers, position

LIKE = Score(
    name="tv_2way", label="tv", section="fidelity", value=0.0275, low=0.026, high=0.029, better="lower",
    ceiling=0.0229, floor=0.0806, meaning="m.", interval="i",
)  # fmt: skip
USEFUL = Score(
    name="tstr_auc", label="auc", section="utility", value=0.906, low=0.901, high=0.912, better="higher",
    ceiling=0.927, floor=0.488, meaning="m.", interval="i",
)  # fmt: skip
FOUND = Score(
    name="membership_trees_tpr_01", label="attack", section="privacy", value=0.011, low=0.009, high=0.014, better="lower",
    ceiling=0.012, floor=1.0, bound=0.027, meaning="m.", interval="i",
)  # fmt: skip


def test_every_answer_has_number_ceiling_and_floor() -> None:
    like, useful, learn = answers([LIKE, USEFUL, FOUND], ())
    assert (like.question, useful.question, learn.question) == QUESTIONS
    for answer, numbers in ((like, ("28", "26", "29", "23", "81")), (useful, ("0.906", "0.901", "0.912", "0.927", "0.488")),
                            (learn, ("1.1%", "0.9%", "1.4%", "1.2%", "100.0%", "2.7%"))):  # fmt: skip
        assert all(number in answer.sentence for number in numbers), answer.sentence
        assert answer.sentence.endswith(".")
    assert [a.tone for a in (like, useful, learn)] == ["good", "good", "good"]


def test_the_worst_attack_speaks() -> None:
    strong = replace(FOUND, name="other_tpr_01", value=0.5, low=0.4, high=0.6)
    weak = replace(FOUND, name="third_tpr_01", value=0.02, low=0.015, high=0.03)
    assert answers([FOUND, strong, weak], ())[2].tone == "poor"
    assert "50.0%" in answers([FOUND, strong], ())[2].sentence
    assert answers([FOUND, weak], ())[2].tone == "fair"
    assert answers([replace(strong, bound=None)], ())[2].tone == "fair"


def test_grades_follow_the_scale() -> None:
    tones = [answers([replace(LIKE, value=value)], ())[0].tone for value in (0.023, 0.045, 0.08)]
    assert tones == ["good", "fair", "poor"]
    assert answers([replace(LIKE, ceiling=None)], ())[0].tone == "open"
    assert "Shuffled columns 81" in answers([replace(LIKE, ceiling=None)], ())[0].sentence


def test_gaps_say_why() -> None:
    notes = ("Utility is left out: the target has fewer than two values.", "The membership attack is left out: no holdout.")
    like, useful, learn = answers([], notes)
    assert "Not measured" in like.sentence
    assert "the target has fewer than two values" in useful.sentence
    assert "no holdout" in learn.sentence
    assert {a.tone for a in (like, useful, learn)} == {"open"}


def test_position_runs_from_floor_to_ceiling() -> None:
    assert position(replace(LIKE, value=LIKE.ceiling)) == 1.0
    assert position(replace(LIKE, value=LIKE.floor)) == 0.0
    assert position(replace(LIKE, value=1.0)) == 0.0
    assert position(replace(USEFUL, value=(0.927 + 0.488) / 2)) == 0.5
    assert position(replace(USEFUL, floor=0.927)) is None
    assert position(replace(USEFUL, ceiling=0.4)) is None
