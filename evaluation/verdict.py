"""The three answers on the first screen, each one plain sentence with its number, its ceiling and its floor."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from evaluation.scores import Score

QUESTIONS = ("Is it like the real data?", "Is it useful?", "What can an attacker learn?")
NEAR, HALF = 0.85, 0.5
FOUND = re.compile(r"_tpr_01$")


class Answer(NamedTuple):
    """An answer.

    Attributes:
        question: What was asked.
        short: The answer in a few words.
        sentence: The answer with its numbers.
        position: Where the value lies between floor (0) and ceiling (1); ``None`` where there is no scale.
        tone: ``good``, ``fair``, ``poor`` or ``open``.
        score: The score it rests on; ``None`` where nothing was measured.
    """

    question: str
    short: str
    sentence: str
    position: float | None
    tone: str
    score: Score | None


def position(score: Score) -> float | None:
    """Where the value lies between floor (0) and ceiling (1); ``None`` where the two are not apart."""
    if score.value is None or score.floor is None or score.ceiling is None:
        return None
    gap = score.ceiling - score.floor
    good = gap if score.better == "higher" else -gap
    if good <= 1e-3 * max(abs(score.ceiling), abs(score.floor), 1e-9):
        return None
    return min(1.0, max(0.0, (score.value - score.floor) / gap))


def answers(scores: Sequence[Score], notes: Sequence[str]) -> tuple[Answer, Answer, Answer]:
    """Answer the three questions from the scores.

    Args:
        scores: All scores of the report.
        notes: Its notes; the reason of a gap is taken from them.
    """
    found = {score.name: score for score in scores if score.value is not None}
    like = next((found[name] for name in ("tv_2way", "tv_1way") if name in found), None)
    useful = next((found[name] for name in ("tstr_auc", "tstr_r2") if name in found), None)
    return (
        _graded(QUESTIONS[0], like, _like, "nothing could be compared"),
        _graded(QUESTIONS[1], useful, _useful, _reason(notes, "Utility is left out", "no target column is known")),
        _attacked([s for s in scores if s.section == "privacy" and s.value is not None], notes),
    )


def _graded(question: str, score: Score | None, say: Callable[[Score], str], why: str) -> Answer:
    if score is None:
        return Answer(question, "not measured", f"Not measured: {why}.", None, "open", None)
    place = position(score)
    if place is None:
        return Answer(question, "no scale", say(score), None, "open", score)
    short, tone = (
        ("close to real data", "good") if place >= NEAR else ("in part", "fair") if place >= HALF else ("hardly", "poor")
    )
    return Answer(question, short, say(score), place, tone, score)


def _reason(notes: Sequence[str], start: str, otherwise: str) -> str:
    note = next((note for note in notes if note.startswith(start)), None)
    return otherwise if note is None else note.partition(": ")[2].rstrip(".")


def _thousand(value: float | None) -> str:
    number = 1000 * (value or 0.0)
    return f"{number:.0f}" if number >= 9.5 else f"{number:.1f}"


def _like(score: Score) -> str:
    what = "every pair of columns is" if score.name == "tv_2way" else "every column is"
    fresh = "" if score.ceiling is None else f"Fresh real rows need {_thousand(score.ceiling)}, "
    rest = f"{'shuffled' if fresh else 'Shuffled'} columns {_thousand(score.floor)}."
    return (
        f"Of 1,000 rows, {_thousand(score.value)} ({_thousand(score.low)} to {_thousand(score.high)}) would have to change "
        f"before {what} distributed as in the real rows, on average. {fresh}{rest}"
    )


def _useful(score: Score) -> str:
    what = "an AUC" if score.name == "tstr_auc" else "an R2"
    return (
        f"Boosted trees trained on the synthetic rows reach {what} of {score.value:.3f} ({score.low:.3f} to {score.high:.3f}) "
        f"on real rows. Trained on real rows they reach {score.ceiling:.3f}, on shuffled columns {score.floor:.3f}."
    )


def _attacked(scores: list[Score], notes: Sequence[str]) -> Answer:
    rates = [score for score in scores if FOUND.search(score.name)]
    if not rates:
        why = _reason(notes, "The membership attack is left out", "no attack was run")
        text = f"Not measured: {why}. What holds is the claimed (epsilon, delta) alone."
        return Answer(QUESTIONS[2], "not measured", text, None, "open", None)
    worst = max(rates, key=lambda score: score.value or 0.0)
    beaten = worst.bound is not None and worst.low is not None and worst.low > worst.bound
    beats = worst.low is not None and worst.low > 0.01
    short, tone = (
        ("more than the guarantee allows", "poor") if beaten else ("more than by guessing", "fair") if beats else
        ("no more than a guess, in these attacks", "good")
    )  # fmt: skip
    allowed = "" if worst.bound is None else f" The claimed guarantee allows {worst.bound:.1%} at most."
    fresh = "" if worst.ceiling is None else f", on fresh real rows {worst.ceiling:.1%}"
    copied = "" if worst.floor is None else f", on a plain copy {worst.floor:.1%}"
    text = (
        f"The best of {len(rates)} membership attacks finds {worst.value:.1%} ({worst.low:.1%} to {worst.high:.1%}) of the "
        f"fitted people while it accuses 1% of others. Guessing finds 1.0%{fresh}{copied}.{allowed}"
    )
    return Answer(QUESTIONS[2], short, text, position(worst), tone, worst)
