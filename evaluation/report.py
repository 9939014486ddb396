"""The report of an evaluation: scores, details, figures, HTML and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from evaluation import figures
from evaluation.attacks.bounds import claimed
from evaluation.fidelity.sdmetrics_bridge import DIAGNOSTIC, QUALITY, Bridge
from evaluation.scores import Score, to_plain
from evaluation.shapes import Shape
from synth.errors import InputError

WARNING = "contains private information: computed on real rows, not covered by epsilon; do not publish"
SECTIONS = {
    "fidelity": "Fidelity: is it distributed like the real rows?",
    "validity": "Validity: does it obey the schema?",
    "utility": "Utility: does it serve for prediction?",
    "privacy": "Privacy: can fitted people be recognised?",
}
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
                ``Data Structure``) or one of this report's tables (``Marginals``, ``Pairs``, ``Validity``,
                ``Utility``, ``Membership attack``).

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
            name: As for ``get_details`` (except ``Validity``), or ``Column: `` and a column's name.

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
            "notes": list(self.notes),
            "details": {name: to_plain(table) for name, table in self.tables.items() if name != "Membership attack"},
        }

    def to_html(self) -> str:
        """One self-contained page: nothing is loaded from anywhere."""
        folder = Path(__file__).parent
        pages = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
        pages.filters["number"] = _number
        drawn = self._figures()
        plots = {f"figure-{i}": (name, figure) for i, (name, figure) in enumerate(drawn.items())}
        data = ",".join(f'"{key}":{figures.to_json(figure)}' for key, (_, figure) in plots.items())
        return pages.get_template("report.html.j2").render(
            warning=WARNING,
            facts=self.facts,
            card=None if self.card is None else {k: _cell(v) for k, v in to_plain(self.card).items()},
            groups=[(t, [(s, _position(s)) for s in self.scores if s.section == key]) for key, t in SECTIONS.items()],
            notes=self.notes,
            plots=[(key, name) for key, (name, _) in plots.items()],
            captions=CAPTIONS,
            headings=HEADINGS,
            legend=[(figures.NAMES[k], figures.COLOURS[k]) for k in (self.shapes[0].shares if self.shapes else ())],
            figure_data=Markup("{" + data + "}"),  # figures.to_json leaves no <, > or &
            plotly_js=Markup(get_plotlyjs()),  # Plotly's own bundle
        )

    def _figures(self) -> dict[str, Any]:
        """Figures by name, in reading order."""
        found: dict[str, Any] = {f"{COLUMN}{shape.name}": figures.column_figure(shape) for shape in self.shapes}
        if "Marginals" in self.tables:
            found["Marginals"] = figures.marginals_figure(self.tables["Marginals"])
        if "Pairs" in self.tables:
            found["Pairs"] = figures.pairs_figure(self.tables["Pairs"])
        if "Utility" in self.tables:
            found["Utility"] = figures.utility_figure([s for s in self.scores if s.section == "utility"])
        if "Membership attack" in self.tables:
            found["Membership attack"] = figures.attack_figure(self.tables["Membership attack"], claimed(self.card))
        return found


COLUMN = "Column: "
HEADINGS = {
    "Marginals": "Distance of each column",
    "Pairs": "Distance of each pair of columns",
    "Utility": "Prediction on real rows",
    "Membership attack": "Membership attack",
}
CAPTIONS = {
    "Marginals": "How far each column lies from the real rows; grey is what fresh real rows score.",
    "Pairs": "How far each pair of columns lies from the real rows (the diagonal holds single columns).",
    "Utility": "Models trained on synthetic, real and shuffled rows, tested on the same real rows.",
    "Membership attack": "Fitted people found against fresh people accused. At chance the lines lie on the diagonal.",
}


def _number(value: float | None) -> str:
    """A number with digits that matter; a dash where there is none."""
    if value is None:
        return DASH
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _cell(value: Any) -> str:
    return DASH if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _position(score: Score) -> float | None:
    """Where the value lies between floor (0) and ceiling (1); ``None`` where the two are not apart."""
    if score.value is None or score.floor is None or score.ceiling is None:
        return None
    gap = score.ceiling - score.floor
    good = gap if score.better == "higher" else -gap
    if good <= 1e-3 * max(abs(score.ceiling), abs(score.floor), 1e-9):
        return None
    return min(1.0, max(0.0, (score.value - score.floor) / gap))
