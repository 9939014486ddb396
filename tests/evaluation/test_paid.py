from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.paid import MAX_PAIRS, Paid, check_delta, code_names, group_codes, measure
from synth.api import fit
from synth.encoding.category import CategoryCodec
from synth.errors import InputError
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import Budget
from synth.privacy.ledger import Ledger
from synth.release import Release
from synth.schema import Column, Kind, Schema


@pytest.fixture(scope="module")
def release(real: pd.DataFrame, schema: Schema) -> Release:
    return fit(real.astype(str), epsilon=3.0, schema=schema, model="independent", seed=0)


def paid(real: pd.DataFrame, release: Release, epsilon: float = 50.0, target: str | None = "ill") -> tuple[Paid, Ledger]:
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    return measure(real.astype(str), release.sample(seed=1), release, book, target=target), book


def test_at_a_large_budget_the_answers_are_nearly_exact(real: pd.DataFrame, release: Release) -> None:
    found, _ = paid(real, release)
    assert [m.names for m in found.singles] == [(name,) for name in release.schema.names]
    for table in (*found.singles, *found.pairs):
        slack = 6 * float(table.sigma) * np.sqrt(table.counts.size)
        assert abs(table.counts.sum() - len(real)) < slack
    assert found.confusion is not None
    assert found.confusion.names[0] == "ill"
    sick = found.confusion.counts.sum(axis=1)[1]
    assert abs(sick - real["ill"].sum()) < 20


@pytest.mark.parametrize("target", ["ill", "income", None])
def test_the_whole_grant_is_spent_and_no_more(real: pd.DataFrame, release: Release, target: str | None) -> None:
    found, book = paid(real, release, epsilon=0.7, target=target)
    spent = epsilon_of(book.events, book.working_delta)
    assert 0.6 < spent <= 0.7
    assert found.epsilon == 0.7
    assert (found.confusion is None) == (target != "ill")
    assert len(book.events) == len(found.singles) + len(found.pairs) + (target == "ill")


def test_groups_cover_every_code_and_follow_the_synthetic_rows(real: pd.DataFrame, release: Release) -> None:
    found, _ = paid(real, release)
    for groupings, most in ((found.groupings, 12), (found.coarse, 4)):
        for j, codec in enumerate(release.codec.columns):
            grouping = groupings[codec.column.name]
            assert grouping.codes.shape == (codec.size,)
            assert set(grouping.codes.tolist()) == set(range(len(grouping.labels)))
            assert len(grouping.labels) <= most + 1
            counts = np.bincount(grouping.codes[found.synthetic[:, j]], minlength=len(grouping.labels))
            assert counts.sum() == len(found.synthetic)


def test_rare_categories_share_a_group() -> None:
    names = tuple(f"v{i}" for i in range(30))
    codec = CategoryCodec(column=Column(name="c", kind=Kind.CATEGORY), categories=names, other=True, missing=True)
    codes = np.repeat(np.arange(32), np.arange(32, 0, -1))
    grouping = group_codes(codec, codes, 4)
    assert grouping.labels == ("v0", "v1", "v2", "(all others)")
    assert code_names(codec)[-1] == "(missing)"
    empty = CategoryCodec(column=Column(name="c", kind=Kind.CATEGORY), categories=(), other=False, missing=False)
    assert group_codes(empty, np.zeros(5, dtype=np.int64), 4).labels == ("(missing)",)


def test_many_pairs_are_a_public_choice_with_the_target_in(real: pd.DataFrame) -> None:
    wide = pd.DataFrame({f"c{i}": np.random.default_rng(i).choice(["a", "b"], 300) for i in range(14)})
    columns = tuple(Column(name=name, kind=Kind.CATEGORY, categories=("a", "b"), nullable=False) for name in wide)
    release = fit(wide, epsilon=5.0, schema=Schema(columns=columns, target="c7"), model="independent", seed=0)
    one, _ = paid(wide, release, target="c7")
    other, _ = paid(wide.iloc[:50], release, target="c7")
    assert len(one.pairs) == MAX_PAIRS
    assert sum("c7" in m.names for m in one.pairs) == 13
    assert [m.names for m in one.pairs] == [m.names for m in other.pairs]


def test_a_column_named_prediction_is_no_trouble() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"prediction": rng.choice(["a", "b"], 400), "y": rng.choice(["u", "v"], 400)})
    columns = tuple(Column(name=name, kind=Kind.CATEGORY, categories=tuple(sorted(frame[name].unique()))) for name in frame)
    release = fit(frame, epsilon=5.0, schema=Schema(columns=columns, target="y"), model="independent", seed=0)
    found, _ = paid(frame, release, target="y")
    assert found.confusion is not None
    assert found.confusion.names == ("y", "prediction_")


def test_a_delta_that_publishes_a_row_is_refused() -> None:
    check_delta(1e-7, 1000)
    with pytest.raises(InputError, match="choose at most 1e-04"):
        check_delta(1e-3, 1000)
