from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.baselines.generators import (
    BASELINES,
    MARK,
    NonPrivateBaselineNet,
    NonPrivateBaselineTrees,
    is_marked,
    make_baseline,
    marked,
)
from evaluation.publish import publish
from synth.api import fit
from synth.encoding.values import conform
from synth.errors import InputError
from synth.registry import SYNTHESIZERS
from synth.schema import Schema


@pytest.mark.parametrize("name", BASELINES)
def test_rows_are_marked_and_have_the_schema(real: pd.DataFrame, schema: Schema, name: str) -> None:
    rows = conform(real, schema)
    generator = NonPrivateBaselineNet(steps=20) if name == "net" else make_baseline(name)
    made = generator.generate(rows, schema, 300, seed=1)
    assert len(made) == 300
    assert is_marked(made)
    assert made.attrs["privacy"] == MARK == "NOT PRIVATE"
    again = conform(made, schema)
    assert list(again.columns) == list(schema.names)
    assert made.equals(generator.generate(rows, schema, 300, seed=1))
    assert not made.equals(generator.generate(rows, schema, 300, seed=2))


def test_they_are_no_synthesizers_and_say_so_in_their_names() -> None:
    """A separate class each, out of reach of ``fit``; never a switch of a private model."""
    for name, make in BASELINES.items():
        assert make.__name__.startswith("NonPrivateBaseline")  # type: ignore[attr-defined]
        assert "NOT PRIVATE" in str(make.__doc__)
        assert name not in SYNTHESIZERS or name == "independent"
    with pytest.raises(InputError, match="none of them is private"):
        make_baseline("hybrid")


@pytest.mark.parametrize("generator", [NonPrivateBaselineTrees(), NonPrivateBaselineNet(steps=300)])
def test_relations_are_learnt(
    generator: NonPrivateBaselineTrees | NonPrivateBaselineNet, real: pd.DataFrame, schema: Schema
) -> None:
    """Age and illness correlate by 0.6 and more; independent columns by less than 0.14 (six standard errors, 1e-8)."""
    plain = conform(real, schema)

    def relation(rows: pd.DataFrame) -> float:
        return float(rows["age"].corr(rows["ill"].map({"True": 1.0, "False": 0.0})))

    blind = make_baseline("independent").generate(plain, schema, 2000, seed=0)
    assert abs(relation(blind)) < 0.14
    assert relation(generator.generate(plain, schema, 2000, seed=0)) > 0.6 * relation(plain) > 0.3


def test_a_publishable_report_refuses_them(real: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    book = tmp_path / "l"
    release = fit(real.astype(str), epsilon=1.0, delta=1e-6, schema=schema, model="independent", ledger=book)
    before = book.read_bytes()
    with pytest.raises(InputError, match="NOT PRIVATE"):
        publish(real.astype(str), marked(release.sample(50, seed=0)), release, book, epsilon=0.5)
    assert book.read_bytes() == before


def test_one_column_and_few_rows_are_enough(schema: Schema) -> None:
    one = Schema(columns=schema.columns[:1])
    rows = pd.DataFrame({"age": np.arange(3.0)})
    for name in BASELINES:
        generator = NonPrivateBaselineNet(steps=3) if name == "net" else make_baseline(name)
        assert len(generator.generate(rows, one, 7)) == 7
        with pytest.raises(InputError, match="at least 2 rows"):
            generator.generate(rows.iloc[:1], one, 7)
