"""Figures of the utility part: models between floor and ceiling, importances, losses by size of the subgroup."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from evaluation.figures import COLOURS, blank, label

SERIES = (
    ("shuffled columns", "shuffled columns (floor)", "#8b95a5"),
    ("synthetic", "synthetic", COLOURS["synthetic"]),
    ("real (non-private baseline)", "real (ceiling)", COLOURS["real"]),
)
MAX_FEATURES = 20
SIDES = ("middle right", "top left", "bottom right", "bottom left")
PALETTE = ("#e8871e", "#2f7fd6", "#3aa76d", "#a05ad0", "#c0392b", "#8b95a5")


def utility_figure(table: pd.DataFrame) -> Any:
    """A pane per metric: every model trained on shuffled columns, synthetic and real rows.

    Args:
        table: Columns ``Trained on``, ``Model``, ``Metric``, ``Value``, ``Low`` and ``High``.
    """
    metrics = list(dict.fromkeys(table["Metric"]))
    figure = make_subplots(rows=1, cols=len(metrics), subplot_titles=[label(m) for m in metrics], horizontal_spacing=0.07)
    models = list(dict.fromkeys(table.loc[table["Trained on"] == SERIES[1][0], "Model"]))
    for k, metric in enumerate(metrics, start=1):
        for what, name, colour in SERIES:
            rows = table[(table["Metric"] == metric) & (table["Trained on"] == what) & table["Model"].isin(models)]
            up, down = (rows["High"] - rows["Value"]).tolist(), (rows["Value"] - rows["Low"]).tolist()
            errors = {"type": "data", "array": up, "arrayminus": down, "symmetric": False, "color": "#888888", "thickness": 1}
            bar = go.Bar(
                x=[model.replace(" ", "<br>", 1) for model in rows["Model"]],
                y=rows["Value"].tolist(),
                name=name,
                legendgroup=name,
                showlegend=k == 1,
                marker={"color": colour},
                error_y=errors,
                hovertemplate="%{y:.3f}",
            )
            figure.add_trace(bar, row=1, col=k)
    figure.update_layout(blank(360).layout)
    figure.update_layout(barmode="group", bargap=0.3, margin={"t": 70}, legend={"y": 1.28})
    figure.update_xaxes(tickfont={"size": 10}, automargin=True)
    figure.update_yaxes(rangemode="tozero", automargin=True)
    return figure


def importance_figure(table: pd.DataFrame) -> Any:
    """How much the loss grows when a column is permuted, for trees learnt from real and from synthetic rows."""
    shown = table.head(MAX_FEATURES)
    figure = blank(90 + 26 * len(shown), {"barmode": "group", "bargap": 0.3})
    places = list(range(len(shown)))
    for what, column in (("real", "Real"), ("synthetic", "Synthetic")):
        bar = go.Bar(
            y=places,
            x=shown[column].tolist(),
            orientation="h",
            name=f"learnt from {what} rows",
            marker={"color": COLOURS[what]},
        )
        figure.add_trace(bar)
    texts = [label(str(name)) for name in shown["Feature"]]
    figure.update_yaxes(tickvals=places, ticktext=texts, autorange="reversed", automargin=True)
    figure.update_xaxes(title_text="growth of the loss on real test rows")
    return figure


def subgroups_figure(table: pd.DataFrame) -> Any:
    """Loss in each subgroup by its size: boosted trees, the first metric that is scored in a subgroup.

    Args:
        table: As ``score_groups`` makes it; subgroups without a loss are left out.
    """
    metrics = list(dict.fromkeys(table["Metric"]))
    leading = "AUC" if "AUC" in metrics else metrics[-1]
    rows = table[(table["Model"] == "boosted trees") & (table["Metric"] == leading) & table["Loss"].notna()]
    figure = blank(380)
    for k, (column, part) in enumerate(rows.groupby("Column", sort=False)):
        up, down = (part["High"] - part["Loss"]).tolist(), (part["Loss"] - part["Low"]).tolist()
        colour = PALETTE[k % len(PALETTE)]
        points = go.Scatter(
            x=part["Test rows"].tolist(),
            y=part["Loss"].tolist(),
            mode="markers+text",
            text=[label(str(name), 18) for name in part["Group"]],
            textposition=[SIDES[i % len(SIDES)] for i in range(len(part))],
            textfont={"size": 10},
            name=label(str(column)),
            marker={"color": colour, "size": 9, "symbol": k},
            error_y={"type": "data", "array": up, "arrayminus": down, "symmetric": False, "color": colour, "thickness": 1},
            hovertemplate="%{text}: %{y:.3f}, %{x} test rows",
        )
        figure.add_trace(points)
    figure.add_hline(y=0, line={"color": "#8b95a5", "dash": "dot", "width": 1.5})
    figure.update_xaxes(type="log", title_text="test rows in the subgroup", dtick=1, automargin=True)
    figure.update_yaxes(title_text=f"loss of {label(leading)} (above 0: worse)", automargin=True)
    return figure
