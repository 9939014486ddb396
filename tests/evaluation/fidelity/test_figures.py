from __future__ import annotations

import pandas as pd

from evaluation.fidelity.figures import matrices_figure, missing_figure, workload_figure

PAIRS = pd.DataFrame(
    {
        "Column 1": ["b", "<i>", "<i>"],
        "Column 2": ["a", "a", "b"],
        "Real": [0.5, 0.1, -0.2],
        "Synthetic": [0.25, 0.1, -0.2],
        "Difference": [-0.25, 0.0, 0.0],
    }
)


def test_matrices_stand_side_by_side_and_the_difference_has_its_own_scale() -> None:
    figure = matrices_figure(PAIRS, signed=True)
    real, synthetic, difference = figure.data
    assert real.z[1][0] == real.z[0][1] == 0.5
    assert synthetic.z[1][0] == 0.25
    assert difference.z[1][0] == -0.25
    assert (real.zmin, real.zmax) == (-1, 1)
    assert (difference.zmin, difference.zmax) == (-0.25, 0.25)
    assert "&lt;i&gt;" in figure.layout.xaxis.ticktext
    assert matrices_figure(PAIRS, signed=False).data[0].zmin == 0


def test_rows_without_gaps_are_not_drawn() -> None:
    table = pd.DataFrame({"Missing columns": ["(nothing missing)", "a"], "Real": [0.9, 0.1], "Synthetic": [0.8, 0.2]})
    figure = missing_figure(table)
    assert [list(bar.x) for bar in figure.data] == [[0.1], [0.2]]


def test_questions_are_drawn_with_what_there_is() -> None:
    table = pd.DataFrame({"Conditions": [2], "Synthetic: mean error": [0.1], "Floor: mean error": [0.2]})
    assert [bar.y[0] for bar in workload_figure(table).data] == [0.2, 0.1]
