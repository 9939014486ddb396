"""Blocks of persons; what they look like through a release is tested in ``test_release``."""

import numpy as np
import pandas as pd
import pytest

from synth.encoding.category import closed_codec
from synth.encoding.codec import Codec
from synth.entity import learnt_schema
from synth.person_rows import no_persons, person_blocks
from synth.schema import Column, Kind, Schema

WORD = {"kind": Kind.CATEGORY, "nullable": False}
SCHEMA = Schema(
    columns=(
        Column(name="visit", categories=("x", "y"), **WORD),
        Column(name="id"),
        Column(name="sex", categories=("f", "m"), constant_per_entity=True, **WORD),
    ),
    entity="id", max_rows_per_entity=3,
)  # fmt: skip
CODEC = Codec(learnt_schema(SCHEMA), tuple(closed_codec(c) for c in learnt_schema(SCHEMA).columns))


def drawn():
    rng = np.random.default_rng(0)
    while True:
        yield np.column_stack([rng.integers(0, 3, 60), rng.integers(0, 2, 60), rng.integers(0, 2, 60)]).astype(np.int32), rng


def blocks(**limits):
    options = {"num_rows": None, "num_persons": None} | limits
    return list(person_blocks(drawn(), CODEC, SCHEMA, np.random.SeedSequence(0), **options))


@pytest.mark.parametrize(("limits", "persons"), [({"num_persons": 20}, 20), ({"num_persons": 45}, 45), ({"num_persons": 0}, 0)])
def test_so_many_persons(limits, persons):
    found = pd.concat([no_persons(CODEC, SCHEMA), *blocks(**limits)])
    assert list(found.columns) == list(SCHEMA.names)
    assert found["id"].nunique() == persons
    assert list(found["id"].unique()) == [f"id-{i + 1}" for i in range(persons)]
    assert (found.groupby("id")["sex"].nunique() == 1).all()


def test_so_many_rows_or_persons_whichever_ends_first():
    assert [len(block) for block in blocks(num_rows=1)] == [1]
    assert sum(len(block) for block in blocks(num_rows=150)) == 150
    assert pd.concat(blocks(num_rows=150, num_persons=2))["id"].nunique() == 2
    assert blocks(num_rows=0) == []
