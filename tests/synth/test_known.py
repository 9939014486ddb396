import numpy as np
import pandas as pd
import pytest

from synth.constraints import FixedCombinations, Inequality, Sum
from synth.encoding.axis import make_axis
from synth.encoding.category import closed_codec, open_codec
from synth.encoding.codec import Codec
from synth.encoding.numeric import NumericCodec
from synth.errors import InputError
from synth.known import known_cells, known_codes
from synth.schema import Column, Kind, Schema

AGE = Column(name="age", kind=Kind.INTEGER, bounds=(0, 99))
SEX = Column(name="sex", kind=Kind.CATEGORY, categories=("f", "m"))
CITY = Column(name="city", kind=Kind.CATEGORY)
SCHEMA = Schema(columns=(AGE, SEX, CITY))
AXIS = make_axis(AGE, (0, 99))
NUMBERS = NumericCodec(column=AGE, axis=AXIS, starts=(0, 33), weights=(1.0,) * AXIS.cells, missing=True)
CODEC = Codec(SCHEMA, (NUMBERS, closed_codec(SEX), open_codec(CITY, ("Rome",))))


def test_known_cells_become_codes():
    known = pd.DataFrame({"sex": ["m", None], "age": [np.nan, "64"], "city": ["Rome", "Lyon"]})
    cells = known_cells(known, SCHEMA)
    assert cells["age"][1] == 64
    assert known_codes(cells, CODEC, 2).tolist() == [[-1, 1, 0], [1, -1, 1]]


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (pd.DataFrame({"nope": [1]}), "does not mention"),
        (pd.DataFrame(index=[0]), "at least one column"),
        (pd.DataFrame({"sex": ["f", "secret"]}), "row 2 of the known column 'sex'"),
        (pd.DataFrame({"age": ["secret"]}), "row 1 of the known column 'age'"),
    ],
)
def test_bad_known_columns_are_a_sentence(known, message):
    with pytest.raises(InputError, match=message) as error:
        known_codes(known_cells(known, SCHEMA), CODEC, len(known))
    assert "secret" not in str(error.value)


RULED = Schema(
    columns=(
        Column(name="low", kind=Kind.INTEGER, bounds=(0, 9)),
        Column(name="high", kind=Kind.INTEGER, bounds=(0, 20)),
        Column(name="both", kind=Kind.INTEGER),
        SEX,
        CITY,
    ),
    constraints=(
        Inequality(low="low", high="high"),
        Sum(total="both", parts=("low", "high")),
        FixedCombinations(columns=("sex", "city")),
    ),
)


def test_what_a_constraint_joins_is_given_whole_or_not():
    whole = known_cells(pd.DataFrame({"low": [2, None], "high": [5, None]}), RULED)
    assert np.array_equal(whole["high"], [3, np.nan], equal_nan=True)
    assert list(known_cells(pd.DataFrame({"low": [2]}), RULED)) == ["low"]
    pair = known_cells(pd.DataFrame({"sex": ["f"], "city": ["Rome"]}), RULED)
    assert pair == {"sex": ['["f", "Rome"]']}
    for frame, message in [
        ({"high": [5]}, "give 'low' as well"),
        ({"both": [5]}, "give 'low' as well"),
        ({"low": [None], "high": [5]}, "row 1 of the known column 'low' is missing"),
        ({"city": ["Rome"]}, "give 'sex' as well"),
    ]:
        with pytest.raises(InputError, match=message):
            known_cells(pd.DataFrame(frame), RULED)
