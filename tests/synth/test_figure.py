import pandas as pd

from synth.figure import MOST_BARS, release_figure
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 9)),
        Column(name="town", kind=Kind.CATEGORY),
        Column(name="ok", kind=Kind.BOOLEAN),
        Column(name="day", kind=Kind.DATETIME, format="%Y"),
        Column(name="key", kind=Kind.IDENTIFIER, nullable=False),
        *(Column(name=f"c{i}", kind=Kind.INTEGER) for i in range(40)),
    )
)


class Promise:
    epsilon, delta, model, unit = 1.0, 1e-6, "m", "row"


def test_every_column_that_is_learnt_has_a_panel():
    rows = pd.DataFrame(
        {
            "age": pd.array([1, 2, None] * 10, "Int64"),
            "town": [f"t{i}" for i in range(30)],
            "day": ["2020", None, "2021"] * 10,
            "ok": pd.array([True, None, False] * 10, "boolean"),
            **{f"c{i}": 1 for i in range(40)},
        }
    )
    figure = release_figure(rows, SCHEMA, Promise())
    assert len(figure.data) == 40
    assert "40 of 44 columns" in figure.layout.title.text
    assert "epsilon 1" in figure.layout.title.text
    town = figure.data[1]
    assert len(town.x) == MOST_BARS + 1
    assert abs(sum(town.y) - 1) < 1e-9
    assert "(missing)" in figure.data[2].x
