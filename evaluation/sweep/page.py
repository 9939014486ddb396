"""The page of a sweep: utility, fidelity, measured attack and guarantee against epsilon, the knee, and the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from evaluation import figures
from evaluation.baselines.generators import MARK
from evaluation.report import DASH, WARNING
from evaluation.scores import to_plain
from evaluation.sweep.curve import FIDELITY, RISK, UTILITY, Curve, curve_of, knee_of, leading

FORMAT = 1
PUBLIC = "Public or simulated rows: nothing was charged."
HEADINGS = {
    "tstr_auc": (
        "Utility: AUC on held-out rows",
        "Higher is better; blue is a model trained on real rows, grey on shuffled ones.",
    ),
    "tstr_r2": (
        "Utility: R2 on held-out rows",
        "Higher is better; blue is a model trained on real rows, grey on shuffled ones.",
    ),
    FIDELITY: ("Fidelity: distance of pairs", "Lower is better; blue is what fresh real rows score, grey shuffled columns."),
    RISK: ("Risk: strongest attack and guarantee", "Lower is better; red is the most that the guarantee allows any attack."),
}


def summary(records: list[dict[str, Any]], facts: dict[str, Any]) -> dict[str, Any]:
    """Everything as plain types.

    Args:
        records: Of ``run_sweep``.
        facts: Model, delta, rows, whether the rows are public, and what was charged.
    """
    curves = {name: curve for name in (*UTILITY, FIDELITY, RISK) if (curve := curve_of(records, name)) is not None}
    knee = knee_of(curves[lead]) if (lead := leading(records)) in curves else None
    return {
        "format": FORMAT,
        "warning": PUBLIC if facts["public"] else WARNING,
        "facts": to_plain(facts),
        "knee": {"epsilon": knee.epsilon if knee else None, "score": lead,
                 "sentence": knee.sentence if knee else "No fit succeeded."},
        "curves": {name: _plain(curve) for name, curve in curves.items()},
        "failed": [{"epsilon": r["epsilon"], "seed": r["seed"], "reason": r["failed"]} for r in records if "failed" in r],
        "guarantee": {str(e): b for e, b in _bounds(records).items()},
        "baseline": f"{facts['baseline']} ({MARK})",
    }  # fmt: skip


def sweep_html(records: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    """One self-contained page."""
    whole = summary(records, facts)
    bounds = _bounds(records)
    names = [name for name in (*UTILITY, FIDELITY, RISK) if name in whole["curves"]]
    drawn = {}
    for name in names:
        curve = curve_of(records, name)
        if curve is not None:
            drawn[f"figure-{name}"] = _figure(curve, bounds if name == RISK else {}, whole["knee"]["epsilon"])
    data = ",".join(f'"{key}":{figures.to_json(figure)}' for key, figure in drawn.items())
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    return pages.get_template("sweep.html.j2").render(
        whole=whole,
        private=not facts["public"],
        panels=[(f"figure-{name}", *HEADINGS[name]) for name in names],
        rows=[_row(whole["curves"], bounds, epsilon) for epsilon in sorted(bounds)],
        heads=["epsilon", *(HEADINGS[name][0] for name in names), "the guarantee allows"],
        figure_data=Markup("{" + data + "}"),  # figures.to_json leaves no <, > or &
        plotly_js=Markup(get_plotlyjs()),  # Plotly's own bundle
    )


def _row(curves: dict[str, Any], bounds: dict[float, float], epsilon: float) -> list[str]:
    cells = [f"{epsilon:g}"]
    for curve in curves.values():
        value = dict(zip(curve["epsilons"], curve["values"], strict=True)).get(epsilon)
        cells.append(DASH if value is None else f"{value:.3f}")
    return [*cells, f"{bounds[epsilon]:.3f}"]


def _bounds(records: list[dict[str, Any]]) -> dict[float, float]:
    """Largest advantage that each epsilon allows."""
    return {r["epsilon"]: r["scores"]["guarantee"]["value"] for r in records if "guarantee" in r["scores"]}


def _plain(curve: Curve) -> dict[str, Any]:
    return {
        "epsilons": curve.epsilons.tolist(), "values": curve.values.tolist(),
        "reach": [None if np.isnan(v) else float(v) for v in curve.reach],
        "ceiling": curve.ceiling, "floor": curve.floor, "baseline": curve.baseline,
    }  # fmt: skip


def _figure(curve: Curve, bounds: dict[float, float], knee: float | None) -> Any:
    figure = figures.blank(320, {"xaxis": {"type": "log", "title": "epsilon"}, "showlegend": True})
    ends = [float(curve.epsilons[0]), float(curve.epsilons[-1])]
    error = {"type": "data", "array": np.nan_to_num(curve.reach).tolist()}
    figure.add_trace(
        go.Scatter(
            x=curve.epsilons.tolist(),
            y=curve.values.tolist(),
            error_y=error,
            mode="lines+markers",
            name="release",
            line={"color": figures.COLOURS["synthetic"], "width": 2},
        )
    )
    lines = [("fresh real rows", curve.ceiling, figures.COLOURS["real"], "solid"),
             (f"baseline ({MARK})", curve.baseline, "#9b59b6", "dash"),
             ("floor", None if bounds else curve.floor, figures.COLOURS["holdout"], "dot")]  # fmt: skip
    for name, value, colour, dash in lines:
        if value is not None:
            line = {"color": colour, "dash": dash}
            figure.add_trace(go.Scatter(x=ends, y=[value, value], mode="lines", name=name, line=line))
    if bounds:
        line = {"color": "#c0392b", "dash": "dash"}
        figure.add_trace(go.Scatter(x=list(bounds), y=list(bounds.values()), mode="lines", name="guarantee", line=line))
    if knee is not None:
        figure.add_vline(x=knee, line={"color": figures.COLOURS["holdout"], "dash": "dot"})
    return figure
