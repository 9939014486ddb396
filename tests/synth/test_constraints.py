import pytest

from synth.constraints import (
    KINDS,
    Custom,
    FixedCombinations,
    FixedIncrements,
    FunctionalDependency,
    Inequality,
    OneHot,
    Range,
    Sum,
    columns_of,
    constraint_from_dict,
    constraint_to_dict,
    predicate_of,
    register,
    single_steps,
    written_by,
)
from synth.errors import InputError, SchemaError

ALL = (
    Inequality(low="a", high="b", strict=True),
    Range(low="a", middle="b", high="c"),
    Sum(total="t", parts=("a", "b")),
    OneHot(columns=("a", "b")),
    FixedCombinations(columns=("a", "b"), values=(("x", "y"), ("u", "v"))),
    FixedCombinations(columns=("a", "b")),
    FunctionalDependency(column="a", to="b", mapping={"x": "y"}),
    FixedIncrements(column="a", increment=0.5),
    Custom(name="rule"),
)


@pytest.mark.parametrize("one", ALL)
def test_constraints_survive_a_file(one):
    assert constraint_from_dict(constraint_to_dict(one), "here") == one
    assert type(one) in KINDS.values()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("x", "list of"),
        ({"kind": "nope"}, "must be one of inequality"),
        ({"kind": ["sum"]}, "must be one of"),
        ({"kind": "inequality", "low": "a"}, "'high' is missing"),
        ({"kind": "inequality", "low": "a", "high": 3}, "high must be text"),
        ({"kind": "inequality", "low": "a", "high": "b", "strict": 1}, "strict must be true or false"),
        ({"kind": "inequality", "low": "a", "high": "b", "x": 1}, "unknown key 'x'"),
        ({"kind": "sum", "total": "t", "parts": ["a"]}, "two column names or more"),
        ({"kind": "one_hot", "columns": [1, 2]}, "two column names"),
        ({"kind": "fixed_combinations", "columns": ["a", "b"], "values": ["x"]}, "list combinations"),
        ({"kind": "functional_dependency", "column": "a", "to": "b", "mapping": {}}, "table of texts"),
        ({"kind": "functional_dependency", "column": "a", "to": "b", "mapping": {"x": 1}}, "table of texts"),
        ({"kind": "fixed_increments", "column": "a", "increment": 0}, "above 0"),
        ({"kind": "fixed_increments", "column": "a", "increment": True}, "above 0"),
    ],
)
def test_bad_constraints_are_a_sentence(facts, message):
    with pytest.raises(SchemaError, match=message):
        constraint_from_dict(facts, "schema.toml")


def test_what_is_read_comes_before_what_is_written():
    late, early = Inequality(low="b", high="c"), Sum(total="b", parts=("x", "y"))
    assert single_steps((late, early)) == (early, late)
    both = single_steps((Range(low="a", middle="b", high="c"),))
    assert [(one.low, one.high) for one in both] == [("a", "b"), ("b", "c")]
    with pytest.raises(SchemaError, match="circle"):
        single_steps((Inequality(low="a", high="b"), Inequality(low="b", high="a")))


def test_columns_that_are_read_and_written():
    assert [columns_of(one) for one in ALL[:3]] == [("a", "b"), ("a", "b", "c"), ("t", "a", "b")]
    assert columns_of(ALL[-1]) == ()
    assert [written_by(one) for one in ALL] == [
        ("b",), ("a", "b", "c"), ("t",), ("a", "b"), ("a", "b"), ("a", "b"), ("b",), ("a",), (),
    ]  # fmt: skip


def test_rules_in_python_have_to_be_registered():
    with pytest.raises(InputError, match="which no file holds"):
        predicate_of("never registered")
    register("a rule", len)
    assert predicate_of("a rule") is len
