import pytest

from synth.constraints import FixedCombinations, FixedIncrements, Inequality, OneHot, Range, Sum
from synth.errors import SchemaError
from synth.schema import Column, Kind, Schema
from synth.sdv_constraints import sdv_constraints, with_sdv_constraints

NUMBERS = tuple(Column(name=n, kind=Kind.INTEGER, bounds=(0, 9)) for n in "abc")
CLASSES = tuple(Column(name=n, kind=Kind.BOOLEAN) for n in "pqrs")
SCHEMA = Schema(columns=(*NUMBERS, *CLASSES, Column(name="d", kind=Kind.INTEGER), Column(name="e", kind=Kind.INTEGER)))


def rule(name, **facts):
    return {"constraint_class": name, "constraint_parameters": facts}


LISTED = [
    rule("Range", low_column_name="a", middle_column_name="b", high_column_name="c", strict_boundaries=False),
    rule("FixedCombinations", column_names=["p", "q"]),
    rule("OneHotEncoding", column_names=["r", "s"]),
    rule("FixedIncrements", column_name="e", increment_value=5),
]


def test_rules_between_columns_are_read_and_written():
    found = with_sdv_constraints(SCHEMA, LISTED)
    assert found.constraints == (
        Range(low="a", middle="b", high="c"),
        FixedCombinations(columns=("p", "q")),
        OneHot(columns=("r", "s")),
        FixedIncrements(column="e", increment=5.0),
    )
    written = sdv_constraints(found)
    assert written[:4] == LISTED
    assert with_sdv_constraints(SCHEMA, written) == found


def test_inequalities_and_what_has_no_class():
    columns = (*NUMBERS[:2], Column(name="t", kind=Kind.INTEGER))
    schema = Schema(columns=columns, constraints=(Inequality(low="a", high="b"), Sum(total="t", parts=("a", "b"))))
    names = [one["constraint_class"] for one in sdv_constraints(schema)]
    assert names == ["Inequality", "ScalarRange", "ScalarRange"]


@pytest.mark.parametrize(
    ("rules", "bounds"),
    [
        ([rule("ScalarRange", column_name="d", low_value=1, high_value=9, strict_boundaries=False)], (1, 9)),
        ([rule("ScalarRange", column_name="d", low_value=1, high_value=9)], (2, 8)),
        ([rule("ScalarInequality", column_name="d", relation=">", value=3),
          rule("ScalarInequality", column_name="d", relation="<=", value=7)], (4, 7)),
        ([rule("Positive", column_name="d"), rule("ScalarInequality", column_name="d", relation="<", value=7)], (0, 6)),
        ([rule("Negative", column_name="d", strict_boundaries=True),
          rule("ScalarInequality", column_name="d", relation=">=", value=-7)], (-7, -1)),
    ],
)  # fmt: skip
def test_rules_on_one_column_become_bounds(rules, bounds):
    assert with_sdv_constraints(SCHEMA, rules)["d"].bounds == bounds


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({}, "expected a list"),
        ([rule("Unique", column_names=["a"])], "'Unique' is not read"),
        ([{"constraint_class": "Range", "constraint_parameters": 3}], "must be an object"),
        ([rule("Range", low="a")], "no parameter 'low'"),
        ([rule("Range", low_column_name="a")], "is missing"),
        ([rule("Positive")], "needs a column_name"),
        ([rule("Positive", column_name="z")], "does not have"),
        ([rule("Positive", column_name="d")], "one side only"),
        ([rule("ScalarInequality", column_name="d", relation="=", value=7)], "relation"),
    ],
)
def test_bad_lists_are_a_sentence(listed, message):
    with pytest.raises(SchemaError, match=message):
        with_sdv_constraints(SCHEMA, listed)
