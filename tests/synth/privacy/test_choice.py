"""Candidates and merged codes are checked before anything is charged."""

import numpy as np
import pytest

from synth.errors import AccountingError
from synth.privacy.choice import LARGEST, check_guesses, fold_domain
from synth.table import Domain

DOMAIN = Domain(names=("a", "b"), sizes=(3, 2), target="b", in_order=(3, 0))
PAIR, ONE = (("a", "b"), np.ones((3, 2))), (("b",), np.ones(2))
NAN = float("nan")


def test_sound_candidates_pass():
    check_guesses([PAIR, ONE, PAIR], [1.0, 0.5, 1.0], [0.0, -3.0, 1e6], DOMAIN)


@pytest.mark.parametrize(
    ("guesses", "weights", "biases"),
    [
        ([], [], []),
        ([PAIR], [1.0, 1.0], [0.0]),
        ([PAIR], [1.0], []),
        ([PAIR], [0.0], [0.0]),
        ([PAIR], [-1.0], [0.0]),
        ([PAIR], [NAN], [0.0]),
        ([PAIR], [2 * LARGEST], [0.0]),
        ([PAIR], [1.0], [NAN]),
        ([PAIR], [1.0], [float("inf")]),
        ([(("b", "a"), np.ones((3, 2)))], [1.0], [0.0]),
        ([(("c",), np.ones(2))], [1.0], [0.0]),
        ([(("b",), np.array([1.0, NAN]))], [1.0], [0.0]),
        ([(("b",), np.array([1.0, 2 * LARGEST]))], [1.0], [0.0]),
    ],
)
def test_others_do_not(guesses, weights, biases):
    with pytest.raises(AccountingError):
        check_guesses(guesses, weights, biases, DOMAIN)


def test_merging_gives_the_smaller_domain():
    fold = {"names": ("a", "b"), "target": "b"}
    for map_, kept in (([0, 1, 0], 0), ([0, 0, 1], 2)):  # an order survives only where neighbours are merged
        found = fold_domain(DOMAIN, [np.array(map_), np.array([0, 0])])
        assert found == Domain(**fold, sizes=(2, 1), in_order=(kept, 0))
    assert fold_domain(Domain(names=("a",), sizes=(2,)), [np.array([0, 1])]).in_order == ()


@pytest.mark.parametrize(
    "groups", [[np.array([0, 1, 0])], [np.array([0, 1]), np.array([0, 0])], [np.array([0, 2, 0]), np.array([0, 0])],
               [np.array([0, -1, 0]), np.array([0, 0])]],
)  # fmt: skip
def test_maps_that_do_not_fit_are_refused(groups):
    with pytest.raises(AccountingError):
        fold_domain(DOMAIN, groups)
