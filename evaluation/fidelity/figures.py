"""Figures of the fidelity part: matrices of pairs, patterns of missing values, errors of counting questions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from evaluation.fidelity.dependence import matrix
from evaluation.fidelity.missing import NOTHING
from evaluation.figures import COLOURS, NAMES, blank, label

PANES = ("Real", "Synthetic", "Difference")
MAX_NAME = 16


def matrices_figure(table: pd.DataFrame, *, signed: bool) -> Any:
    """Three heat maps of a pairwise statistic: real, synthetic, and synthetic minus real.

    Args:
        table: Columns ``Column 1``, ``Column 2``, ``Real``, ``Synthetic`` and ``Difference``, a row per pair.
        signed: Whether the statistic runs from -1 to 1; otherwise from 0 to 1.
    """
    figure = make_subplots(
        rows=1, cols=3, shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=("real", "synthetic", "synthetic minus real")
    )
    spread = max(0.05, float(np.nanmax(np.abs(table["Difference"]))))
    for k, value in enumerate(PANES, start=1):
        names, grid = matrix(table, value, np.nan)
        limit = spread if value == "Difference" else 1.0
        both = signed or value == "Difference"
        bar = {"x": 1.0 if value == "Difference" else -0.14, "thickness": 12, "tickfont": {"size": 10}}
        heat = go.Heatmap(
            z=[[None if np.isnan(v) else round(float(v), 4) for v in row] for row in grid],
            colorscale="RdBu_r" if both else "Viridis",
            zmin=-limit if both else 0,
            zmax=limit,
            xgap=1,
            ygap=1,
            hoverongaps=False,
            showscale=value == "Difference",
            colorbar=bar,
            hovertemplate="%{y} and %{x}: %{z:.3f}<extra>" + value.lower() + "</extra>",
        )
        figure.add_trace(heat, row=1, col=k)
        places = list(range(len(names)))
        texts = [label(str(name), MAX_NAME) for name in names]
        figure.update_xaxes(tickvals=places, ticktext=texts, tickangle=-60, showgrid=False, zeroline=False, col=k, row=1)
        figure.update_yaxes(tickvals=places, ticktext=texts, autorange="reversed", showgrid=False, zeroline=False, col=k, row=1)
    plain = blank(190 + 17 * len(names)).layout
    figure.update_layout(plain)
    figure.update_layout(margin={"t": 36, "b": 20}, height=190 + 17 * len(names))
    figure.update_xaxes(automargin=True, tickfont={"size": 10})
    figure.update_yaxes(automargin=True, tickfont={"size": 10})
    return figure


def missing_figure(table: pd.DataFrame) -> Any:
    """Shares of the most frequent patterns of missing values; rows without any are left to the table."""
    table = table[table["Missing columns"] != NOTHING]
    figure = blank(90 + 34 * len(table), {"bargap": 0.3})
    places = list(range(len(table)))
    for what, column in (("real", "Real"), ("holdout", "Holdout"), ("synthetic", "Synthetic")):
        if column in table:
            bar = go.Bar(y=places, x=table[column].tolist(), orientation="h", name=NAMES[what], marker={"color": COLOURS[what]})
            figure.add_trace(bar)
    texts = [label(str(name)) for name in table["Missing columns"]]
    figure.update_yaxes(tickvals=places, ticktext=texts, autorange="reversed", automargin=True)
    figure.update_xaxes(tickformat=".1~%", rangemode="tozero", title_text="share of rows")
    return figure


def workload_figure(table: pd.DataFrame) -> Any:
    """Mean error of counting questions by number of conditions, with ceiling and floor."""
    figure = blank(300, {"barmode": "group", "bargap": 0.35})
    places = [f"{count} conditions" for count in table["Conditions"]]
    series = {"Floor": ("shuffled columns (floor)", "#8b95a5"), "Synthetic": ("synthetic", COLOURS["synthetic"]),
              "Ceiling": ("held-out real (ceiling)", COLOURS["real"])}  # fmt: skip
    for what, (name, colour) in series.items():
        column = f"{what}: mean error"
        if column in table:
            figure.add_trace(go.Bar(x=places, y=table[column].tolist(), name=name, marker={"color": colour}))
    figure.update_yaxes(title_text="mean error (share of rows)", rangemode="tozero", automargin=True)
    return figure
