"""Public facts: contradictions are refused with the column's name, and plain types round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import SchemaError
from synth.schema import (
    MAX_CATEGORIES,
    Column,
    Kind,
    Outside,
    Schema,
    column_from_dict,
    schema_from_dict,
    schema_to_dict,
    undeclared,
)

NAMES = st.text(min_size=1, max_size=5)
NUMBERS = st.floats(-1e6, 1e6)
KINDS = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.sampled_from([Kind.INTEGER, Kind.FLOAT]), "outside": st.sampled_from([None, Outside.CLIP, Outside.NULL])},
        optional={"bounds": st.tuples(NUMBERS, NUMBERS).map(sorted).map(tuple)},
    ),
    st.fixed_dictionaries({"kind": st.just(Kind.DECIMAL), "precision": st.none() | st.integers(0, 12)}),
    st.fixed_dictionaries({"kind": st.just(Kind.BOOLEAN)}),
    st.fixed_dictionaries({"kind": st.just(Kind.CATEGORY), "outside": st.sampled_from([None, Outside.OTHER, Outside.NULL])}),
    st.fixed_dictionaries(
        {"kind": st.just(Kind.ORDINAL), "categories": st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple)}
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just(Kind.DATETIME),
            "format": st.none() | st.just("%Y"),
            "bounds": st.none() | st.just(("1990-01-31", "2000-01-01")),
        }
    ),
    st.just({}),
)


def person_facts(names):
    """Rows are units, or the last column names a person."""
    counts, caps = st.none() | st.integers(1, 10**6), st.none() | st.integers(1, 9)
    rows = st.fixed_dictionaries({"public_rows": counts})
    persons = st.fixed_dictionaries({"entity": st.just(names[-1]), "public_entities": counts, "max_rows_per_entity": caps})
    return rows | persons


@st.composite
def schemas(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    columns = tuple(
        Column(name=n, nullable=draw(st.booleans()), description=draw(st.sampled_from(["", "d"])), **draw(KINDS)) for n in names
    )
    return Schema(
        columns=columns,
        target=draw(st.none() | st.just(names[0])),
        **draw(st.just({}) if len(names) < 2 else person_facts(names)),
        missing=draw(st.sampled_from([("",), ("", "?")])),
        name=draw(NAMES),
    )


@given(schemas())
def test_plain_types_round_trip(schema):
    assert schema_from_dict(schema_to_dict(schema)) == schema


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"name": ""}, "empty name"),
        ({"name": "a", "bounds": (0, 1)}, "'bounds' goes with kind integer"),
        ({"name": "a", "kind": Kind.FLOAT, "precision": 2}, "'precision' goes with kind decimal"),
        ({"name": "a", "kind": Kind.INTEGER, "categories": ("x",)}, "'categories' goes with"),
        ({"name": "a", "kind": Kind.BOOLEAN, "categories": ("x",)}, "categories of a boolean"),
        ({"name": "a", "kind": Kind.INTEGER, "format": "%Y"}, "'format' goes with kind datetime"),
        ({"name": "a", "kind": Kind.ORDINAL}, "an ordinal needs its categories"),
        ({"name": "a", "kind": Kind.DECIMAL, "precision": 13}, "precision"),
        ({"name": "a", "kind": Kind.INTEGER, "outside": Outside.OTHER}, "outside = 'other'"),
        ({"name": "a", "kind": Kind.BOOLEAN, "outside": Outside.CLIP}, "outside = 'clip'"),
        ({"name": "a", "kind": Kind.CATEGORY, "categories": ()}, "must not be empty"),
        ({"name": "a", "kind": Kind.CATEGORY, "categories": ("x", "x")}, "duplicate"),
        ({"name": "a", "kind": Kind.CATEGORY, "categories": tuple(map(str, range(MAX_CATEGORIES + 1)))}, "more than 100000"),
        ({"name": "a", "kind": Kind.INTEGER, "bounds": (2, 1)}, "low <= high"),
        ({"name": "a", "kind": Kind.INTEGER, "bounds": (0, float("nan"))}, "must be two numbers"),
        ({"name": "a", "kind": Kind.FLOAT, "bounds": ("0", "1")}, "must be two numbers"),
        ({"name": "a", "kind": Kind.DATETIME, "bounds": ("yesterday", "today")}, "ISO dates"),
    ],
)
def test_contradictory_columns_are_refused(facts, match):
    with pytest.raises(SchemaError, match=match):
        Column(**facts)


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"columns": []}, "no columns"),
        ({}, r"list of \[\[columns\]\]"),
        ({"columns": [1]}, r"list of \[\[columns\]\]"),
        ({"columns": [{"name": "a"}], "colums": 1}, "unknown key 'colums'"),
        ({"columns": [{"name": "a"}, {"name": "a"}]}, "lists column 'a' twice"),
        ({"columns": [{"name": "a"}], "target": "b"}, "target 'b' is not one"),
        ({"columns": [{"name": "a"}], "entity": 3}, "entity must be text"),
        ({"columns": [{"name": "a"}], "public_rows": 0}, "public_rows must be a positive"),
        ({"columns": [{"name": "a"}], "public_rows": True}, "public_rows must be a whole"),
        ({"columns": [{"name": "a"}], "entity": "a", "max_rows_per_entity": 0}, "max_rows_per_entity must be a whole number"),
        ({"columns": [{"name": "a"}], "max_rows_per_entity": 101}, "from 1 to 100"),
        ({"columns": [{"name": "a"}], "max_rows_per_entity": 3}, "max_rows_per_entity needs an entity"),
        ({"columns": [{"name": "a"}], "public_entities": 3}, "public_entities needs an entity"),
        ({"columns": [{"name": "a", "constant_per_entity": True}]}, "constant_per_entity of column 'a' needs an entity"),
        ({"columns": [{"name": "a"}], "entity": "a"}, "no other column"),
        ({"columns": [{"name": "a"}, {"name": "b"}], "entity": "a", "target": "a"}, "is no target"),
        ({"columns": [{"name": "a"}, {"name": "b"}], "entity": "a", "public_rows": 9}, "public_entities instead"),
        ({"columns": [{"name": "a"}], "missing": "NA"}, "missing must be a list"),
        ({"columns": [{"name": "a", "kid": 1}]}, "unknown key 'kid'"),
        ({"columns": [{"kind": "integer"}]}, "needs a name"),
        ({"columns": [{"name": "a", "kind": "int"}]}, "kind must be one of integer"),
        ({"columns": [{"name": "a", "outside": []}]}, "outside must be one of clip"),
        ({"columns": [{"name": "a", "kind": "integer", "bounds": [1]}]}, "pair"),
        ({"columns": [{"name": "a", "kind": "integer", "bounds": [True, 2]}]}, "numbers or ISO dates"),
        ({"columns": [{"name": "a", "kind": "category", "categories": [1]}]}, "list of texts"),
        ({"columns": [{"name": "a", "nullable": "no"}]}, "true or false"),
        ({"columns": [{"name": "a", "kind": "decimal", "precision": 1.5}]}, "whole number"),
        ({"columns": [{"name": "a", "kind": "datetime", "format": 1}]}, "format must be text"),
    ],
)
def test_contradictory_schemas_are_refused(facts, match):
    with pytest.raises(SchemaError, match=match):
        schema_from_dict(facts)


def test_policies_in_force():
    assert Column(name="a").policy is Outside.CLIP
    assert Column(name="a", kind=Kind.CATEGORY).policy is Outside.OTHER
    assert Column(name="a", kind=Kind.CATEGORY, categories=("x",)).policy is Outside.NULL
    assert Column(name="a", kind=Kind.FLOAT, outside=Outside.NULL).policy is Outside.NULL


def test_lookups():
    schema = undeclared(("a", "b"))
    assert schema.names == ("a", "b")
    assert schema["b"].name == "b"
    assert schema.index("b") == 1
    assert Column(name="a", kind=Kind.INTEGER).needs_bounds
    assert not Column(name="a").needs_bounds
    assert column_from_dict(
        {"name": "a", "kind": "datetime", "bounds": ["1970-01-01", "1970-01-02"]}, "w"
    ).numeric_bounds() == (0, 86_400)
    with pytest.raises(SchemaError, match="no bounds"):
        schema["a"].numeric_bounds()


@pytest.mark.parametrize(
    ("target", "may"),
    [
        (None, False),
        (Column(name="t"), True),
        (Column(name="t", kind=Kind.DECIMAL), True),
        (Column(name="t", kind=Kind.DATETIME), True),
        (Column(name="t", kind=Kind.ORDINAL, categories=("a", "b", "c")), True),
        (Column(name="t", kind=Kind.ORDINAL, categories=("a", "b")), False),
        (Column(name="t", kind=Kind.CATEGORY), False),
        (Column(name="t", kind=Kind.BOOLEAN), False),
    ],
)
def test_whether_a_target_may_be_a_number_is_told_by_what_is_declared(target, may):
    columns = (Column(name="x"), *([] if target is None else [target]))
    assert Schema(columns=columns, target=None if target is None else "t").may_aim_at_number is may
