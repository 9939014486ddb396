from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation.inference.refits import LEAST_POOL, declared_schema, population, refits
from synth.api import fit
from synth.errors import InputError, RefusedError
from synth.release import Release
from synth.schema import Column, Kind, Schema

DECLARED = Schema(
    columns=(
        Column(name="x", kind=Kind.FLOAT),
        Column(name="k", kind=Kind.INTEGER, bounds=(0, 9), nullable=False),
        Column(name="g", kind=Kind.CATEGORY),
        Column(name="u"),
    ),
    public_rows=400,
)


@pytest.fixture(scope="module")
def release() -> Release:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=400),
            "k": rng.integers(0, 10, 400),
            "g": rng.choice(["a", "b"], 400),
            "u": ["left", "right"] * 200,
        }
    )
    return fit(frame.astype(str), epsilon=5.0, delta=1e-5, schema=DECLARED, model="independent", seed=0)


def test_what_was_learnt_is_learnt_again(release: Release) -> None:
    """Facts that were paid for are open again; what was declared stays: a refit has the noise of the original."""
    assert release.schema["x"].bounds is not None
    again = declared_schema(release)
    for column, wanted in zip(again.columns, DECLARED.columns, strict=True):
        assert (column.kind, column.bounds, column.categories) == (wanted.kind, wanted.bounds, wanted.categories)
    assert again.public_rows == 400
    hidden = replace(release, receipt=replace(release.receipt, rows_public=False))
    assert declared_schema(hidden).public_rows is None


def test_refits_run_the_same_mechanisms(release: Release) -> None:
    pool = population(release, 1)
    assert len(pool) == LEAST_POOL
    told: list[int] = []
    found = list(refits(release, pool, 10, np.random.default_rng(0), told.append))
    assert len(found) == len(told) == 10
    for again in found:
        assert (again.receipt.epsilon, again.receipt.delta) == (release.receipt.epsilon, release.receipt.delta)
        assert [e["what"] for e in again.receipt.events] == [e["what"] for e in release.receipt.events]
        assert [e["sigma"] for e in again.receipt.events] == [e["sigma"] for e in release.receipt.events]


def test_too_few_refits_are_refused(release: Release) -> None:
    with pytest.raises(InputError, match="at least 10"):
        next(refits(release, population(release, 1), 3, np.random.default_rng(0)))


def test_rows_of_one_person_are_not_drawn_apart(release: Release) -> None:
    several = replace(release, receipt=replace(release.receipt, unit="patient"))
    with pytest.raises(RefusedError, match="a person has several"):
        next(refits(several, population(release, 1), 10, np.random.default_rng(0)))


def test_persons_are_no_population_of_rows(release):
    with pytest.raises(InputError, match="protects persons"):
        population(replace(release, persons=DECLARED), seed=0)
