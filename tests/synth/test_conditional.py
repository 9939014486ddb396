import numpy as np
import pandas as pd
import pytest

from synth import conditional
from synth.conditional import (
    EFFECTIVE,
    Source,
    completed_codes,
    conditioned_blocks,
    interleaved,
    joined,
)
from synth.conditions import Terms
from synth.encoding.category import closed_codec
from synth.encoding.within import category_within
from synth.errors import RefusedError
from synth.models.base import Fitted
from synth.models.independent import Independent
from synth.models.one_way import pack
from synth.schema import Column, Kind
from synth.table import Domain, EncodedTable

CODEC = closed_codec(Column(name="a", kind=Kind.CATEGORY, categories=("x", "y", "z"), nullable=False))
DOMAIN = Domain(names=("a", "b"), sizes=(3, 2))
FITTED = Fitted({"one_way": pack([np.array([0.5, 0.5, 0.0]), np.array([0.9, 0.1])])}, {})


class Rejecting:
    """Cannot condition: rows of the independent model."""

    def sample(self, fitted, domain, n_rows, rng):
        return EncodedTable(domain, Independent().sample(fitted, domain, n_rows, rng).codes)


def finish(codes, rng, within):
    return pd.DataFrame(codes, columns=["a", "b"])


def source(model=None):
    return Source(model or Independent(), FITTED, DOMAIN, finish)


def terms(allowed, *tests):
    return Terms((category_within(CODEC, np.array(allowed)), None), tests)


@pytest.mark.parametrize("model", [Independent(), Rejecting()])
def test_blocks_meet_the_condition_and_do_not_depend_on_how_many(model):
    root = np.random.SeedSequence(3)
    few, many = (
        joined(conditioned_blocks(source(model), terms([False, True, False]), n, root), pd.DataFrame()) for n in (100, 5000)
    )
    assert (many["a"] == 1).all()
    assert few.equals(many.iloc[:100])
    assert many["b"].mean() == pytest.approx(0.1, abs=0.03)
    assert 4000 < many.attrs[EFFECTIVE] <= 5000


def test_tests_of_rows_are_met_as_well():
    rows = next(conditioned_blocks(source(), terms([True, True, True], lambda r: (r["a"] + r["b"] == 1).to_numpy()), 500,
                                   np.random.SeedSequence(0)))  # fmt: skip
    assert (rows["a"] + rows["b"] == 1).all()
    assert (rows["a"] == 1).mean() == pytest.approx(0.9, abs=0.07)


@pytest.mark.parametrize("model", [Independent(), Rejecting()])
def test_a_condition_without_support_is_refused_after_bounded_work(model, monkeypatch):
    monkeypatch.setattr(conditional, "MOST_POOLS", 2)
    with pytest.raises(RefusedError, match="hardly supports"):
        next(conditioned_blocks(source(model), terms([False, False, True]), 10, np.random.SeedSequence(0)))


@pytest.mark.parametrize("model", [Independent(), Rejecting()])
def test_known_codes_stay(model, monkeypatch):
    monkeypatch.setattr(conditional, "MOST_POOLS", 2)
    known = np.array([[1, -1], [-1, 1], [-1, -1], [0, 1]])
    codes = completed_codes(source(model), known, np.random.SeedSequence(0))
    assert ((codes == known) | (known < 0)).all()
    assert completed_codes(source(model), known[:0], np.random.SeedSequence(0)).shape == (0, 2)


def test_a_model_that_cannot_condition_refuses_rows_it_never_draws(monkeypatch):
    monkeypatch.setattr(conditional, "MOST_POOLS", 2)
    with pytest.raises(RefusedError, match="hybrid or marginal"):
        completed_codes(source(Rejecting()), np.array([[2, -1]]), np.random.SeedSequence(0))


def test_turns_of_several_conditions():
    def blocks(value, sizes):
        for size in sizes:
            block = pd.DataFrame({"a": [value] * size})
            block.attrs[EFFECTIVE] = float(size)
            yield block

    found = list(interleaved([blocks(0, [3, 3]), blocks(1, [3])], np.random.SeedSequence(0)))
    assert [len(b) for b in found] == [6, 3]
    assert [b.attrs[EFFECTIVE] for b in found] == [6, 3]
    assert sorted(found[0]["a"]) == [0, 0, 0, 1, 1, 1]
    assert joined(iter([]), pd.DataFrame({"a": []})).attrs[EFFECTIVE] == 0
