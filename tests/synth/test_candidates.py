"""Candidates as they are written, the tables that tries are judged by, and a choice between models."""

import numpy as np
import pytest

from synth.candidates import GROUPS, MOST_TABLES, SUITED, Candidate, parse_candidate, parse_candidates, scoring_of, tuner_of
from synth.errors import InputError
from synth.table import Domain


def test_candidates_are_models_with_options():
    found = parse_candidate("hybrid.table_share=0.5,steps=100")
    assert found == Candidate(model="hybrid", options={"table_share": 0.5, "steps": 100})
    assert parse_candidate(found.label) == found
    assert parse_candidate("marginal").label == "marginal"
    assert found.make().steps == 100


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        (["hybrid"], "2 to 50 candidates"),
        (["hybrid", "hybrid"], "named twice"),
        (["hybrid", "hybrid.steps"], "model.option=value"),
        (["hybrid", "hybrid.steps=1,steps=2"], "model.option=value"),
        (["hybrid", "hybrid.sigma=1"], "no option 'sigma'"),
        (["hybrid", "nobody"], "no model 'nobody'"),
        (["marginal", "hybrid.protect_groups=a"], "for all candidates or none"),
    ],
)
def test_what_cannot_be_tried_is_refused(texts, match):
    with pytest.raises(InputError, match=match):
        parse_candidates(texts)


def test_models_that_choose_by_answers_and_impossible_numbers_are_refused():
    with pytest.raises(InputError, match="'mst' cannot be tried"):
        tuner_of(["marginal", "mst"])
    with pytest.raises(InputError, match=r"mechanism=laplace' cannot be tried .* with Gaussian noise"):
        tuner_of(["marginal", "independent.mechanism=laplace"])  # each such try would fail, and nobody could tell
    for runs in (1.0, 5000.0, float("nan")):
        with pytest.raises(InputError, match="average number"):
            tuner_of(["marginal", "hybrid"], runs)
    assert tuner_of(["marginal", "hybrid"]).runs.mean == pytest.approx(6)
    assert set(SUITED) >= {"hybrid", "marginal"}


def test_groups_are_protected_by_every_candidate_or_by_none():
    found = tuner_of(["marginal", "hybrid"], protect_groups=("a",))
    assert [c.make(found.protect_groups).protect_groups for c in found.candidates] == [("a",), ("a",)]
    assert [c.label for c in found.candidates] == ["marginal", "hybrid"]
    with pytest.raises(InputError, match="'independent' does not protect small groups"):
        tuner_of(["marginal", "independent"], protect_groups=("a",))


def test_tries_are_judged_by_tables_with_the_target_on_few_groups():
    domain = Domain(names=("a", "b", "c", "y"), sizes=(40, 3, 9, 2), target="y")
    found = scoring_of(domain)
    assert found.subsets == (("a", "b", "y"), ("a", "c", "y"), ("b", "c", "y"))
    assert [int(g.max()) + 1 for g in found.groups] == [GROUPS, 3, GROUPS, 2]
    assert sum(found.weights) == pytest.approx(1)
    wide = scoring_of(Domain(names=tuple(f"c{i}" for i in range(60)), sizes=(2,) * 60))
    assert 0 < len(wide.subsets) <= MOST_TABLES
    assert scoring_of(Domain(names=("a",), sizes=(3,))).subsets == (("a",),)
    assert scoring_of(Domain(names=("a", "y"), sizes=(3, 2), target="y")).subsets == (("a", "y"),)
    assert all(np.array_equal(np.unique(g), np.arange(g.max() + 1)) for g in found.groups)
