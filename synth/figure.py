"""A figure of a release: what its rows look like, column by column. Public."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from synth.receipt import Receipt
from synth.schema import Schema

ACROSS = 4  # panels in a row
MOST_PANELS = 40
MOST_BARS = 12
INK, BLUE = "#333333", "#3b6ea5"


def release_figure(rows: pd.DataFrame, schema: Schema, receipt: Receipt) -> Any:
    """Panels of columns (synthetic shares), and a title with the promise.

    Args:
        rows: Synthetic rows.
        schema: Of the release.
        receipt: Of the release.

    Returns:
        A ``plotly`` figure.
    """
    columns = schema.read_columns[:MOST_PANELS]
    across = min(ACROSS, len(columns))
    down = math.ceil(len(columns) / across)
    figure = make_subplots(rows=down, cols=across, subplot_titles=[c.name for c in columns])
    for place, column in enumerate(columns):
        plain = pd.api.types.is_numeric_dtype(rows[column.name]) or pd.api.types.is_datetime64_any_dtype(rows[column.name])
        numeric = column.kind is not None and column.kind.is_numeric and plain
        bars = _histogram(rows[column.name]) if numeric else _counts(rows[column.name])
        figure.add_trace(bars, row=place // across + 1, col=place % across + 1)
    whole = len(schema.read_columns)
    cut = f", {MOST_PANELS} of {whole} columns" if whole > MOST_PANELS else ""
    promise = f"epsilon {receipt.epsilon:g}, delta {receipt.delta:g} per {receipt.unit}"
    figure.update_layout(
        title=f"{receipt.model}: {len(rows):,} synthetic rows{cut}; {promise}",
        showlegend=False,
        template="plotly_white",
        height=max(180 * down + 100, 300),
        font={"color": INK, "size": 11},
        bargap=0.05,
    )
    figure.update_yaxes(tickformat=".0%")
    return figure


def _histogram(cells: pd.Series) -> Any:
    return go.Histogram(x=cells.dropna().tolist(), histnorm="probability", nbinsx=40, marker={"color": BLUE})


def _counts(cells: pd.Series) -> Any:
    shares = cells.astype(object).where(cells.notna(), "(missing)").astype(str).value_counts(normalize=True)
    top = shares.iloc[:MOST_BARS]
    if len(shares) > MOST_BARS:
        top = pd.concat([top, pd.Series({"(others)": shares.iloc[MOST_BARS:].sum()})])
    return go.Bar(x=top.index.tolist(), y=top.tolist(), marker={"color": BLUE})
