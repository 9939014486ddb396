"""What is learnt of a table of persons: everything but the key, and how many rows each has."""

from dataclasses import replace

from synth.entity import cap_of, completed, learnt_schema, rows_name, unit_of, without_entity
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="sex", kind=Kind.CATEGORY, categories=("f", "m"), constant_per_entity=True),
        Column(name="id"),
        Column(name="rows per id", kind=Kind.INTEGER, bounds=(0, 9)),
        Column(name="visit"),
    ),
    entity="id", target="visit", max_rows_per_entity=3, public_entities=50,
)  # fmt: skip


def test_the_key_gives_way_to_the_number_of_rows_and_persons_take_the_place_of_rows():
    learnt = learnt_schema(SCHEMA)
    assert learnt.names == ("rows per id_", "sex", "rows per id", "visit")
    assert rows_name(SCHEMA) == "rows per id_"
    first = learnt.columns[0]
    assert (first.kind, first.categories, first.nullable) == (Kind.ORDINAL, ("1", "2", "3"), False)
    assert (learnt.entity, learnt.public_rows, learnt.target) == (None, 50, "visit")
    assert learnt_schema(learnt) is learnt


def test_facts_that_were_learnt_come_back_into_the_schema_of_the_table():
    learnt = learnt_schema(SCHEMA)
    found = replace(learnt["visit"], kind=Kind.BOOLEAN)
    whole = completed(SCHEMA, learnt.with_columns((*learnt.columns[:-1], found)))
    assert whole == SCHEMA.with_columns((*SCHEMA.columns[:-1], found))
    assert learnt_schema(whole)["visit"] == found


def test_the_unit_of_persons_is_never_called_a_row():
    assert unit_of(None) == unit_of(learnt_schema(SCHEMA)) == "row"
    assert unit_of(SCHEMA) == "id"
    odd = Schema(columns=(Column(name="row"), Column(name="x")), entity="row")
    assert unit_of(odd) != "row"
    assert cap_of(odd) == 10


def test_rows_that_are_looked_at_one_by_one_have_no_key():
    plain = without_entity(SCHEMA)
    assert plain.names == ("sex", "rows per id", "visit")
    assert (plain.entity, plain["sex"].constant_per_entity) == (None, False)
    assert without_entity(plain) is plain
