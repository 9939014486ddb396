"""The noisy distance of tables from guesses: its value, its sensitivity, its charge."""

from types import SimpleNamespace

import numpy as np
import pytest

from synth.errors import AccountingError
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.distance import distance_event, exact_distance, noisy_distance
from synth.privacy.exact import GAP_GRID
from synth.privacy.ledger import Ledger
from synth.privacy.randomness import Several
from synth.privacy.vault import PrivateTable
from synth.table import Domain

DOMAIN = Domain(names=("a", "b"), sizes=(3, 2))
CODES = np.array([[0, 1], [2, 1], [2, 0], [1, 0]])
GUESSES = [(("a",), np.array([1.0, 2.5, 0.5])), (("a", "b"), np.ones((3, 2)))]


def table_of(entropy, epsilon=100.0):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-3))
    book.set_rows(declared_rows(4))
    return PrivateTable(CODES, DOMAIN, declared_rows(4), book, (), entropy)


def test_it_is_the_weighted_distance_plus_charged_noise(keystream):
    """Eight standard deviations of the noise: 1e-15."""
    table = table_of(keystream(1))
    found = noisy_distance(table, GUESSES, weights=[0.5, 0.25], sigma=0.1)
    assert abs(found - (0.5 * 3.0 + 0.25 * 2.0)) < 8 * 0.1
    assert table.ledger.events == (distance_event([0.5, 0.25], 0.1),)
    assert table.ledger.events[0].l2_sensitivity == 0.75 + 1 / GAP_GRID


def test_one_unit_more_moves_it_by_no_more_than_is_charged():
    rng = np.random.default_rng(0)
    for scale in (1, 12):
        for _ in range(200):
            tables = [rng.integers(0, 9, g.shape) * scale for _, g in GUESSES]
            guesses = [(names, rng.uniform(0, 9, g.shape)) for names, g in GUESSES]
            more = [t.copy() for t in tables]
            for t in more:
                t.flat[rng.integers(t.size)] += scale
            weights = rng.uniform(0.01, 1, 2)
            moved = exact_distance(more, guesses, weights, scale) - exact_distance(tables, guesses, weights, scale)
            assert abs(int(moved[0])) <= distance_event(weights, 1.0).l2_sensitivity * GAP_GRID + 1e-9


def test_several_processes_and_misfits_are_refused(keystream):
    class Shards(SimpleNamespace, Several):
        def __call__(self, n):
            raise AssertionError

    with pytest.raises(AccountingError, match="one process"):
        noisy_distance(table_of(Shards(rank=0, size=2)), GUESSES, weights=[1.0, 1.0], sigma=1.0)
    with pytest.raises(AccountingError, match="guesses"):
        noisy_distance(table_of(keystream(1)), GUESSES, weights=[1.0, 0.0], sigma=1.0)
