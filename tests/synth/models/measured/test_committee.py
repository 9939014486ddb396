"""What a committee is asked, and what its votes say of how the rows depart from the mixture."""

import numpy as np
import pytest

from synth.models.measured.committee import BOLD, FEWEST, MOST, MOST_CLASSES, places_of, plan_committee, vote_classes
from synth.privacy.ballot import check_ballot
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.vault import PrivateTable
from synth.table import Domain

FEATURES = (6, 5, 3)


def domain(choices):
    return Domain(names=("a", "b", "c", "t"), sizes=(*FEATURES, choices), target="t", in_order=(6, 0, 0, 0))


def drawn(n, weights, rng):
    """Features at random, and a class by additive log-odds: rows and the probabilities of the classes."""
    codes = np.column_stack([rng.integers(0, k, n) for k in FEATURES])
    likely = np.exp(places_of(codes, FEATURES) @ weights)
    likely /= likely.sum(1, keepdims=True)
    chosen = (likely.cumsum(1)[:, :-1] < rng.random(n)[:, None]).sum(1)
    return np.column_stack([codes, chosen]), likely


def committee(choices, units, rng, weights=None):
    weights = np.zeros((sum(FEATURES), choices)) if weights is None else weights
    rows, likely = drawn(8192, weights, rng)
    return plan_committee(rows, likely, domain(choices), 3, np.arange(choices), units, rng)


def asked(found, choices, rows, epsilon=3.0):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(len(rows)))
    return PrivateTable(rows, domain(choices), book.rows, book).noisy_votes(found.ballot)


@pytest.mark.statistical
@pytest.mark.parametrize("choices", [2, 3])
def test_votes_tell_how_rows_depart_from_the_mixture(choices):
    """Correlation of true and learnt log-odds: .95 and more in twenty runs, with a spread of .006."""
    rng = np.random.default_rng(choices)
    weights = rng.normal(0, 0.5, (sum(FEATURES), choices))
    rows, _ = drawn(20_000, weights, rng)
    found = committee(choices, 20_000, rng)
    departure, variance = found.departure(*asked(found, choices, rows))
    assert variance > 0
    truth, learnt = (places_of(rows[:, :3], FEATURES) @ w for w in (weights, departure))
    truth, learnt = (x - x.mean(1, keepdims=True) - x.mean(0) for x in (truth, learnt))
    assert np.corrcoef(truth.ravel(), learnt.ravel())[0, 1] > 0.8


@pytest.mark.statistical
def test_rows_like_the_mixture_teach_next_to_nothing():
    """Log-odds of .11 and less in twenty runs, with a spread of .03, where departures of the test above are .7."""
    rng = np.random.default_rng(4)
    weights = rng.normal(0, 0.7, (sum(FEATURES), 2))
    rows, _ = drawn(20_000, weights, rng)
    found = committee(2, 20_000, rng, weights)
    departure, _ = found.departure(*asked(found, 2, rows))
    assert (places_of(rows[:, :3], FEATURES) @ departure[:, 1]).std() < 0.35


def test_votes_of_pure_noise_change_nothing():
    rng = np.random.default_rng(0)
    found = committee(2, 1000, rng)
    departure, variance = found.departure(np.rint(found.ballot.teachers * found.expected[:, 1:]).astype(int), 1e4)
    assert variance == 0
    assert not departure.any()


@pytest.mark.statistical
def test_the_simulated_committee_votes_as_one_taught_by_rows_of_the_mixture_does():
    """Mean votes over questions: apart by .007 and less in twenty runs, with a spread of .001."""
    rng = np.random.default_rng(3)
    weights = rng.normal(0, 1, (sum(FEATURES), 2))
    rows, _ = drawn(20_000, weights, rng)
    found = committee(2, 20_000, rng, weights)
    votes, _ = asked(found, 2, rows, epsilon=90.0)
    assert abs((votes[:, 0] / found.ballot.teachers - found.expected[:, 1]).mean()) < 0.06


@pytest.mark.parametrize(("units", "teachers"), [(20, FEWEST), (10_000, 400), (10**7, MOST)])
def test_committees_grow_with_the_rows_and_are_sound(units, teachers):
    found = committee(2, units, np.random.default_rng(0))
    assert found.ballot.teachers == teachers
    check_ballot(found.ballot, domain(2))
    assert found.expected.shape == found.slopes.shape == (len(found.ballot.questions), 2)
    assert np.allclose(found.expected.sum(1), 1)
    assert 0 < found.slopes.mean() < 0.25 < BOLD


@pytest.mark.parametrize(
    ("shares", "in_order", "expected"),
    [
        ([0.3, 0.7], 0, [0, 1]),
        ([0.1, 0.2, 0.3, 0.4], 4, [0, 1, 2, 3]),
        ([0.1] * 8 + [0.2], 0, [1, 2, 3, 3, 3, 3, 3, 3, 0]),
        ([0.125] * 8, 8, [0, 0, 1, 1, 2, 2, 3, 3]),
        ([0.1] * 9 + [0.1], 9, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]),
        ([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 6, None),
        ([0.0, 0.0, -0.1, 0.0, 1.0, 0.1], 5, None),
    ],
)
def test_codes_are_voted_on_in_few_classes(shares, in_order, expected):
    classes = vote_classes(np.array(shares), in_order)
    assert np.array_equal(np.unique(classes), np.arange(classes.max() + 1))
    assert 2 <= classes.max() + 1 <= MOST_CLASSES
    if in_order:
        assert (np.diff(classes[:in_order]) >= 0).all()
    if expected is not None:
        assert sorted(np.bincount(classes)) == sorted(np.bincount(expected))
        if in_order:
            assert classes.tolist() == expected
