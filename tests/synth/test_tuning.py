"""A fit by a paid choice: the whole stays within one budget, and only the best try leaves."""

import numpy as np
import pandas as pd
import pytest

import synth
from synth.errors import InputError, RefusedError
from synth.privacy.chain import read_ledger
from synth.privacy.ledger import set_total
from synth.schema import Column, Kind, Schema
from synth.tuning import promised, tune

N = 2000
SCHEMA = Schema(
    columns=(
        Column(name="a", kind=Kind.CATEGORY, categories=("0", "1", "2"), nullable=False),
        Column(name="b", kind=Kind.INTEGER, bounds=(0, 9), nullable=False),
        Column(name="y", kind=Kind.CATEGORY, categories=("0", "1", "2"), nullable=False),
    ),
    target="y",
    public_rows=N,
)


def table(seed=0):
    """``y`` is ``a``: a model of independent columns is far off."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 3, N).astype(str)
    return pd.DataFrame({"a": a, "b": rng.integers(0, 10, N), "y": a})


def test_the_whole_of_it_costs_what_was_granted_and_the_better_model_leaves(tmp_path):
    """Tries of the worse model alone: about one in four. So which one it is, is not asserted; that it is one of them, is."""
    book = tmp_path / "l.jsonl"
    release = tune(table(), epsilon=3.0, candidates=["marginal", "independent"], schema=SCHEMA, seed=1, ledger=book)
    assert release.model in ("marginal", "independent")
    assert release.receipt.epsilon == 3.0
    assert 2.99 < release.receipt.epsilon_spent <= 3.0
    assert release.receipt.events[-1]["type"] == "repeated_selection"
    assert any("was chosen among marginal, independent" in note for note in release.notes())
    assert [r["record"] for r in read_ledger(book)][:2] == ["run", "rows"]
    assert read_ledger(book)[0]["purpose"] == "tune"
    release.save(tmp_path / "m.synth")
    again = synth.load(tmp_path / "m.synth")
    assert again.sample(9, seed=2).equals(release.sample(9, seed=2))
    set_total(book, epsilon=4.0, delta=1e-4)
    with pytest.raises(RefusedError, match="does not fit the total"):
        tune(table(), epsilon=3.0, candidates=["marginal", "independent"], schema=SCHEMA, ledger=book)


def test_what_one_try_will_have_is_known_before_anything_is_read():
    event = promised(1.0, 1e-6, ["marginal", "independent"], None)
    assert 0.5 < event.run_epsilon < 1.0
    with pytest.raises(InputError, match="2 to 50"):
        promised(1.0, None, ["marginal"], None)


def test_several_processes_are_refused_before_a_row_is_read(monkeypatch):
    from synth import tuning

    monkeypatch.setattr(tuning, "several", lambda: True)
    with pytest.raises(InputError, match="one process"):
        tune("nowhere.csv", epsilon=1.0, candidates=["marginal", "independent"])


def test_every_try_has_public_rows_fewer_columns_and_protected_groups(tmp_path):
    rows = table().assign(c=np.random.default_rng(1).integers(0, 3, N).astype(str))
    wide = Schema(columns=(*SCHEMA.columns, Column(name="c", kind=Kind.CATEGORY, categories=("0", "1", "2"))), public_rows=N)
    book = tmp_path / "l.jsonl"
    release = tune(
        rows, epsilon=20.0, candidates=["marginal", "hybrid.private_training=false"], schema=wide, runs=2.0, seed=1,
        public=rows.iloc[:200].sample(frac=1.0, random_state=2).assign(b=9), purpose="y", max_columns=3, protect_groups=["a"],
        ledger=book,
    )  # fmt: skip
    names = release.schema.names
    assert (len(names), {"a", "y"} <= set(names), release.schema.target) == (3, True, "y")
    assert release.options["protect_groups"] == ("a",)
    assert any("200" in limit and "public" in limit for limit in release.receipt.limits)
    charged = [r.get("what") for r in read_ledger(book) if r["record"] == "event"]
    assert charged[-1] == "the best of several tries"
    assert {"rows shared with the public table", "table for choosing columns"} <= set(charged)
    assert release.receipt.epsilon_spent <= 20.0
    notes = " ".join(release.notes())
    assert "3 of 4 columns were chosen for 'y'" in notes
    assert "small groups of 'a' are protected" in notes


def test_a_purpose_is_the_target_of_a_bare_header():
    release = tune(table(), epsilon=20.0, candidates=["marginal", "independent"], purpose="y", max_columns=2, runs=2.0, seed=0)
    assert (len(release.schema.names), release.schema.target) == (2, "y")


def test_what_tries_cannot_have_is_refused_before_a_row_is_read():
    two = ["marginal", "hybrid"]
    for more, match in (
        ({"purpose": "nobody"}, "is not a column"),
        ({"max_columns": 1}, "at least 2"),
        ({"max_columns": 2, "schema": Schema(columns=SCHEMA.columns)}, "say what they are for"),
        ({"protect_groups": ["nobody"]}, "not among the columns"),
        ({"protect_groups": ["y"]}, "names the target"),
    ):
        with pytest.raises(InputError, match=match):
            tune("nowhere.csv", epsilon=1.0, candidates=two, **({"schema": SCHEMA} | more))


def test_persons_can_be_tuned_for():
    rows = table().assign(who=np.arange(N) // 2)
    key = Column(name="who", kind=Kind.INTEGER)
    persons = Schema(columns=(key, *SCHEMA.columns), target="y", entity="who", max_rows_per_entity=2, public_entities=N // 2)
    release = tune(rows, epsilon=5.0, candidates=["marginal", "independent"], schema=persons, runs=2.0)
    assert list(release.sample(num_entities=3, seed=1).columns) == ["who", "a", "b", "y"]


def test_an_interruption_stays_charged(tmp_path, monkeypatch):
    from synth.models.independent import Independent
    from synth.models.marginal import Marginal

    def stop(self, data, run):
        raise KeyboardInterrupt

    monkeypatch.setattr(Independent, "fit", stop)
    monkeypatch.setattr(Marginal, "fit", stop)
    book = tmp_path / "l.jsonl"
    with pytest.raises(KeyboardInterrupt):
        tune(table(), epsilon=1.0, candidates=["independent", "marginal"], schema=SCHEMA, ledger=book)
    records = read_ledger(book)
    assert [r["type"] for r in records if r["record"] == "event"][-1] == "repeated_selection"
    assert (records[-1]["outcome"], records[-1]["time"]) == ("interrupted", "not told")
