"""Columns chosen for a purpose: those that matter are kept, for a stated price, and nothing unpaid decides."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import synth
from synth.constraints import Inequality
from synth.errors import InputError
from synth.fewer_columns import (
    AIM,
    CHOICE_SHARE,
    CHOSEN,
    Purpose,
    aimed,
    bound,
    dependence,
    even_groups,
    fewer_columns,
    has_fewer_columns,
    purpose_of,
)
from synth.models.measured.workload import GOOD_GROUPS, carried_columns, crowded
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.shares import Measurement, measurement_mu
from synth.privacy.vault import PrivateTable
from synth.schema import Column, Kind, Schema
from synth.table import Domain

N, NOISE = 3000, 9


def table(seed=0, n=N):
    """``y`` depends on ``a`` and ``b``; the other columns are noise."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 3, n), rng.normal(50, 15, n).clip(0, 100).round()
    y = rng.random(n) < 1 / (1 + np.exp(-(1.5 * (a - 1) + 0.08 * (b - 50))))
    others = {f"n{i}": rng.integers(0, 4, n).astype(str) for i in range(NOISE)}
    return pd.DataFrame({"k": np.arange(n), "a": a.astype(str), **others, "b": b.astype(int), "y": np.where(y, "yes", "no")})


def schema_of(**more):
    names = [f"n{i}" for i in range(NOISE)]
    columns = (
        Column(name="k", kind=Kind.IDENTIFIER),
        Column(name="a", kind=Kind.CATEGORY, categories=("0", "1", "2"), nullable=False),
        *(Column(name=name, kind=Kind.CATEGORY, categories=("0", "1", "2", "3"), nullable=False) for name in names),
        Column(name="b", kind=Kind.INTEGER, bounds=(0, 100), nullable=False),
        Column(name="y", kind=Kind.CATEGORY, categories=("no", "yes"), nullable=False),
    )
    return Schema(columns=columns, **{"target": "y", "public_rows": N, **more})


def test_the_columns_that_matter_are_kept_and_the_price_is_told(tmp_path):
    """Each of both columns stands ten standard deviations above the nine others."""
    release = synth.fit(table(), epsilon=5.0, schema=schema_of(), model="independent", max_columns=3)
    assert release.schema.names == ("k", "a", "b", "y")
    assert set(release.sample(20, seed=1).columns) == {"k", "a", "b", "y"}
    events = [e for e in release.receipt.events if e["what"] == AIM]
    assert [e["target"][1] for e in events] == ["y"] * 11
    assert any("3 of 12 columns" in note and "n0, n1" in note and "5 %" in note for note in release.notes())
    assert release.receipt.learnt["y"] == [CHOSEN]
    assert has_fewer_columns(release.receipt)
    release.save(tmp_path / "m.synth")
    assert synth.load(tmp_path / "m.synth").sample(5, seed=1).shape == (5, 4)


def test_the_share_is_what_is_charged():
    release = synth.fit(table(), epsilon=1.0, schema=schema_of(), model="independent", max_columns=3)
    book = Ledger(Budget(epsilon=1.0, delta=release.receipt.delta))
    book.set_rows(declared_rows(N))
    spent = sum(e["sigma"] ** -2 for e in release.receipt.events if e["what"] == AIM)
    assert spent == pytest.approx(CHOICE_SHARE * measurement_mu(book) ** 2)
    assert release.receipt.epsilon_spent <= 1.0


def test_a_purpose_needs_no_schema_and_takes_the_place_of_the_target():
    rows = table().drop(columns=["k"])
    release = synth.fit(rows, epsilon=3.0, model="independent", purpose="a", max_columns=2)
    assert release.schema.target == "a"
    assert len(release.schema.names) == 2
    assert "a" in release.schema.names
    kept = synth.fit(table(), epsilon=1.0, schema=schema_of(), model="independent", purpose="b")
    assert kept.schema.target == "b"
    assert len(kept.schema.names) == NOISE + 4


def test_the_choice_is_a_function_of_noisy_answers():
    """Two tables that have no row in common, and the same noisy answers: the same choice."""
    answers, chosen = [], []

    class Told(Ledger):
        def ask(self, *events, draw, about=""):
            found = super().ask(*events, draw=draw, about=about)
            answers.append(found)
            return answers[0]

    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        domain = Domain(names=("p", "q", "r", "y"), sizes=(4, 4, 4, 2), target="y", in_order=(0,) * 4)
        book = Told(Budget(epsilon=1.0, delta=1e-5))
        book.set_rows(declared_rows(500))
        rows = PrivateTable(rng.integers(0, 2, (500, 4)), domain, declared_rows(500), book)
        columns = tuple(Column(name=n, kind=Kind.CATEGORY, categories=tuple("abcd"), nullable=False) for n in "pqr")
        y = Column(name="y", kind=Kind.CATEGORY, categories=("0", "1"), nullable=False)
        whole = Schema(columns=(*columns, y), target="y", public_rows=500)
        codec = synth.fit(
            pd.DataFrame({c.name: [c.categories[0]] * 500 for c in whole.columns}),
            epsilon=1.0,
            schema=whole,
            model="independent",
        ).codec
        chosen.append(fewer_columns(rows, codec, Purpose(target="y", most=2))[2])
    assert len(answers) == 2
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 2


def test_nothing_is_paid_where_all_columns_may_stay():
    release = synth.fit(table(), epsilon=1.0, schema=schema_of(), model="independent", max_columns=12)
    assert len(release.schema.names) == 13
    assert not [e for e in release.receipt.events if e["what"] == AIM]


def test_columns_of_a_constraint_stay_together():
    rows = table().assign(c=lambda f: f["b"] + 5)
    wide = schema_of()
    more = Column(name="c", kind=Kind.INTEGER, bounds=(0, 120), nullable=False)
    ruled = dataclasses.replace(wide, columns=(*wide.columns, more), constraints=(Inequality(low="b", high="c"),), target="a")
    assert bound(ruled, "a") == {"a", "b", "c"}
    release = synth.fit(rows, epsilon=1.0, schema=ruled, model="independent", max_columns=4)
    drawn = release.sample(300, seed=1)
    assert {"a", "b", "c"} < set(drawn.columns)
    assert len(release.codec.columns) == 4
    assert (drawn["b"] <= drawn["c"]).all()
    with pytest.raises(InputError, match="3 columns have to stay"):
        synth.fit(rows, epsilon=1.0, schema=ruled, max_columns=2)


def test_persons_lose_the_same_columns():
    rows = table().assign(k=lambda f: (f["k"] // 2).astype(str))
    whole = schema_of(entity="k", max_rows_per_entity=3, public_rows=None, public_entities=N // 2)
    release = synth.fit(rows, epsilon=3.0, schema=whole, model="independent", max_columns=4)
    assert {"k", "a", "b", "y"} <= set(release.schema.names) or len(release.schema.names) == 4
    assert list(release.sample(num_entities=5, seed=1).columns) == list(release.schema.names)


def test_what_cannot_be_asked_for_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="say what they are for"):
        purpose_of(None, 3, None)
    with pytest.raises(InputError, match="say what they are for"):
        purpose_of(None, 3, schema_of(target=None))
    with pytest.raises(InputError, match="at least 2"):
        purpose_of("y", 1, schema_of())
    with pytest.raises(InputError, match="not a column"):
        aimed(schema_of(), "z")
    with pytest.raises(InputError, match="not learnt as a column"):
        purpose_of("k", 3, schema_of())
    with pytest.raises(InputError, match="not a column"):
        synth.fit(table(), epsilon=1.0, purpose="z", max_columns=3)
    assert purpose_of("y", None, None) is None


def test_groups_cover_every_code_in_order():
    domain = Domain(names=("a", "y"), sizes=(70, 30), target="y", in_order=(70, 0))
    maps = even_groups(domain, rows=1e6, sigma=10.0)
    assert [int(m.max()) + 1 for m in maps] == [32, 8]
    assert all((np.diff(m) >= 0).all() and len(np.unique(m)) == m.max() + 1 for m in maps)
    assert [int(m.max()) + 1 for m in even_groups(domain, rows=10, sigma=100.0)] == [2, 4]


def test_dependence_is_zero_on_average_for_independent_columns_and_counts_what_noise_cannot_make():
    """The mean of 400 draws has a standard deviation of sqrt(2 df / 400) = 0.21; bounds at five of these: 6e-7."""
    rng = np.random.default_rng(0)
    share, sigma = np.outer([0.2, 0.3, 0.5], [0.1, 0.2, 0.3, 0.4]), 8.0

    def seen(joint):
        counts = rng.multinomial(2000, joint.ravel()).reshape(joint.shape) + rng.normal(0, sigma, joint.shape)
        return dependence(Measurement(names=("a", "b"), counts=counts, sigma=np.asarray(sigma)))

    none = np.mean([seen(share) for _ in range(400)])
    tied = share.copy()
    tied[0, 0] += 0.05
    tied[0, 1] -= 0.05 * 0.9
    tied = np.maximum(tied, 0) / np.maximum(tied, 0).sum()
    assert abs(none) < 1.1
    assert np.mean([seen(tied) for _ in range(20)]) > 20


def test_columns_that_rows_and_budget_carry():
    for rows, mu in ((2000, 0.2), (30_000, 0.05)):
        most = carried_columns(rows, mu)
        groups = [np.sqrt(rows * mu / np.sqrt(d * (d - 1) / 2)) for d in (most, most + 1)]
        assert groups[1] < GOOD_GROUPS <= groups[0] + 1e-9
    assert carried_columns(10, 0.01) == 2
    assert crowded(2, 10, 0.01) == []
    assert "--max-columns 2" in crowded(3, 10, 0.01)[0]


def test_a_fit_and_a_plan_warn_of_too_many_columns():
    from synth.plan import make_plan

    rows = table(n=300)
    release = synth.fit(rows, epsilon=0.5, schema=schema_of(public_rows=300), model="marginal")
    assert any("--max-columns" in note for note in release.notes())
    assert any("--max-columns" in note for note in make_plan(schema_of(public_rows=300), epsilon=0.5).notes())
    assert not any("--max-columns" in note for note in make_plan(schema_of(public_rows=300_000), epsilon=1.0).notes())


def test_an_interrupted_fit_goes_on_with_the_same_columns_and_no_others(tmp_path, monkeypatch):
    from synth.models.independent import Independent

    asked = {"epsilon": 1.0, "schema": schema_of(), "model": "independent", "seed": 1, "max_columns": 3}
    kept = {"ledger": tmp_path / "l", "checkpoint": tmp_path / "c"}
    seen = []

    def stop(self, data, run):
        seen.append(data.domain.names)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Independent, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            synth.fit(table(), **asked, **kept)
    with pytest.raises(InputError, match="another purpose"):
        synth.fit(table(), **{**asked, "max_columns": 4}, **kept, resume=True)
    release = synth.fit(table(), **asked, **kept, resume=True)
    assert tuple(c.column.name for c in release.codec.columns) == seen[0]
    assert len([e for e in release.receipt.events if e["what"] == AIM]) == 11


def test_protected_columns_stay():
    asked = {"epsilon": 3.0, "schema": schema_of(), "model": "marginal", "max_columns": 3, "protect_groups": ["n4"]}
    release = synth.fit(table(), **asked)
    assert "n4" in release.schema.names
    assert len(release.schema.names) == 4
    with pytest.raises(InputError, match="too few: 3 columns"):
        purpose_of("y", 2, schema_of(), ("n4", "n5"))
