from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evaluation import figures
from evaluation.shapes import Shape


def test_labels_are_escaped_and_cut() -> None:
    assert figures.label("<script>&") == "&lt;script&gt;&amp;"
    assert len(figures.label("x" * 100)) == figures.MAX_LABEL


def test_json_cannot_close_the_script() -> None:
    figure = go.Figure(go.Scatter(x=np.array([1.0, 2.0]), y=[1, None], name="</script><b>\u2028"))
    text = figures.to_json(figure)
    assert not {"<", ">", "&", "\u2028"} & set(text)
    assert json.loads(text)["data"][0]["name"] == "</script><b>\u2028"


def test_column_figure_hides_an_unused_missing_cell() -> None:
    shape = Shape("c", False, ("<a>", "b", "(missing)"), {"real": np.array([0.5, 0.5, 0.0])})
    bar = figures.column_figure(shape).data[0]
    assert len(bar.x) == 2
    assert bar.text[0] == "&lt;a&gt;"


def test_pairs_figure_has_a_cell_per_pair() -> None:
    table = pd.DataFrame({"Column 1": ["a", "b", "b"], "Column 2": ["a", "a", "b"], "Total variation": [0.1, 0.2, 0.3]})
    grid = figures.pairs_figure(table).data[0].z
    assert grid[1][0] == 0.2
    assert grid[0][1] is None
