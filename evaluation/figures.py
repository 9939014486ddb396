"""Plotly figures. Every label is escaped, since Plotly reads a subset of HTML in its texts."""

from __future__ import annotations

import html
import json
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from evaluation.shapes import MISSING, Shape

COLOURS = {"real": "#2f7fd6", "holdout": "#8b95a5", "synthetic": "#e8871e"}
NAMES = {"real": "real", "holdout": "held-out real", "synthetic": "synthetic"}
DASHES = {"real": "solid", "holdout": "dot", "synthetic": "solid"}
MAX_LABEL = 28
MAX_TICK = 14


def label(text: str, most: int = MAX_LABEL) -> str:
    """``text`` as Plotly shows it literally: markup escaped, long texts cut."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return html.escape(short, quote=False)


def to_json(figure: Any) -> str:
    """A figure as JSON that is safe inside a ``<script>`` element."""
    text = json.dumps(json.loads(figure.to_json()), allow_nan=False)
    for char, code in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(char, code)
    return text


def _figure(height: int, **layout: Any) -> Any:
    figure = go.Figure()
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 52, "r": 12, "t": 12, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12},
        legend={"orientation": "h", "y": 1.12, "x": 0},
        **layout,
    )
    return figure


def blank(height: int, layout: dict[str, Any] | None = None) -> Any:
    """An empty figure in the report's style; the page gives it the reader's colours.

    Args:
        height: In pixels; the width follows the page.
        layout: More of Plotly's layout.
    """
    return _figure(height, **(layout or {}))


def column_figure(shape: Shape) -> Any:
    """One column's distribution in every table: lines for a number, grouped bars for categories."""
    figure = _figure(230, showlegend=False, bargap=0.2)
    shown = len(shape.labels)
    if shape.labels[-1] == MISSING and all(shares[-1] == 0 for shares in shape.shares.values()):
        shown -= 1
    for what, shares in shape.shares.items():
        style: dict[str, Any] = {"name": NAMES[what], "x": list(range(shown)), "y": shares[:shown].tolist()}
        style["text"] = [label(text) for text in shape.labels[:shown]]
        style["hovertemplate"] = "%{text}: %{y:.2%}"
        if shape.numeric and shown > 3:
            line = {"color": COLOURS[what], "dash": DASHES[what], "shape": "hvh", "width": 2}
            figure.add_trace(go.Scatter(mode="lines", line=line, **style))
        else:
            figure.add_trace(go.Bar(marker={"color": COLOURS[what]}, textposition="none", **style))
    step = max(1, shown // 6) if shape.numeric else 1
    gap = shown - 1 if shape.labels[shown - 1] == MISSING else shown
    ticks = [i for i in range(shown) if (i % step == 0 and i <= gap - step) or i == gap]
    angle = 0 if shape.numeric or shown <= 2 else -40
    texts = [label(shape.labels[i], MAX_TICK) for i in ticks]
    figure.update_xaxes(tickvals=ticks, ticktext=texts, tickangle=angle, tickfont={"size": 11}, automargin=True)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", automargin=True)
    return figure


def marginals_figure(table: pd.DataFrame) -> Any:
    """Total variation per column, beside fresh real rows where there are any."""
    figure = _figure(60 + 24 * len(table), bargap=0.25)
    rows = list(range(len(table)))[::-1]
    series = {"synthetic": "Total variation", "holdout": "Ceiling"}
    for what, column in series.items():
        if column in table:
            values = table[column].tolist()
            bar = go.Bar(x=values, y=rows, orientation="h", name=NAMES[what], marker={"color": COLOURS[what]})
            figure.add_trace(bar)
    figure.update_yaxes(tickvals=rows, ticktext=[label(str(name)) for name in table["Column"]], automargin=True)
    figure.update_xaxes(title_text="total variation (share of rows)", rangemode="tozero")
    return figure


def pairs_figure(table: pd.DataFrame) -> Any:
    """Heat map of the total variation of every pair of columns."""
    names = list(dict.fromkeys(table["Column 1"]))
    position = {name: i for i, name in enumerate(names)}
    grid: list[list[float | None]] = [[None] * len(names) for _ in names]
    for first, second, value in table.itertuples(index=False):
        grid[position[first]][position[second]] = value
    figure = _figure(180 + 26 * len(names))
    figure.add_trace(
        go.Heatmap(
            z=grid,
            colorscale="Viridis",
            zmin=0,
            xgap=1,
            ygap=1,
            hoverongaps=False,
            hovertemplate="%{y} and %{x}: %{z:.3f}<extra></extra>",
            colorbar={"title": {"text": "total<br>variation"}, "thickness": 14},
        )
    )
    texts = [label(str(name)) for name in names]
    places = list(range(len(names)))
    figure.update_xaxes(tickvals=places, ticktext=texts, tickangle=-45, automargin=True, showgrid=False, zeroline=False)
    figure.update_yaxes(tickvals=places, ticktext=texts, autorange="reversed", automargin=True, showgrid=False, zeroline=False)
    return figure
