"""Figures of the attacks: functions from a detail table to a Plotly figure."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evaluation.attacks.bounds import dp_roc
from evaluation.figures import label

TARGETS, CONTROLS, BASELINE, BOUND = "#e8871e", "#8b95a5", "#2f7fd6", "#c0392b"
LINES = ("#e8871e", "#a05ad0", "#2f9e6e", "#2f7fd6", "#b5533c")
LABELS = MappingProxyType(
    {
        "trees": "trees, with reference",
        "neighbours": "neighbours, with reference",
        "trees_alone": "trees, alone",
        "neighbours_alone": "neighbours, alone",
        "marginals": "marginal tables",
    }
)


def _layout(height: int, left: int = 60) -> dict[str, Any]:
    return {
        "template": "none",
        "height": height,
        "margin": {"l": left, "r": 12, "t": 12, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "legend": {"orientation": "h", "y": 1.12, "x": 0},
    }


def advantage_figure(table: pd.DataFrame) -> Any:
    """The table ``Attacks``: advantage of each attack with its interval, and the bound of the claim."""
    names = [label(str(name), 44) for name in table["Attack"]][::-1]
    value, low, high = (
        table[name].to_numpy(dtype=np.float64)[::-1] for name in ("Advantage", "Advantage low", "Advantage high")
    )
    error = {"type": "data", "array": (high - value).tolist(), "arrayminus": (value - low).tolist(), "symmetric": False}
    figure = go.Figure(layout=_layout(70 + 34 * len(names), 270))
    figure.add_trace(
        go.Scatter(
            x=value.tolist(), y=names, error_x=error, mode="markers", name="measured", marker={"color": TARGETS, "size": 9}
        )
    )
    bounds = table["Bound of advantage"].astype(float).tolist()[::-1]
    if not all(np.isnan(bounds)):
        marker = {"color": BOUND, "symbol": "line-ns-open", "size": 16, "line": {"width": 3}}
        figure.add_trace(go.Scatter(x=bounds, y=names, mode="markers", name="most that the claim allows", marker=marker))
    figure.update_xaxes(title_text="success on fitted minus success on fresh people", zeroline=True)
    return figure


def roc_figure(table: pd.DataFrame, claim: tuple[float, float] | None) -> Any:
    """The table ``Membership attack``: each ROC on log axes, with chance and the claim's bound."""
    figure = go.Figure(layout=_layout(440))
    for colour, (name, curve) in zip(LINES, table[table["FPR"] > 0].groupby("Attack", sort=False), strict=False):
        rates = [value if value > 0 else None for value in curve["TPR"]]
        line = {"color": colour, "width": 2, "shape": "hv"}
        figure.add_trace(go.Scatter(x=curve["FPR"].tolist(), y=rates, name=LABELS.get(str(name), label(str(name))), line=line))
    grid = np.geomspace(1e-4, 1.0, 200)
    dotted = {"color": CONTROLS, "dash": "dot", "width": 1.5}
    figure.add_trace(go.Scatter(x=grid.tolist(), y=grid.tolist(), name="chance", line=dotted, hoverinfo="skip"))
    if claim is not None:
        text = f"most that epsilon {claim[0]:g}, delta {claim[1]:g} allows"
        dashed = {"color": BOUND, "dash": "dash", "width": 2}
        figure.add_trace(go.Scatter(x=grid.tolist(), y=dp_roc(*claim, grid).tolist(), name=text, line=dashed))
    figure.update_traces(mode="lines")
    axis = {"type": "log", "range": [-4, 0.02], "dtick": 1, "tickformat": ".2~%"}
    figure.update_xaxes(title_text="fresh people accused", **axis)
    figure.update_yaxes(title_text="fitted people found", **axis)
    return figure


def guesses_figure(table: pd.DataFrame) -> Any:
    """The tables ``Attribute inference`` and ``Reconstruction``: success by column, with controls and baseline."""
    figure = go.Figure(layout=_layout(340))
    places = [label(str(name)) for name in table["Column"]]
    parts = (("Targets", "fitted people", TARGETS), ("Controls", "fresh people", CONTROLS),
             ("Targets without the release", "fitted people, without the release", BASELINE))  # fmt: skip
    for column, name, colour in parts:
        figure.add_trace(go.Bar(x=places, y=table[column].tolist(), name=name, marker={"color": colour}))
    figure.update_yaxes(title_text="guessed right", range=[0, 1], tickformat=".0%")
    return figure
