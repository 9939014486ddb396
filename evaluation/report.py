"""The report of an evaluation: scores, details, figures, HTML and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from evaluation import figures
from evaluation.fidelity.sdmetrics_bridge import DIAGNOSTIC, QUALITY, Bridge
from evaluation.panels import Context, drawn, panel_of
from evaluation.scores import Score, to_plain
from evaluation.shapes import Shape
from evaluation.verdict import QUESTIONS, answers, position
from synth.errors import InputError

WARNING = "contains private information: computed on real rows, not covered by epsilon; do not publish"
PLACES = {
    "fidelity": (("fidelity", "Distributions"), ("validity", "Obedience to the schema")),
    "utility": (("utility", "Prediction"),),
    "privacy": (("privacy", "Attacks"),),
}
COLUMN = "Column: "
MAX_TABLE_ROWS = 40
FORMAT = 1
DASH = "\u2013"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an evaluation found. Private: it is computed on real rows and no epsilon covers it.

    Attributes:
        scores: Every number with its interval and its scale.
        notes: Sentences about gaps, caveats and left-out parts.
        tables: Detail tables by name.
        shapes: Column distributions for the figures.
        facts: Row counts and settings.
        card: Release card as given.
        bridge: Finished SDMetrics reports.
    """

    scores: tuple[Score, ...]
    notes: tuple[str, ...]
    tables: dict[str, pd.DataFrame]
    shapes: tuple[Shape, ...]
    facts: dict[str, Any]
    card: dict[str, Any] | None
    bridge: Bridge

    def get_score(self) -> float:
        """SDMetrics' overall quality score, 0 to 1; NaN where it has none (``notes`` say why)."""
        value = self.find("sdmetrics_quality")
        return float("nan") if value is None or value.value is None else value.value

    def find(self, name: str) -> Score | None:
        """The score of that name; ``None`` where it was left out."""
        return next((score for score in self.scores if score.name == name), None)

    def get_properties(self) -> pd.DataFrame:
        """SDMetrics' properties: columns ``Property`` and ``Score`` (0 to 1, NaN where there is none)."""
        return self.bridge.properties()

    def get_details(self, name: str) -> pd.DataFrame:
        """A detail table, a copy.

        Args:
            name: An SDMetrics property (``Column Shapes``, ``Column Pair Trends``, ``Data Validity``,
                ``Data Structure``) or one of this report's tables, such as ``Marginals``, ``Correlation``,
                ``Utility`` or ``Subgroups``.

        Raises:
            InputError: There is no such table in this report.
        """
        if name in (*QUALITY, *DIAGNOSTIC):
            return self.bridge.details(name)
        if name not in self.tables:
            known = ", ".join((*QUALITY, *DIAGNOSTIC, *self.tables))
            raise InputError(f"the report has no details named {name!r}; there are {known}")
        return self.tables[name].copy()

    def get_visualization(self, name: str) -> Any:
        """A Plotly figure.

        Args:
            name: As for ``get_details`` where the table has a figure, or ``Column: `` and a column's name.

        Raises:
            InputError: There is no such figure in this report.
        """
        figure = self.bridge.figure(name) if name in (*QUALITY, *DIAGNOSTIC) else self._figures().get(name)
        if figure is None:
            raise InputError(f"the report has no figure named {name!r}; there are {', '.join(self._figures())}")
        return figure

    def to_json(self) -> dict[str, Any]:
        """Scores, notes, facts, card and details as plain types without NaN."""
        return {
            "format": FORMAT,
            "warning": WARNING,
            "facts": to_plain(self.facts),
            "card": to_plain(self.card),
            "scores": [{f.name: to_plain(getattr(score, f.name)) for f in fields(score)} for score in self.scores],
            "properties": to_plain(self.get_properties()),
            "answers": [answer._replace(score=None)._asdict() for answer in answers(self.scores, self.notes)],
            "notes": list(self.notes),
            "details": {name: to_plain(table) for name, table in self.tables.items() if name != "Membership attack"},
        }

    def to_html(self) -> str:
        """One self-contained page: nothing is loaded from anywhere."""
        folder = Path(__file__).parent
        pages = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
        pages.filters["number"] = _number
        plots = {name: (f"figure-{i}", figure) for i, (name, figure) in enumerate(self._figures().items())}
        data = ",".join(f'"{key}":{figures.to_json(figure)}' for key, figure in plots.values())
        return pages.get_template("report.html.j2").render(
            warning=WARNING,
            facts=self.facts,
            card=None if self.card is None else {k: _cell(v) for k, v in to_plain(self.card).items()},
            answers=answers(self.scores, self.notes),
            gate=next(iter(self._panels("verdict", {})), None),
            places=[self._place(place, question, plots) for place, question in zip(PLACES, QUESTIONS, strict=True)],
            notes=self.notes,
            shapes=[(shape.name, plots[f"{COLUMN}{shape.name}"][0], _shape_table(shape)) for shape in self.shapes],
            legend=[(figures.NAMES[k], figures.COLOURS[k]) for k in (self.shapes[0].shares if self.shapes else ())],
            figure_data=Markup("{" + data + "}"),  # figures.to_json leaves no <, > or &
            plotly_js=Markup(get_plotlyjs()),  # Plotly's own bundle
        )

    def _place(self, place: str, question: str, plots: dict[str, tuple[str, Any]]) -> dict[str, Any]:
        """One of the three sections: its scores in groups, and its panels with figure, caption and numbers."""
        groups = [(t, [(s, position(s)) for s in self.scores if s.section == key]) for key, t in PLACES[place]]
        panels = self._panels(place, plots)
        return {"id": place, "title": question, "groups": [g for g in groups if g[1]], "panels": panels}

    def _panels(self, place: str, plots: dict[str, tuple[str, Any]]) -> list[dict[str, Any]]:
        """Heading, caption, figure and numbers of the tables of one place."""
        return [
            {
                "key": plots[name][0] if name in plots else None,
                "heading": panel_of(name).heading,
                "caption": panel_of(name).caption,
                "table": _shown(table),
                "rows": len(table),
            }
            for name, table in self.tables.items()
            if panel_of(name).place == place
        ]

    def _figures(self) -> dict[str, Any]:
        """Figures by name, in reading order."""
        found = drawn(self.tables, Context(scores=self.scores, card=self.card))
        return found | {f"{COLUMN}{shape.name}": figures.column_figure(shape) for shape in self.shapes}


def _shown(table: pd.DataFrame) -> dict[str, Any]:
    """The first rows of a table as texts, numbers with the digits that matter."""
    rows = [[_text(cell) for cell in row] for row in table.head(MAX_TABLE_ROWS).itertuples(index=False)]
    numeric = [bool(pd.api.types.is_numeric_dtype(table[name])) for name in table.columns]
    return {"columns": list(zip(map(str, table.columns), numeric, strict=True)), "rows": rows, "numeric": numeric}


def _shape_table(shape: Shape) -> dict[str, Any]:
    """A column's distribution as a table of shares."""
    shares = {figures.NAMES[what]: [f"{value:.1%}" for value in row] for what, row in shape.shares.items()}
    table = pd.DataFrame({"Value" if not shape.numeric else "From": list(shape.labels), **shares})
    return _shown(table) | {"numeric": [False] + [True] * len(shares)}


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return _number(None if math.isnan(cell) else cell)
    return DASH if cell is None else f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def _number(value: float | None) -> str:
    """A number with digits that matter; a dash where there is none."""
    if value is None:
        return DASH
    if 0 < abs(value) < 0.02:
        return f"{value:.4f}" if abs(value) >= 5e-5 else f"{value:.0e}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _cell(value: Any) -> str:
    return DASH if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
