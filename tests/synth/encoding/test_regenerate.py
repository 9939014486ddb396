"""Identifiers and personal data made anew: unique where they say so, the same from the same seed, in any portions."""

import numpy as np
import pytest

from synth.encoding.regenerate import NewKeys, Regeneration, Regenerator, check_providers, regenerate, spelled
from synth.errors import InputError, SchemaError
from synth.schema import Column, Kind, Schema


def identifier(**facts):
    return Column(name="id", kind=Kind.IDENTIFIER, **facts)


def person(**facts):
    return Column(name="who", kind=Kind.PII, **facts)


@pytest.mark.parametrize(
    "column",
    [
        identifier(),
        identifier(pattern=r"P\d{5}", unique=True),
        identifier(pattern=r"P\d{2}"),
        identifier(pattern="[0-9a-f]{32}", unique=True),
        person(faker="name", locale="de_DE"),
        person(faker="email", unique=True),
    ],
    ids=lambda c: f"{c.pattern or c.faker}",
)
def test_the_first_values_do_not_depend_on_portions(column):
    whole = Regenerator(column, np.random.SeedSequence(3)).take(60)
    maker = Regenerator(column, np.random.SeedSequence(3))
    parts = np.concatenate([maker.take(0), maker.take(25), maker.take(35)])
    assert whole.tolist() == parts.tolist()
    assert whole.tolist() != Regenerator(column, np.random.SeedSequence(4)).take(60).tolist() or column.pattern is column.faker
    assert all(isinstance(text, str) and text for text in whole)
    if column.unique:
        assert len(set(whole)) == 60


def test_a_small_pattern_is_used_up_exactly():
    column = identifier(pattern=r"[ab]\d", unique=True)
    assert len(set(regenerate(column, 20, np.random.default_rng(0)))) == 20
    with pytest.raises(InputError, match="only 20 different values"):
        regenerate(column, 21, np.random.default_rng(0))


def test_faker_runs_out_in_a_sentence():
    with pytest.raises(InputError, match="not have that many different"):
        regenerate(person(faker="random_digit", unique=True), 11, np.random.default_rng(0))


def test_plain_identifiers_are_numbered():
    assert regenerate(identifier(), 3, np.random.default_rng(0)).tolist() == ["1", "2", "3"]


@pytest.mark.parametrize("facts", [{"faker": "nope"}, {"faker": "_x"}, {"faker": "simple_profile"}, {"faker": "pylist"}])
def test_unknown_providers_are_refused(facts):
    with pytest.raises(SchemaError, match="no provider"):
        check_providers(Schema(columns=(person(**facts), Column(name="b"))))


def test_unknown_locales_are_refused():
    with pytest.raises(SchemaError, match="no locale 'xx_XX'"):
        check_providers(Schema(columns=(person(faker="name", locale="xx_XX"),)))


def test_only_regenerated_columns_are_made():
    schema = Schema(columns=(identifier(), Column(name="age", kind=Kind.INTEGER), person(faker="city")))
    found = Regeneration(schema, np.random.SeedSequence(0)).take(4)
    assert set(found) == {"id", "who"}
    assert all(len(v) == 4 for v in found.values())


def test_values_are_one_line():
    assert spelled("a\n b") == "a b"
    for bad in (None, [], b"x", len):
        with pytest.raises(TypeError):
            spelled(bad)


@pytest.mark.parametrize(
    ("column", "keys"),
    [
        (Column(name="id", kind=Kind.INTEGER), [1, 2, 3]),
        (Column(name="id", kind=Kind.INTEGER, bounds=(1000, 9999)), [1000, 1001, 1002]),
        (Column(name="id"), ["id-1", "id-2", "id-3"]),
        (Column(name="id", kind=Kind.IDENTIFIER), ["1", "2", "3"]),
    ],
)
def test_keys_of_synthetic_persons_run_on(column, keys):
    maker = NewKeys(column, np.random.SeedSequence(0))
    assert [*maker.take(2), *maker.take(0), *maker.take(1)] == keys


def test_keys_by_pattern_are_unique_even_where_the_schema_does_not_say_so():
    column = Column(name="id", kind=Kind.IDENTIFIER, pattern="P-[0-9]")
    keys = NewKeys(column, np.random.SeedSequence(0)).take(10)
    assert sorted(keys) == [f"P-{i}" for i in range(10)]
    with pytest.raises(InputError, match="only 10 different"):
        NewKeys(column, np.random.SeedSequence(0)).take(11)
