from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from evaluation.sweep.runs import Material, Sweep, cost_of, key_of, missing_cells, read_records, run_sweep, scored_tables
from synth.api import fit
from synth.errors import InputError, RefusedError
from synth.privacy.account import read_account
from synth.privacy.chain import read_ledger
from synth.privacy.frame import PrivateFrame
from synth.privacy.ledger import set_total
from synth.schema import Schema

PLAN = Sweep(epsilons=(0.5, 2.0), delta=1e-6, model="independent", max_rows=200, baseline="independent")


@pytest.fixture
def material(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> Material:
    return Material(train=real.astype(str), test=holdout.astype(str), declared=schema, facts=schema)


def test_every_fit_is_charged_and_none_twice(material: Material, tmp_path: Path) -> None:
    file, book = tmp_path / "s.jsonl", tmp_path / "book"
    expected = cost_of(PLAN, PLAN.cells(), book)
    found = list(run_sweep(PLAN, material, file, book))
    assert [r["epsilon"] for r in found] == [None, 0.5, 2.0]
    account = read_account(read_ledger(book))
    assert [run.epsilon for run in account.runs] == [0.5, 2.0]
    assert {run.delta for run in account.runs} == {1e-6}
    assert account.spent(expected.delta) <= expected.epsilon <= expected.plain == 2.5
    before = book.read_bytes()
    assert list(run_sweep(PLAN, material, file, book)) == []
    assert book.read_bytes() == before


def test_a_longer_sweep_runs_and_costs_only_what_is_missing(material: Material, tmp_path: Path) -> None:
    file, book = tmp_path / "s.jsonl", tmp_path / "book"
    list(run_sweep(PLAN, material, file, book))
    more = replace(PLAN, epsilons=(0.5, 1.0, 2.0))
    missing = missing_cells(more, read_records(file, key_of(more, material)))
    assert missing == [(1.0, 0)]
    cost = cost_of(more, missing, book)
    assert (cost.fits, cost.before) == (1, 2)
    assert cost.plain == pytest.approx(3.5)
    with file.open("a") as lines:
        lines.write('{"key": "cut o')
    assert len(read_records(file, key_of(more, material))) == 3


def test_other_rows_or_settings_share_no_record(material: Material) -> None:
    key = key_of(PLAN, material)
    assert key == key_of(replace(PLAN, epsilons=(1.0, 3.0), seeds=2), material)
    assert key != key_of(replace(PLAN, delta=1e-7), material)
    assert key != key_of(replace(PLAN, model="marginal"), material)
    assert key != key_of(PLAN, replace(material, train=material.train.iloc[1:]))


def test_a_total_that_does_not_carry_the_whole_sweep_refuses_before_the_first_fit(tmp_path: Path) -> None:
    book = tmp_path / "book"
    set_total(book, epsilon=2.2, delta=1e-5)
    with pytest.raises(RefusedError, match=r"above the total of 2\.2"):
        cost_of(PLAN, PLAN.cells(), book)
    assert cost_of(PLAN, PLAN.cells()[:1], book).epsilon <= 2.2


def test_public_rows_charge_nothing_and_refusals_are_records(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PrivateFrame, "noisy_row_count", lambda self, *, sigma: 0.0)  # what noise makes of 30 rows, mostly
    tiny = replace(material, train=material.train.iloc[:30])
    plan = replace(PLAN, epsilons=(0.001, 0.002))
    found = list(run_sweep(plan, tiny, tmp_path / "s.jsonl", None))
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]
    assert all("too few rows" in r["failed"] for r in found[1:])
    assert scored_tables(plan, tiny).real.shape[0] == 30


@pytest.mark.parametrize(
    "options",
    [{"epsilons": (1.0,)}, {"epsilons": (2.0, 1.0)}, {"epsilons": (1.0, 1.0)}, {"seeds": 0}, {"epsilons": (0.0, 1.0)},
     {"baseline": "gan"}],
)  # fmt: skip
def test_impossible_sweeps_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        replace(PLAN, **options)  # type: ignore[arg-type]


def test_the_ledger_of_a_sweep_is_that_of_other_fits(material: Material, schema: Schema, tmp_path: Path) -> None:
    book = tmp_path / "book"
    fit(material.train, epsilon=1.0, delta=1e-6, schema=schema, model="independent", ledger=book)
    cost = cost_of(PLAN, PLAN.cells(), book)
    assert cost.before == 1
    assert cost.plain == pytest.approx(3.5)
    assert cost.delta == pytest.approx(3e-6)
