"""Related tables: integrity, cardinality and dependence are kept; one budget; one file."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from synth.errors import ArtifactError, InputError, RefusedError
from synth.privacy.chain import read_ledger
from synth.privacy.frame import PrivateFrame
from synth.relations import Related, Relations
from synth.schema import Column, Kind, Schema
from synth.tables import fit_tables, load_tables


def word(name, *values):
    return Column(name=name, kind=Kind.CATEGORY, categories=values, nullable=False)


def child(name, key=None):
    columns = (Column(name="who"), word("what", "x", "y"), *([] if key is None else [Column(name=key, kind=Kind.IDENTIFIER)]))
    return Related(name=name, key=key, parent_key="who", cap=3, schema=Schema(columns=columns))


PARENT = Related(name="people", key="id", schema=Schema(columns=(word("sex", "f", "m"), Column(name="id", kind=Kind.INTEGER))))
RELATIONS = Relations(parent=PARENT, children=(child("stays", "no"), child("calls")))


def simulate(n=3000):
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], n)
    found = {"people": pd.DataFrame({"sex": sex, "id": 7 * np.arange(n) + 50_000})}
    for name, rate in (("stays", 0.4), ("calls", 0.2)):
        who = np.repeat(np.arange(n), rng.binomial(3, np.where(sex == "f", rate, rate / 2)))
        what = np.where(rng.random(len(who)) < 0.9, np.where(sex[who] == "f", "x", "y"), "y")
        found[name] = pd.DataFrame({"who": found["people"]["id"].to_numpy()[who], "what": what})
    return found | {"stays": found["stays"].assign(no="secret")}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    book = tmp_path_factory.mktemp("tables") / "book"
    return fit_tables(simulate(), relations=RELATIONS, epsilon=8.0, model="marginal", seed=0, ledger=book), book


def test_one_budget_is_split_and_protects_a_parent_with_all_its_rows(fitted):
    release, book = fitted
    assert release.epsilon == 8.0
    assert [r.receipt.epsilon for r in release.releases] == [4.0, 4.0]
    assert {r.receipt.unit for r in release.releases} == {"id"}
    assert release.delta <= 2e-5
    assert "people" in release.unit
    assert [r["adjacency"] for r in read_ledger(book) if r["record"] == "run"] == ["add-or-remove-one-id"] * 2


def test_a_key_called_row_is_not_taken_for_single_rows(tmp_path):
    parent = Related(name="people", key="row", schema=Schema(columns=(word("sex", "f", "m"), Column(name="row"))))
    rows = simulate()
    release = fit_tables(
        {"people": rows["people"].rename(columns={"id": "row"}), "calls": rows["calls"]},
        relations=Relations(parent=parent, children=(child("calls"),)), epsilon=8.0, model="independent",
    )  # fmt: skip
    assert release.releases[0].receipt.adjacency == "add or remove all rows of one row (entity)"


def test_several_processes_do_not_each_fit_the_same_tables(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="in one process"):
        fit_tables(simulate(10), relations=RELATIONS, epsilon=8.0)


def test_keys_fit_and_parents_have_as_many_rows_as_the_real_ones(fitted):
    drawn, real = fitted[0].sample(seed=1), simulate()
    people = drawn["people"]
    assert list(people.columns) == ["sex", "id"]
    assert people["id"].is_unique
    assert abs(len(people) - 3000) < 200
    assert drawn["stays"]["no"].is_unique
    assert "secret" not in set(drawn["stays"]["no"])
    for name in ("stays", "calls"):
        shares, says = [], []
        for tables in (real, drawn):
            assert tables[name]["who"].isin(tables["people"]["id"]).all()
            sex = tables["people"].set_index("id")["sex"]
            count = tables[name].groupby("who").size().reindex(sex.index, fill_value=0)
            shares.append([np.bincount(count[sex == s], minlength=4) / (sex == s).sum() for s in ("f", "m")])
            says.append((tables[name]["what"] == "x").groupby(sex[tables[name]["who"]].to_numpy()).mean())
        assert np.abs(np.array(shares[0]) - np.array(shares[1])).max() < 0.08
        assert np.abs(says[0] - says[1]).max() < 0.1


def test_one_file_holds_all_and_draws_the_same(fitted, tmp_path):
    again = load_tables(fitted[0].save(tmp_path / "t.synth"))
    for name, table in again.sample(40, seed=3).items():
        pd.testing.assert_frame_equal(table, fitted[0].sample(40, seed=3)[name])
    assert len(again.sample(40, seed=3)["people"]) == 40
    assert len(again.sample(0)["stays"]) == 0
    with pytest.raises(InputError, match="must not be negative"):
        again.sample(-1)


def test_files_that_are_something_else_are_refused(fitted, tmp_path):
    whole = fitted[0].save(tmp_path / "t.synth").read_bytes()
    (tmp_path / "half.synth").write_bytes(whole[: len(whole) // 2])
    fitted[0].releases[0].save(tmp_path / "one.synth")
    with zipfile.ZipFile(tmp_path / "t.synth") as source:
        members = {name: source.read(name) for name in source.namelist()}
    facts = members["relations.json"]
    wrong = {
        "lost": {"relations.json": facts, "0.synth": members["0.synth"]},
        "swapped": {"relations.json": facts, "0.synth": members["1.synth"], "1.synth": members["0.synth"]},
        "new": {"relations.json": facts.replace(b'"version": 1', b'"version": 2')},
    }
    for name, parts in wrong.items():
        with zipfile.ZipFile(tmp_path / f"{name}.synth", "w") as target:
            for member, data in parts.items():
                target.writestr(member, data)
    for name in ("half", "one", "none", *wrong):
        with pytest.raises(ArtifactError):
            load_tables(tmp_path / f"{name}.synth")


def test_missing_rows_and_tiny_budgets_are_refused(monkeypatch):
    few = simulate(50)
    with pytest.raises(InputError, match="no rows for table 'calls'"):
        fit_tables({k: v for k, v in few.items() if k != "calls"}, relations=RELATIONS, epsilon=1.0)
    monkeypatch.setattr(PrivateFrame, "noisy_row_count", lambda self, *, sigma: 0.0)  # what noise makes of 50 rows, mostly
    with pytest.raises(RefusedError):
        fit_tables(few, relations=RELATIONS, epsilon=0.001, model="independent")
