from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.utility.figures import importance_figure, subgroups_figure, utility_figure

UTILITY = pd.DataFrame(
    [
        (what, model, metric, 0.8, 0.7, 0.9)
        for what in ("synthetic", "real (non-private baseline)", "shuffled columns")
        for model in ("boosted trees", "linear model")
        for metric in ("AUC", "log loss")
    ],
    columns=["Trained on", "Model", "Metric", "Value", "Low", "High"],
)


def test_a_pane_per_metric_with_floor_and_ceiling() -> None:
    figure = utility_figure(UTILITY)
    assert [note.text for note in figure.layout.annotations] == ["AUC", "log loss"]
    assert len(figure.data) == 2 * 3
    assert [bar.name for bar in figure.data if bar.showlegend] == ["shuffled columns (floor)", "synthetic", "real (ceiling)"]
    assert all(len(bar.x) == 2 for bar in figure.data)


def test_importances_are_paired() -> None:
    table = pd.DataFrame({"Feature": ["<a>", "b"], "Real": [0.5, 0.1], "Synthetic": [0.4, 0.2]})
    figure = importance_figure(table)
    assert figure.layout.yaxis.ticktext == ("&lt;a&gt;", "b")
    assert [list(bar.x) for bar in figure.data] == [[0.5, 0.1], [0.4, 0.2]]


def test_subgroups_stand_at_their_size_and_unscored_ones_are_left_out() -> None:
    names = [
        "Column",
        "Group",
        "Test rows",
        "Share of real rows",
        "Model",
        "Metric",
        "Real",
        "Synthetic",
        "Loss",
        "Low",
        "High",
    ]
    rows = [
        ("sex", "a", 500, 0.5, "boosted trees", "AUC", 0.9, 0.8, 0.1, 0.05, 0.15),
        ("sex", "b", 20, 0.5, "boosted trees", "AUC", *(np.nan,) * 5),
        ("sex", "a", 500, 0.5, "linear model", "AUC", 0.9, 0.8, 0.1, 0.05, 0.15),
    ]
    (points,) = subgroups_figure(pd.DataFrame(rows, columns=names)).data
    assert list(points.x) == [500]
    assert list(points.text) == ["a"]
