"""Plans agree with what fits of such tables charge."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synth.api import fit
from synth.constraints import Sum
from synth.errors import InputError, RefusedError
from synth.plan import MODELS, make_plan
from synth.schema import Column, Kind, Schema

N = 3000
SCHEMA = Schema(
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 120), nullable=False),
        Column(name="pay", kind=Kind.DECIMAL, precision=2, bounds=(0, 5000)),
        Column(name="size", kind=Kind.ORDINAL, categories=("S", "M", "L"), nullable=False),
        Column(name="town", kind=Kind.CATEGORY),
        Column(name="ok", kind=Kind.BOOLEAN, nullable=False),
    ),
    target="ok",
    public_rows=N,
)


SHARES = {
    "one-way table": "one-way tables",
    "table for choosing columns": "choice of columns",
    "table of protected groups": "tables of protected groups",
}


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(0, 121, N), "pay": rng.lognormal(5, 1, N).round(2), "size": rng.choice(["S", "M", "L"], N),
            "town": rng.choice(["x", "y"], N), "ok": rng.random(N) < 0.5,
        }
    )  # fmt: skip


def sigmas(release, what):
    return {e["sigma"] for e in release.receipt.events if e["what"] == what}


@pytest.mark.parametrize("model", MODELS)
def test_the_noise_is_what_a_fit_of_such_a_table_charges(model):
    plan = make_plan(SCHEMA, epsilon=2.0, model=model)
    release = fit(rows(), schema=SCHEMA, epsilon=2.0, model=model)
    charged = sorted(sigmas(release, "one-way table"))
    assert [c.sigma for c in plan.columns] == pytest.approx([charged[0]] * 5, rel=0.02)
    assert len(charged) == 1
    assert plan.delta == release.receipt.delta
    threshold = next(e["threshold"] for e in release.receipt.events if e["what"] == "category domain")
    assert [c.threshold for c in plan.columns] == [0, 0, 0, threshold, 0]
    assert len(plan.pairs) == sum(e["what"] == "table" for e in release.receipt.events)
    if plan.pairs:
        seen = np.array(sorted(sigmas(release, "table")))
        assert np.median([p.sigma for p in plan.pairs]) == pytest.approx(np.median(seen), rel=0.5)
    assert plan.private_training == any(e["type"] == "subsampled_gaussian" for e in release.receipt.events)
    assert sum(plan.shares.values()) == pytest.approx(1.0, abs=0.01)
    assert 1 < plan.cpu_seconds < 100
    assert plan.mebibytes > 100


@pytest.mark.parametrize("model", ["hybrid", "marginal"])
def test_a_choice_of_columns_and_protected_groups_have_the_shares_that_a_fit_pays(model):
    asked = {"purpose": "ok", "max_columns": 4, "protect_groups": ["size"]}
    plan = make_plan(SCHEMA, epsilon=3.0, model=model, **asked)
    release = fit(rows(), schema=SCHEMA, epsilon=3.0, model=model, **asked)
    paid = {what: sum(e["sigma"] ** -2 for e in release.receipt.events if e["what"] == what) for what in SHARES}
    for what, share in SHARES.items():
        assert paid[what] / paid["one-way table"] == pytest.approx(plan.shares[share] / plan.shares["one-way tables"], rel=0.02)
    assert len(plan.columns) == len(release.schema.names) == 4
    assert {"size", "ok"} <= {c.name for c in plan.columns}
    assert sum(plan.shares.values()) == pytest.approx(1.0, abs=0.01)
    assert len(plan.pairs) == sum(e["what"] == "table" for e in release.receipt.events)
    notes = " ".join(plan.notes())
    assert "4 of 5 columns would be kept for 'ok'" in notes
    assert "small groups of 'size' are protected: 15 %" in notes


@pytest.mark.parametrize(("target", "share"), [("age", 0.1), ("ok", None)])
def test_a_numeric_target_is_regressed_for_a_share(target, share):
    plan = make_plan(replace(SCHEMA, target=target), epsilon=5.0, rows=50_000)
    assert plan.private_training
    assert plan.shares.get("regression of the target") == share
    assert sum(plan.shares.values()) == pytest.approx(1.0, abs=0.01)


def test_columns_that_all_stay_cost_no_choice():
    plan = make_plan(SCHEMA, epsilon=3.0, max_columns=5)
    assert "choice of columns" not in plan.shares
    assert len(plan.columns) == 5


def test_wide_columns_and_small_budgets_are_told():
    wide = Column(name="code", kind=Kind.CATEGORY, categories=tuple(map(str, range(900))))
    plan = make_plan(SCHEMA.with_columns((*SCHEMA.columns, wide)), epsilon=0.5)
    assert "code" in [c.name for c in plan.columns if c.wide]
    notes = " ".join(plan.notes())
    assert "column 'code' is too wide" in notes
    assert "'town'" in notes
    tiny = make_plan(SCHEMA, epsilon=0.01, rows=N)
    assert not tiny.pairs
    assert "columns would be independent" in " ".join(tiny.notes())
    assert "DP-SGD would add nothing" in " ".join(tiny.notes())


def test_undeclared_and_ruled_tables():
    bare = Schema(columns=(Column(name="a"), Column(name="b", kind=Kind.INTEGER)))
    plan = make_plan(bare, rows=10_000, epsilon=1.0)
    assert {"kinds", "bounds", "row count", "category domains"} <= set(plan.shares)
    total = Column(name="t", kind=Kind.INTEGER)
    ruled = Schema(
        columns=(SCHEMA["age"], Column(name="b", kind=Kind.INTEGER, bounds=(0, 9)), total),
        constraints=(Sum(total="t", parts=("age", "b")),),
    )
    assert [c.name for c in make_plan(ruled, rows=5000, epsilon=1.0).columns] == ["age", "b"]


def test_bad_requests_are_a_sentence():
    open_count = Schema(columns=SCHEMA.columns)
    with pytest.raises(InputError, match="about how many rows"):
        make_plan(open_count, epsilon=1.0)
    with pytest.raises(InputError, match="about how many rows"):
        make_plan(SCHEMA, rows=0, epsilon=1.0)
    with pytest.raises(InputError, match="plans are made for"):
        make_plan(SCHEMA, epsilon=1.0, model="aim")
    with pytest.raises(InputError, match="does not protect"):
        make_plan(SCHEMA, epsilon=1.0, model="independent", protect_groups=["size"])
    with pytest.raises(InputError, match="names the target"):
        make_plan(SCHEMA, epsilon=1.0, protect_groups=["ok"])
    with pytest.raises(InputError, match="at least 2"):
        make_plan(SCHEMA, epsilon=1.0, max_columns=1)
    with pytest.raises(InputError, match="is not a column"):
        make_plan(SCHEMA, epsilon=1.0, purpose="nobody")
    with pytest.raises(InputError, match="epsilon"):
        make_plan(SCHEMA, epsilon=0.0)
    with pytest.raises(RefusedError, match="not below"):
        make_plan(SCHEMA, epsilon=1.0, delta=5e-3)


def test_a_plan_for_persons_counts_persons_and_leaves_their_key_out():
    columns = (*SCHEMA.columns, Column(name="who"))
    persons = Schema(columns=columns, entity="who", public_entities=N, target="ok")
    plan = make_plan(persons, epsilon=1.0, delta=1e-6, model="independent")
    assert plan.rows == N
    assert "who" not in {c.name for c in plan.columns}
    assert "rows per who" in {c.name for c in plan.columns}
