import pandas as pd
import pytest

from synth.conditions import (
    Condition,
    balanced,
    class_names,
    numeric_set,
    parse_term,
    resolve,
    row_test,
    terms_of,
)
from synth.encoding.axis import make_axis
from synth.encoding.category import closed_codec, open_codec
from synth.encoding.codec import Codec
from synth.encoding.numeric import NumericCodec
from synth.errors import InputError
from synth.schema import Column, Kind, Schema

AGE = Column(name="age", kind=Kind.INTEGER, bounds=(0, 99))
DAY = Column(name="day", kind=Kind.DATETIME, bounds=("2020-01-01", "2020-12-31"), format="%d/%m/%Y")
SEX = Column(name="sex", kind=Kind.CATEGORY, categories=("f", "m"))
CITY = Column(name="city name", kind=Kind.CATEGORY)
SIZE = Column(name="size", kind=Kind.ORDINAL, categories=("S", "M", "L"), nullable=False)
OK = Column(name="ok", kind=Kind.BOOLEAN)
SCHEMA = Schema(columns=(AGE, DAY, SEX, CITY, SIZE, OK))


def numeric(column):
    axis = make_axis(column, column.numeric_bounds())
    starts = (0, axis.cells // 3)
    return NumericCodec(column=column, axis=axis, starts=starts, weights=(1.0,) * axis.cells, missing=True)


CODEC = Codec(
    SCHEMA,
    (
        numeric(AGE),
        numeric(DAY),
        closed_codec(SEX),
        open_codec(CITY, ("Paris, TX", "Rome")),
        closed_codec(SIZE),
        closed_codec(OK),
    ),
)


def share(text):
    term = parse_term(text, SCHEMA)
    found = resolve([term], CODEC, SCHEMA).within[SCHEMA.index(term.column)]
    return found.share.round(4).tolist()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("age=0", [1 / 33, 0, 0]),
        ("age<33", [1, 0, 0]),
        ("age <= 33", [1, 1 / 67, 0]),
        ("age>=33", [0, 1, 0]),
        ("age>33", [0, 66 / 67, 0]),
        ("age!=99", [1, 66 / 67, 0]),
        ("age in 0..9, 5..20,40", [21 / 33, 1 / 67, 0]),
        ("age is missing", [0, 0, 1]),
        ("age is not missing", [1, 1, 0]),
        ("day<01/02/2020", [31 / 122, 0, 0]),
        ("day<2020-02-01", [31 / 122, 0, 0]),
        ("sex=f", [1, 0, 0]),
        ("sex!=f", [0, 1, 0]),
        ("sex is missing", [0, 0, 1]),
        ('city name in "Paris, TX",Lyon', [1, 0, 0, 0]),
        ("city name=__OTHER__", [0, 0, 1, 0]),
        ("size>=M", [0, 1, 1]),
        ("size<M", [1, 0, 0]),
        ("ok=true", [0, 1, 0]),
        ("ok==no", [1, 0, 0]),
    ],
)
def test_shares_of_conditions(text, wanted):
    assert share(text) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weight>3", "cannot read the condition"),
        ("age", "cannot read"),
        ("age=", "names no value; for a missing one write: age is missing"),
        ("age in ", "cannot read"),
        ("age in ,", "lists values between commas"),
        ("age=old", "cannot be read as such a value"),
        ("age in 9..3", "runs backwards"),
        ("age>100", "its domain holds no such value"),
        ("sex=x", "has no value 'x'; it has f, m"),
        ("size<XL", "has no value 'XL'"),
        ("sex<m", "has no order"),
        ("city name=Lyon", "holds no such value"),
        ("age in " + ",".join(map(str, range(1001))), "at most 1000"),
    ],
)
def test_bad_conditions_are_a_sentence(text, message):
    with pytest.raises(InputError, match=message):
        share(text)


def test_no_condition_on_what_is_made_anew():
    key = Column(name="key", kind=Kind.IDENTIFIER, pattern="P[0-9]{4}", nullable=False)
    schema = Schema(columns=(*SCHEMA.columns, key))
    with pytest.raises(InputError, match="made anew"):
        resolve([parse_term("key=1", schema)], CODEC, schema)


def test_several_conditions_on_one_column_meet():
    condition = Condition(where=("age>=10", "age<20", "age!=15"), column_values={"sex": "m", "ok": True, "day": None})
    found = resolve(terms_of(condition, SCHEMA), CODEC, SCHEMA)
    assert found.within[0].share == pytest.approx([9 / 33, 0, 0])
    assert found.within[1].share.tolist() == [0, 0, 1]
    assert found.within[2].share.tolist() == [0, 1, 0]
    assert found.within[5].share.tolist() == [0, 1, 0]
    assert found.within[3] is None
    with pytest.raises(InputError, match="no row can meet"):
        resolve(terms_of(Condition(where=("age<3", "age>3")), SCHEMA), CODEC, SCHEMA)


def test_condition_objects_check_themselves():
    for wrong in (-1, True, 2.5):
        with pytest.raises(InputError, match="whole number"):
            Condition(num_rows=wrong)
    with pytest.raises(InputError, match="which the schema does not have"):
        terms_of(Condition(column_values={"nope": 1}), SCHEMA)
    day = terms_of(Condition(column_values={"day": pd.Timestamp("2020-03-01")}), SCHEMA)[0]
    assert day.values == ("2020-03-01",)


def test_tests_of_finished_rows_agree_with_the_conditions():
    rows = pd.DataFrame({"age": [5, 40, None], "sex": ["f", None, "m"], "size": ["S", "L", "M"]})
    for text, wanted in [("age>=40", [0, 1, 0]), ("age is missing", [0, 0, 1]), ("sex!=f", [0, 0, 1]), ("size>S", [0, 1, 1])]:
        term = parse_term(text, SCHEMA)
        assert row_test(SCHEMA[term.column], term)(rows).tolist() == [bool(w) for w in wanted]
    assert numeric_set(parse_term("age is missing", SCHEMA), AGE) == ([], True)


def test_classes_to_balance_by():
    assert class_names(CODEC, "size") == ("S", "M", "L")
    assert [c.num_rows for c in balanced(CODEC, "size", 7)] == [3, 2, 2]
    with pytest.raises(InputError, match="no classes"):
        class_names(CODEC, "age")
    with pytest.raises(InputError, match="no column 'nope'"):
        balanced(CODEC, "nope", 7)
