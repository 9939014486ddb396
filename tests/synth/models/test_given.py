import numpy as np
import pytest

from synth.models.given import (
    FREE,
    Conditional,
    Given,
    chosen_each,
    code_scores,
    effective_rows,
    grouped,
    resampled,
    weighted_rows,
    with_known,
)
from synth.models.independent import Independent
from synth.table import Domain, EncodedTable


class Plain:
    """A model that cannot condition itself."""

    def sample(self, fitted, domain, n_rows, rng):
        return EncodedTable(domain, rng.integers(0, 3, (n_rows, 1)).astype(np.int32))


def test_models_that_cannot_condition_are_weighed():
    assert not isinstance(Plain(), Conditional)
    assert isinstance(Independent(), Conditional)
    given = [Given(likelihood=np.array([0.0, 0.5, 1.0]))]
    found = weighted_rows(Plain(), None, Domain(names=("a",), sizes=(3,)), given, 50, np.random.default_rng(0))
    assert np.exp(found.log_weights) == pytest.approx(np.array([0.0, 0.5, 1.0])[found.codes[:, 0]])


def test_scores_of_codes():
    codes = np.array([0, 1, 2])
    assert code_scores(codes, FREE).tolist() == [0, 0, 0]
    assert code_scores(codes, Given(codes=np.array([0, 0, -1]))).tolist() == [0, -np.inf, 0]
    assert code_scores(codes, Given(likelihood=np.array([1.0, 0.0, 1.0]))).tolist() == [0, -np.inf, 0]


def test_conditions_on_groups_are_means_over_their_codes():
    maps, shares = [np.array([0, 0, 1])], [np.array([0.1, 0.3, 0.6])]
    found = grouped([Given(likelihood=np.array([1.0, 0.0, 0.5]), codes=np.array([2, -1]))], maps, shares)[0]
    assert found.likelihood == pytest.approx([0.25, 0.5])
    assert found.codes.tolist() == [1, -1]


def test_known_codes_are_put_in():
    codes = np.zeros((2, 2), dtype=np.int32)
    assert with_known(codes, [FREE, Given(codes=np.array([-1, 4]))]).tolist() == [[0, 0], [0, 4]]


def test_effective_rows():
    assert effective_rows(np.zeros(7)) == pytest.approx(7)
    assert effective_rows(np.log([1e-300, 1.0])) == pytest.approx(1)
    assert effective_rows(np.full(3, -np.inf)) == 0
    assert effective_rows(np.empty(0)) == 0


def test_resampling_takes_each_as_often_as_its_weight_says():
    with np.errstate(divide="ignore"):
        weights = np.log([0.0, 0.5, 0.0, 0.25, 0.25, 0.0])
    assert np.bincount(resampled(weights, 8, 0.5), minlength=6).tolist() == [0, 4, 0, 2, 2, 0]
    assert set(resampled(weights, 1000, 1 - 1e-16)) <= {1, 3, 4}


def test_one_candidate_per_row():
    scores = np.array([[-np.inf, 0.0, -np.inf], [0.0, -np.inf, -np.inf], [-np.inf] * 3])
    assert chosen_each(scores, np.array([0.99, 0.0, 0.5])).tolist()[:2] == [1, 0]
