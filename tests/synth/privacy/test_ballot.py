"""Teachers on disjoint parts: whose rows a teacher sees, what one unit moves, and what the votes are."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from synth.errors import AccountingError
from synth.privacy import ballot as ballot_module
from synth.privacy.accounting import epsilon_of
from synth.privacy.ballot import (
    GRID,
    LOGIT_UNIT,
    MOST_SUMS,
    SIGMOID,
    TOP,
    Ballot,
    asked,
    chances,
    check_ballot,
    exact_votes,
    random_parts,
    residual_sums,
    vote_counts,
)
from synth.privacy.codes import Codes
from synth.privacy.events import GaussianEvent
from synth.privacy.randomness import os_entropy
from synth.privacy.renyi import rho_of
from synth.privacy.units import PrivacyUnits
from synth.table import Domain

ALARM = 1e-7
SIZES = (3, 4, 2)  # the column that is voted on stands in the middle
DOMAIN = Domain(names=("a", "v", "b"), sizes=SIZES)


def ballot(classes=(0, 1, 1, 0), teachers=5, questions=30, seed=0, boldness=3.0):
    rng = np.random.default_rng(seed)
    choices = max(classes) + 1
    start = tuple(rng.integers(-100, 100, (SIZES[j], choices)) for j in (0, 2))
    return Ballot(
        teachers=teachers, column=1, classes=np.array(classes), columns=(0, 2), start=start,
        step=boldness * rng.normal(size=(5, 5)),
        questions=np.column_stack([rng.integers(0, SIZES[j], questions) for j in (0, 2)]),
    )  # fmt: skip


def rows_of(n, seed=1):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, size, n) for size in SIZES])


class Words:
    """Entropy whose 64-bit words are given."""

    def __init__(self, words):
        self.words = np.asarray(words, dtype=np.uint64)

    def __call__(self, n_bytes):
        assert n_bytes == 8 * len(self.words)
        return self.words.tobytes()


def votes_of(rows, words, b, owner=None, cap=1):
    units = PrivacyUnits(len(rows), owner, cap)
    return exact_votes(Codes.of(rows, SIZES), b, units, Words(words))


THREE = (0, 1, 2, 1)


@pytest.mark.parametrize("classes", [(0, 1, 1, 0), THREE])
def test_one_row_more_moves_one_ballot(classes):
    """Wherever the row stands, and however wild the teachers are: one vote a question, from one class to another."""
    rng, moved = np.random.default_rng(5), 0
    for trial in range(60):
        b = ballot(classes, seed=trial, boldness=10.0)
        rows, words = rows_of(40, trial), rng.integers(0, 2**63, 40)
        at, row = int(rng.integers(0, 41)), rows_of(1, 1000 + trial)
        fewer = votes_of(rows, words, b)
        more = votes_of(np.insert(rows, at, row, axis=0), np.insert(words, at, rng.integers(0, 2**63)), b)
        step = np.abs(more - fewer)
        assert step.max() <= 1
        assert (step.sum(1) <= (1 if b.counted == 1 else 2)).all()
        assert np.linalg.norm(step) <= b.sensitivity
        moved += int(step.any())
    assert moved > 30


def test_one_entity_more_moves_one_ballot():
    rng = np.random.default_rng(6)
    for trial in range(30):
        b, rows = ballot(THREE, seed=trial, boldness=10.0), rows_of(40, trial)
        owner = np.append(np.sort(rng.integers(0, 12, 36)), [-1] * 4)
        owner[:36] = np.unique(owner[:36], return_inverse=True)[1]
        people = int(owner.max()) + 1
        words = rng.integers(0, 2**63, people + 1)
        more = np.concatenate([rows, rows_of(7, 500 + trial)])
        whose = np.append(owner, [people] * 7)
        one, two = votes_of(rows, words[:people], b, owner, 40), votes_of(more, words, b, whose, 40)
        assert (np.abs(two - one).sum(1) <= 2).all()


def test_the_bound_is_reached():
    """A row can turn its teacher on every question: the sensitivity that is charged is not only safe, it is exact."""
    b = replace(ballot(), step=1e4 * np.eye(5), start=tuple(np.full((s, 2), f) for s, f in ((3, -600), (2, -600))), teachers=1)
    b = replace(b, questions=np.zeros((64, 2), dtype=np.int64))
    b = replace(b, start=tuple(s * np.array([-1, 1]) for s in b.start))
    fewer, more = votes_of(np.zeros((0, 3), dtype=int), [], b), votes_of(np.array([[0, 1, 0]]), [0], b)
    assert np.linalg.norm(more - fewer) == pytest.approx(b.sensitivity)


def test_sensitivity_is_one_vote_a_question():
    assert ballot().sensitivity == math.sqrt(30)
    assert ballot(THREE).sensitivity == math.sqrt(60)
    assert (ballot().counted, ballot(THREE).counted) == (1, 3)


def test_a_vote_costs_what_the_published_analysis_of_gnmax_says():
    """arXiv:1802.08908: noise N(0, sigma^2) on each count of a histogram is (alpha, alpha / sigma^2)-RDP for any votes."""
    b, sigma = ballot(THREE), 40.0
    event = GaussianEvent(what="votes of teachers", sigma=sigma, l2_sensitivity=b.sensitivity)
    for alpha in (1.5, 4.0, 32.0):
        assert rho_of([event]) * alpha == pytest.approx(len(b.questions) * alpha / sigma**2)

    def published(delta):
        """Proposition 3 there (Mironov 2017), at the best order."""
        orders = 1 + np.geomspace(1e-2, 1e4, 5000)
        return float((len(b.questions) * orders / sigma**2 + math.log(1 / delta) / (orders - 1)).min())

    for delta in (1e-5, 1e-9):
        assert 0.7 * published(delta) < epsilon_of([event], delta) <= published(delta)
    two = GaussianEvent(what="votes of teachers", sigma=sigma, l2_sensitivity=ballot().sensitivity)
    assert rho_of([two]) == pytest.approx(rho_of([event]) / 2)  # one count tells both, and gets one noise


def test_parts_are_disjoint_and_cover_every_row():
    b, rows = ballot(), rows_of(500)
    parts = random_parts(500, 5, os_entropy)
    assert parts.shape == (500,)
    assert set(parts) == set(range(5))
    blocks = [[rows[:, j] for j in (0, 2, 1)]]
    whole = residual_sums(blocks, b, parts)
    for k in range(5):
        mine = parts == k
        alone = residual_sums([[rows[mine, j] for j in (0, 2, 1)]], b, np.zeros(mine.sum(), dtype=int))
        assert np.array_equal(whole[k], alone[0])


@pytest.mark.statistical
def test_parts_are_uniform_and_independent_of_each_other():
    """Chi-squared of parts, and of pairs of neighbours; false alarm 2e-7."""
    parts = random_parts(70_000, 7, os_entropy)
    for counts in (np.bincount(parts, minlength=7), np.bincount(parts[::2] * 7 + parts[1::2], minlength=49)):
        expected = counts.sum() / len(counts)
        assert ((counts - expected) ** 2 / expected).sum() < chi2.isf(ALARM, len(counts) - 1)


def test_a_part_is_a_function_of_the_units_own_secret_bits():
    words = np.array([3, 10, 2**63, 7])
    assert random_parts(4, 7, Words(words)).tolist() == [int(w) % 7 for w in words]
    assert random_parts(0, 7, Words([])).shape == (0,)


def test_all_rows_of_an_entity_have_one_teacher():
    owner = np.array([0, 1, 0, -1, 1, 2])
    units = PrivacyUnits(6, owner, 3)
    spread = units.exact_spread(np.array([4, 2, 9]))
    assert spread.tolist() == [4, 2, 4, 0, 2, 9]
    assert PrivacyUnits(3).exact_spread(np.array([4, 2, 9])).tolist() == [4, 2, 9]


def slow_sums(rows, b, parts, weights):
    """The same from the definition, a row at a time."""
    sums = np.zeros((b.teachers, 5, b.choices), dtype=np.int64)
    for row, part, weight in zip(rows, parts, weights, strict=True):
        for c in range(b.choices):
            logit = np.clip(b.start[0][row[0], c] + b.start[1][row[2], c], -TOP, TOP)
            residual = GRID * (b.classes[row[1]] == c) - round(GRID / (1 + math.exp(-logit / LOGIT_UNIT)))
            sums[part, row[0], c] += weight * residual
            sums[part, 3 + row[2], c] += weight * residual
    return sums


def test_teachers_learn_from_residuals_of_their_own_rows():
    b, rows = ballot(THREE), rows_of(200)
    rng = np.random.default_rng(2)
    parts, weights = rng.integers(0, 5, 200), rng.integers(0, 13, 200)
    cut = [[rows[s, j] for j in (0, 2, 1)] for s in (slice(0, 70), slice(70, 200))]
    assert np.array_equal(residual_sums(cut, b, parts, weights), slow_sums(rows, b, parts, weights))
    assert np.array_equal(residual_sums(cut, b, parts), slow_sums(rows, b, parts, np.ones(200, dtype=int)))
    assert SIGMOID[TOP] == GRID // 2


@pytest.mark.parametrize("classes", [(0, 1, 1, 0), THREE])
def test_every_teacher_votes_once_a_question_in_proportion_to_its_beliefs(classes, monkeypatch):
    monkeypatch.setattr(ballot_module, "CHUNK", 4096)  # several chunks
    b = ballot(classes, teachers=400, questions=50)
    sums = np.random.default_rng(3).normal(size=(400, 5, b.choices))
    votes = vote_counts(sums, b)
    beliefs = np.concatenate([found.mean(0) for _, found in chances(sums, b)])
    assert np.allclose(beliefs.sum(1), 1)
    if b.counted == 1:
        assert np.abs(votes[:, 0] / 400 - beliefs[:, 1]).max() < 0.12  # five standard deviations
    else:
        assert (votes.sum(1) == 400).all()
        assert np.abs(votes / 400 - beliefs).max() < 0.12
    assert np.array_equal(votes, vote_counts(sums, b))  # public uniform numbers


def test_what_a_teacher_believes_depends_on_its_own_sums_alone():
    b, rng = ballot(THREE, teachers=50), np.random.default_rng(4)
    sums = rng.normal(size=(50, 5, 3))
    other = sums.copy()
    other[17] = 1e6 * rng.normal(size=(5, 3))
    (_, before), (_, after) = next(chances(sums, b)), next(chances(other, b))
    rest = np.arange(50) != 17
    assert np.array_equal(before[rest], after[rest])


class Crew:
    """One of several processes, as ``Several`` describes them; ``others`` is what the rest of them sends."""

    size = 2

    def __init__(self, words, *, leads, others=None):
        self.words, self.leads, self.others, self.sent = Words(words), leads, others, None

    def __call__(self, n_bytes):
        return self.words(n_bytes)

    def total(self, exact, asked):
        self.sent = exact
        return exact + self.others if self.leads else np.zeros_like(exact)

    def merged(self, values, exact_counts):
        raise NotImplementedError

    def told(self, answer):
        raise NotImplementedError


def test_several_processes_have_the_teachers_of_one():
    """Rows keep their parts wherever they lie, so a border that moves between processes moves no teacher."""
    b, rows = ballot(THREE), rows_of(100)
    words = np.random.default_rng(8).integers(0, 2**63, 100)
    whole = votes_of(rows, words, b)
    for border in (0, 30, 31):
        helper = Crew(words[border:], leads=False)
        assert not exact_votes(Codes.of(rows[border:], SIZES), b, PrivacyUnits(100 - border), helper).any()
        lead = Crew(words[:border], leads=True, others=helper.sent)
        assert np.array_equal(exact_votes(Codes.of(rows[:border], SIZES), b, PrivacyUnits(border), lead), whole)


GOOD = ballot()
BAD = {
    "no teacher": {"teachers": 0},
    "more sums than memory": {"teachers": MOST_SUMS},
    "votes on a column that teachers see": {"column": 0, "classes": np.array([0, 1, 1])},
    "a column twice": {"columns": (0, 0)},
    "a column that is not there": {"columns": (0, 3)},
    "a negative column": {"columns": (0, -1)},
    "nothing to look at": {"columns": (), "start": (), "step": np.zeros((0, 0)), "questions": np.zeros((3, 0), dtype=int)},
    "classes of another size": {"classes": np.array([0, 1])},
    "classes with a gap": {"classes": np.array([0, 2, 2, 0])},
    "one class": {"classes": np.array([0, 0, 0, 0])},
    "classes that are no numbers": {"classes": np.array([0.0, 1.0, 1.0, 0.0])},
    "a start of another shape": {"start": (GOOD.start[0], GOOD.start[0])},
    "a start in floats": {"start": (GOOD.start[0].astype(float), GOOD.start[1])},
    "a start beyond all bounds": {"start": (GOOD.start[0] + (1 << 40), GOOD.start[1])},
    "a step of another shape": {"step": np.eye(4)},
    "a step that is no number": {"step": np.full((5, 5), np.nan)},
    "no question": {"questions": GOOD.questions[:0]},
    "questions in floats": {"questions": GOOD.questions.astype(float)},
    "questions in one row": {"questions": GOOD.questions[0]},
    "questions of another width": {"questions": GOOD.questions[:, :1]},
    "questions below the domain": {"questions": GOOD.questions - 1},
    "questions beyond the domain": {"questions": GOOD.questions + 2},
}


@pytest.mark.parametrize("case", BAD)
def test_an_unsound_ballot_is_refused(case):
    with pytest.raises(AccountingError, match="distinct columns"):
        check_ballot(replace(GOOD, **BAD[case]), DOMAIN)


def test_a_sound_ballot_is_not_refused():
    check_ballot(GOOD, DOMAIN)
    check_ballot(ballot(THREE), DOMAIN)


def test_ballots_that_ask_something_else_are_told_apart():
    others = [replace(GOOD, teachers=6), ballot(THREE), ballot(seed=1), replace(GOOD, questions=GOOD.questions[:-1])]
    assert len({asked(GOOD), *map(asked, others)}) == 5
    assert asked(GOOD) == asked(ballot())
