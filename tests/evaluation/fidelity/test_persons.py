import pandas as pd

from evaluation.fidelity.persons import score_persons
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="id"),
        Column(name="sex", kind=Kind.CATEGORY, categories=("f", "m"), constant_per_entity=True),
        Column(name="visit", kind=Kind.INTEGER),
    ),
    entity="id", max_rows_per_entity=3,
)  # fmt: skip


def table(keys, sexes):
    return pd.DataFrame({"id": list(keys), "sex": list(sexes), "visit": range(len(keys))})


def test_numbers_of_rows_per_person_are_compared_up_to_the_cap():
    real = table(["a", "a", "b", "c", "c", "c", "c", ""], "ffmmmmmf")  # 1, 1, 2 and more than 3 rows
    synthetic = table(["1", "2", "3", "4", "4", "4", "5", "5"], "ffmmmmfm")
    found = score_persons(real, real, synthetic, SCHEMA)
    (score,) = found.scores
    assert score.value == sum(abs(a - b) for a, b in ((2 / 4, 3 / 5), (1 / 4, 1 / 5), (1 / 4, 1 / 5))) / 2
    assert score.ceiling == 0
    assert score.floor == 0.5
    shown = found.tables["Persons"]
    assert shown["Persons"].tolist() == [4, 5, 4]
    assert shown["One value of sex"].tolist() == [1.0, 0.8, 1.0]
    assert "3 held-out id have fitted rows as well" in found.notes[1]


def test_without_an_entity_there_is_nothing_to_score():
    plain = Schema(columns=(Column(name="x", kind=Kind.INTEGER),))
    frame = pd.DataFrame({"x": [1]})
    assert score_persons(frame, None, frame, plain).scores == ()
    assert score_persons(table("ab", "fm"), None, table("ab", "fm"), SCHEMA).scores[0].ceiling is None
