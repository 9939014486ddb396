import pytest

from synth.constrained import custom_names, learnt_columns, stand_in
from synth.constraints import (
    Custom,
    FixedCombinations,
    FixedIncrements,
    FunctionalDependency,
    Inequality,
    OneHot,
    Range,
    Sum,
)
from synth.errors import SchemaError
from synth.schema import Column, Kind, Outside, Schema

DAY = Column(name="start", kind=Kind.DATETIME, bounds=("2020-01-01", "2020-12-31"))
END = Column(name="end", kind=Kind.DATETIME, bounds=("2020-01-01", "2021-12-31"))
A = Column(name="a", kind=Kind.INTEGER, bounds=(0, 10), nullable=False)
B = Column(name="b", kind=Kind.DECIMAL, precision=1, bounds=(0, 20), outside=Outside.NULL)
F = Column(name="f", kind=Kind.FLOAT, bounds=(0, 30))
ICD = Column(name="icd", kind=Kind.CATEGORY, categories=("1", "2"), nullable=False)
CHAPTER = Column(name="chapter", kind=Kind.CATEGORY, categories=("x", "y"), nullable=False)
CITY = Column(name="city", kind=Kind.CATEGORY)
OK, NO = Column(name="ok", kind=Kind.BOOLEAN), Column(name="no", kind=Kind.INTEGER, bounds=(0, 1))
KEY = Column(name="key", kind=Kind.IDENTIFIER, nullable=False)
BARE = Column(name="bare")
COLUMNS = (DAY, END, A, B, F, ICD, CHAPTER, CITY, OK, NO, KEY, BARE)
MAPPING = {"1": "x", "2": "y"}


def learnt(*constraints):
    return {c.name: c for c in learnt_columns(COLUMNS, constraints)}


def test_an_inequality_is_learnt_as_a_difference():
    found = learnt(Inequality(low="start", high="end"))["end"]
    assert (found.kind, found.bounds, found.nullable) == (Kind.INTEGER, (0, 730), True)
    found = learnt(Inequality(low="a", high="b", strict=True))["b"]
    assert (found.kind, found.bounds, found.policy) == (Kind.INTEGER, (1, 200), Outside.NULL)
    found = learnt(Range(low="a", middle="b", high="f"))
    assert (found["f"].kind, found["f"].bounds) == (Kind.FLOAT, (0, 30))


def test_what_follows_is_not_learnt():
    assert "f" not in learnt(Sum(total="f", parts=("a", "b")))
    assert "chapter" not in learnt(FunctionalDependency(column="icd", to="chapter", mapping=MAPPING))


def test_groups_and_combinations_are_one_category():
    found = learnt(OneHot(columns=("ok", "no")))
    assert found["ok"].categories == ("ok", "no")
    assert not found["ok"].nullable
    assert "no" not in found
    found = learnt(FixedCombinations(columns=("icd", "chapter"), values=(("1", "x"), ("2", "y"))))
    assert found["icd"].categories == ('["1", "x"]', '["2", "y"]')
    assert not found["icd"].nullable
    assert learnt(FixedCombinations(columns=("icd", "city")))["icd"].policy is Outside.NULL


def test_increments_are_counted():
    found = learnt(FixedIncrements(column="b", increment=0.5))["b"]
    assert (found.kind, found.bounds, found.policy) == (Kind.INTEGER, (0, 40), Outside.NULL)
    assert learnt(FixedIncrements(column="a", increment=3))["a"].bounds == (0, 3)


def test_order_is_kept_and_nothing_else_changes():
    rules = (Inequality(low="start", high="end"), OneHot(columns=("ok", "no")), Custom(name="r"))
    assert list(learnt(*rules)) == [c.name for c in COLUMNS if c.name != "no"]
    assert learnt(*rules)["a"] is A
    assert custom_names(rules) == ("r",)


def test_who_stands_for_a_column():
    rules = (
        Inequality(low="start", high="end"),
        Sum(total="f", parts=("a", "b")),
        FixedCombinations(columns=("city", "icd")),
        FunctionalDependency(column="icd", to="chapter", mapping=MAPPING),
    )
    assert [stand_in(n, rules) for n in ("end", "f", "icd", "chapter", "a")] == ["end", None, "city", "city", "a"]


def test_the_target_follows_its_stand_in():
    rule = FunctionalDependency(column="icd", to="chapter", mapping=MAPPING)
    schema = Schema(columns=(ICD, CHAPTER, A), target="chapter", constraints=(rule,))
    assert schema.only_modelled().target == "icd"
    assert schema.only_read().target == "chapter"
    assert schema.completed({"a": A, "icd": ICD}) == schema


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Inequality(low="nope", high="a"), "which the schema does not have"),
        (Inequality(low="key", high="a"), "a kind that is learnt"),
        (Inequality(low="bare", high="a"), "a kind that is learnt"),
        (Inequality(low="a", high="a"), "circle|twice"),
        (Inequality(low="icd", high="a"), "wants numbers or times"),
        (Inequality(low="a", high="end"), "different kinds"),
        (Inequality(low="end", high="start"), "reach beyond"),
        (Sum(total="a", parts=("b", "f")), "make it nullable"),
        (Sum(total="b", parts=("a", "f")), "widen its bounds"),
        (Sum(total="icd", parts=("a", "b")), "wants integer"),
        (OneHot(columns=("ok", "icd")), "wants boolean or integer"),
        (FixedCombinations(columns=("icd", "a")), "wants category"),
        (FixedCombinations(columns=("icd", "chapter"), values=(("1",),)), "one value per column"),
        (FixedCombinations(columns=("icd", "chapter"), values=(("3", "x"),)), "does not have"),
        (FunctionalDependency(column="icd", to="chapter", mapping={"1": "x"}), "lacks the value '2'"),
        (FunctionalDependency(column="icd", to="chapter", mapping={"1": "x", "2": "z"}), "leads to 'z'"),
        (FunctionalDependency(column="city", to="chapter", mapping=MAPPING), "make it nullable"),
        (FixedIncrements(column="icd", increment=2), "wants integer"),
    ],
)
def test_contradictions_are_a_sentence(rule, message):
    with pytest.raises(SchemaError, match=message):
        learnt(rule)


def test_more_contradictions():
    with pytest.raises(SchemaError, match="follows from two"):
        learnt(FixedIncrements(column="b", increment=2), Inequality(low="a", high="b"))
    with pytest.raises(SchemaError, match="reach to"):
        learnt_columns((A, Column(name="c", kind=Kind.INTEGER, bounds=(0, 10))), (Inequality(low="a", high="c", strict=True),))
    with pytest.raises(SchemaError, match="declare its bounds"):
        learnt_columns((A, Column(name="c", kind=Kind.INTEGER)), (Inequality(low="a", high="c"),))
    with pytest.raises(SchemaError, match="those of its parts"):
        learnt_columns((F, A, Column(name="c", kind=Kind.FLOAT)), (Sum(total="f", parts=("a", "c")),))
    with pytest.raises(SchemaError, match="no multiple"):
        learnt_columns((Column(name="c", kind=Kind.INTEGER, bounds=(1, 2)),), (FixedIncrements(column="c", increment=5),))


def test_rules_that_persons_would_not_keep_are_refused():
    person = Column(name="person", kind=Kind.CATEGORY)
    sex = Column(name="sex", kind=Kind.CATEGORY, constant_per_entity=True)
    columns = (person, sex, DAY, END, ICD, CHAPTER)
    facts = {"columns": columns, "entity": "person", "max_rows_per_entity": 3, "public_entities": 100}
    assert Schema(**facts, constraints=(Inequality(low="start", high="end"),)).modelled
    for rule, message in [
        (Custom(name="r"), "cannot be kept for rows of persons"),
        (FixedCombinations(columns=("sex", "icd")), "'sex' is constant per person"),
    ]:
        with pytest.raises(SchemaError, match=message):
            Schema(**facts, constraints=(rule,))
