"""Public rows give facts for free and codes beside the private ones; what compares the two is charged and only warns."""

import numpy as np
import pandas as pd
import pytest

from synth.api import fit
from synth.errors import InputError, SchemaError
from synth.privacy.budget import Budget
from synth.privacy.chain import read_ledger
from synth.privacy.ingest import load_public, open_frame
from synth.privacy.ledger import Ledger
from synth.privacy.prepare import prepare
from synth.privacy.public import SHARED_SHARE, SIGMAS, SOME, filled, of_persons, set_beside, shared_note
from synth.privacy.shares import sigma_for
from synth.progress import Silent
from synth.schema import Column, Kind, Schema, undeclared


def rows(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 88, n),
            "pay": np.round(rng.lognormal(3, 1, n), 2),
            "town": rng.choice(["Ulm", "Aix", "Bath"], n),
            "day": (np.datetime64("2011-01-01") + rng.integers(0, 700, n)).astype(str),
            "flag": rng.random(n) < 0.3,
        }
    ).astype(str)


def test_open_facts_come_from_public_rows_and_declared_ones_stay():
    declared = Schema(
        columns=(
            Column(name="age", kind=Kind.INTEGER, bounds=(0, 120)),
            *(Column(name=name) for name in ("pay", "town", "day", "flag")),
            Column(name="key", kind=Kind.IDENTIFIER, pattern="A[0-9]{4}"),
        )
    )
    found = filled(declared, load_public(rows()))
    assert found["age"].bounds == (0, 120)
    assert (found["pay"].kind, found["pay"].precision) == (Kind.DECIMAL, 2)
    low, high = found["pay"].bounds
    assert low == 0
    assert float(rows()["pay"].astype(float).max()) <= high
    assert (found["town"].categories, found["town"].policy) == (("Aix", "Bath", "Ulm"), "other")
    assert found["day"].bounds == ("2011-01-01", "2012-12-31")
    assert found["flag"].kind is Kind.BOOLEAN
    assert found["key"] == declared["key"]
    assert all(column.nullable for column in found.columns)  # that no public cell is missing says nothing about private ones


def test_facts_of_types_and_of_rare_or_absent_values():
    public = load_public(pd.DataFrame({"n": [-100, 120] * 5, "c": list("abcdefghij"), "gone": [None] * 10, "m": [None] * 10}))
    declared = Schema(
        columns=(
            Column(name="n", kind=Kind.INTEGER, dtype="int8"),
            Column(name="c", kind=Kind.CATEGORY),
            Column(name="gone", kind=Kind.CATEGORY),
            Column(name="m", kind=Kind.INTEGER),
        )
    )
    found = filled(declared, public)
    assert found["n"].bounds == (-100, 127)  # rounded outwards, as far as the type goes
    assert found["c"].categories == tuple("abcdefghij")
    assert found["gone"].is_open
    assert found["m"].needs_bounds
    twice = load_public(pd.DataFrame({"n": [1, 2, 3], "c": ["u", "u", "once"], "gone": None, "m": 1}))
    assert filled(declared, twice)["c"].categories == ("u",)


def test_tables_that_cannot_serve():
    with pytest.raises(InputError, match="no rows"):
        load_public(rows().iloc[:0])
    with pytest.raises(InputError, match="lacks the column 'town'"):
        filled(undeclared(tuple(rows())), load_public(rows().drop(columns="town")))
    book = Ledger(Budget(epsilon=1.0, delta=1e-6))
    persons = Schema(columns=(Column(name="who"), Column(name="age")), entity="who")
    frame = pd.DataFrame({"who": ["a", "b"], "age": ["1", "2"]})
    with pytest.raises(InputError, match="lacks the column 'who'"):
        open_frame(frame, persons, book, public=load_public(frame[["age"]]))
    prose = frame.assign(age="a text that goes on " * 9)
    with pytest.raises(SchemaError, match="free text"):
        open_frame(frame, undeclared(("who", "age")), book, public=load_public(prose))
    assert book.events == ()


@pytest.mark.parametrize("constrained", [False, True])
def test_codes_beside_the_private_ones_for_a_fixed_share(constrained, keystream):
    """The count is charged whatever it finds; codes of the same rows are the same codes."""
    private, book = rows(), Ledger(Budget(epsilon=5.0, delta=1e-6))
    schema = undeclared(tuple(private))
    if constrained:
        from synth.constraints import Inequality

        private["more"] = (private["age"].astype(int) + 3).astype(str)
        pair = [Column(name=n, kind=Kind.INTEGER, bounds=(0, 200)) for n in ("age", "more")]
        schema = Schema(
            columns=(pair[0], *(Column(name=n) for n in ("pay", "town", "day", "flag")), pair[1]),
            constraints=(Inequality(low="age", high="more"),),
        )
    public = load_public(private)
    frame = open_frame(private, schema, book, entropy=keystream(1), public=public)
    table, codec = prepare(frame, Silent())
    before = len(book.events)
    notes = set_beside(frame, table, codec, public)
    (event,) = book.events[before:]
    assert (event.what, event.sigma) == ("rows shared with the public table", sigma_for(book, SHARED_SHARE))
    assert not any(e.what in ("kind of column", "bounds", "category domain") for e in book.events)
    own = table._PrivateTable__codes.take(np.arange(len(private)))
    assert np.array_equal(own, table.public.codes)
    assert len(notes) == 1  # the table beside itself
    assert "of the public table" in notes[0]
    merged = table.coarsen([np.arange(k) // 2 for k in table.domain.sizes])
    assert np.array_equal(merged.public.codes, own // 2)


PERSONS = Schema(
    columns=(
        Column(name="who", kind=Kind.IDENTIFIER, pattern="[0-9]{4}"),
        Column(name="town"),
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 99)),
    ),
    entity="who",
    max_rows_per_entity=3,
)


def visits(n=400, seed=0, first=0):
    """Persons with one to five rows; whoever has many is old."""
    rng = np.random.default_rng(seed)
    many = rng.integers(1, 6, n)
    who = np.repeat(np.arange(n), many)
    return pd.DataFrame(
        {"who": who + first, "town": rng.choice(["Ulm", "Aix"], len(who)), "age": 15 * many[who] + rng.integers(0, 9, len(who))}
    ).astype(str)


def test_of_each_public_person_one_row_counts_with_the_number_of_its_rows():
    public = load_public(visits())
    every, one = of_persons(public, PERSONS)
    assert len(every.frame) == len(public.frame)
    assert sorted(one.frame["who"]) == sorted(public.frame["who"].unique())
    sizes = public.frame["who"].value_counts()
    wanted = [str(min(sizes[who], 3)) for who in one.frame["who"]]
    assert one.frame["rows per who"].tolist() == wanted
    again = of_persons(load_public(visits()), PERSONS)[1]
    assert again.frame.equals(one.frame)
    apart = load_public(pd.DataFrame({"who": ["1", "", ""], "town": ["Ulm"] * 3, "age": ["7", "8", "9"]}))
    assert len(of_persons(apart, PERSONS)[1].frame) == 3  # a row without a key is a person


def test_public_persons_stand_beside_private_ones():
    """Codes are those of the private rows; a person in both tables is seen, a warning is given for many."""
    private, book = visits(), Ledger(Budget(epsilon=20.0, delta=1e-6))
    public = load_public(visits(first=5000))
    frame = open_frame(private, PERSONS, book, public=public)
    assert frame.schema.names == ("rows per who", "town", "age")
    assert frame.schema["town"].categories == ("Aix", "Ulm")
    table, codec = prepare(frame, Silent())
    notes = set_beside(frame, table, codec, public)
    assert len(table.public.codes) == 400
    assert table.public.codes[:, 0].max() == 2
    ages = np.array([table.public.codes[table.public.codes[:, 0] == k, 2].mean() for k in range(3)])
    assert (np.diff(ages) > 0).all()
    release = fit(private, epsilon=3.0, schema=PERSONS, model="marginal", public=visits(seed=1, first=5000))
    assert "400 rows of a table that was named public" in " ".join(release.receipt.limits)
    drawn = release.sample(num_entities=50, seed=0)
    assert drawn["who"].nunique() == 50
    assert notes == []


def test_shared_persons_are_told():
    rng = np.random.default_rng(0)
    private = visits().assign(age=lambda t: np.round(rng.uniform(0, 99, len(t)), 6).astype(str))
    columns = (*PERSONS.columns[:2], Column(name="age", kind=Kind.DECIMAL, precision=6, bounds=(0, 99)))
    release = fit(
        private, epsilon=5.0, schema=PERSONS.with_columns(columns), model="independent",
        public=private[private["who"].astype(int) < 200],
    )  # fmt: skip
    assert "equal a row of the public table" in release.notes()[0]


def test_a_warning_needs_more_than_chance_and_noise():
    """A share of rows that repeat by themselves is expected; noise alone gives a false alarm once in three million runs."""
    apart, twice = np.arange(1000, dtype=np.uint64), np.repeat(np.arange(500, dtype=np.uint64), 2)
    assert not shared_note(SIGMAS * 10 + SOME * 1000, 10.0, apart, 5000)
    assert shared_note(500.0, 10.0, apart, 5000)
    assert not shared_note(5000.0, 10.0, twice, 5000)


def test_a_release_says_that_public_rows_were_used(tmp_path):
    public, book = rows(300, 1), tmp_path / "book"
    arguments = {"epsilon": 2.0, "model": "independent", "schema": undeclared(tuple(public))}
    release = fit(rows(), **arguments, public=public, ledger=book)
    assert any("300 rows of a table that was named public" in text for text in release.receipt.limits)
    assert release.notes() == []
    assert release.receipt.learnt == {}
    assert sum(r.get("what") == "rows shared with the public table" for r in read_ledger(book)) == 1
    again = fit(rows(), **arguments, public=rows())
    assert "equal a row of the public table" in again.notes()[0]
    plain = fit(rows(), **arguments)
    assert not any("public" in text and "named" in text for text in plain.receipt.limits)


def test_going_on_needs_the_same_public_rows(tmp_path, monkeypatch):
    from synth.models.independent import Independent

    def stop(*_):
        raise KeyboardInterrupt

    asked = {"epsilon": 2.0, "model": "independent", "ledger": tmp_path / "l", "checkpoint": tmp_path / "c"}
    with monkeypatch.context() as patch:
        patch.setattr(Independent, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(rows(), **asked, public=rows(300, 1))
    with pytest.raises(InputError, match="another public table"):
        fit(rows(), **asked, public=rows(300, 2), resume=True)
    release = fit(rows(), **asked, public=rows(300, 1), resume=True)
    what = [r.get("what") for r in read_ledger(tmp_path / "l") if r["record"] == "event"]
    assert what.count("rows shared with the public table") == 1
    assert release.receipt.epsilon == 2.0
