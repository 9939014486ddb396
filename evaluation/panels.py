"""What the report shows of a detail table: one line a table, whoever measured it.

A part of the evaluation puts a table into its ``Section`` under a name; here that name gets its place in the report, a
heading, one sentence on how to read it, and the function that draws it. A table without a line here, or without a
function, is shown as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import pandas as pd

from evaluation import figures
from evaluation.attacks.bounds import claimed
from evaluation.attacks.figures import advantage_figure, guesses_figure, roc_figure
from evaluation.fidelity.figures import matrices_figure, missing_figure, workload_figure
from evaluation.scores import Score
from evaluation.utility.figures import importance_figure, subgroups_figure, utility_figure

Place = Literal["verdict", "fidelity", "utility", "privacy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a figure may draw besides its table: the report's scores and the release card as given."""

    scores: tuple[Score, ...]
    card: dict[str, Any] | None


class Panel(NamedTuple):
    """A part of the report.

    Attributes:
        place: Which of the three questions it belongs to; ``verdict`` stands above them.
        heading: Its heading.
        caption: One sentence on how to read it.
        draw: From the table and the context to a Plotly figure; ``None`` shows the table itself.
    """

    place: Place
    heading: str
    caption: str
    draw: Callable[[pd.DataFrame, Context], Any] | None = None


PANELS: Mapping[str, Panel] = MappingProxyType(
    {
        "Release gate": Panel(
            "verdict",
            "Release gate",
            "Each line of the policy, what it allows, and what was found: one that fails closes the gate.",
        ),
        "Marginals": Panel(
            "fidelity",
            "Distance of each column",
            "A long orange bar is a column that is distributed unlike the real one; grey is what fresh real rows score.",
            lambda table, _: figures.marginals_figure(table),
        ),
        "Pairs": Panel(
            "fidelity",
            "Distance of each pair of columns",
            "A bright cell is a pair of columns whose joint distribution is far off (the diagonal holds single columns).",
            lambda table, _: figures.pairs_figure(table),
        ),
        "Correlation": Panel(
            "fidelity",
            "Rank correlation of each pair of columns",
            "The first two maps should look alike; colour in the third is a correlation that was made stronger (red) or lost.",
            lambda table, _: matrices_figure(table, signed=True),
        ),
        "Mutual information": Panel(
            "fidelity",
            "Mutual information of each pair of columns",
            "As above, for every kind of relation and column: 0 is independent, 1 is one determines the other; blue is lost.",
            lambda table, _: matrices_figure(table, signed=False),
        ),
        "Workload": Panel(
            "fidelity",
            "Errors of counting questions",
            "The orange bar is how far answers to random questions are off; it should be near the blue one, not the grey one.",
            lambda table, _: workload_figure(table),
        ),
        "Missing patterns": Panel(
            "fidelity",
            "Which values are missing together",
            "Each row is a set of columns that are missing together; the bars should be equally long.",
            lambda table, _: missing_figure(table),
        ),
        "Validity": Panel(
            "fidelity",
            "Cells that break the schema",
            "A share below 1 is a column with cells that are unreadable, missing though they must not be, or out of range.",
        ),
        "Baseline without privacy": Panel(
            "utility",
            "A generator without noise: NOT PRIVATE",
            "What a generator fitted to the real rows without any protection scores: the gap to it is the price of privacy.",
        ),
        "Utility": Panel(
            "utility",
            "Prediction on real rows",
            "Orange (trained on synthetic rows) should reach blue (trained on real rows); grey has learnt nothing.",
            lambda table, _: utility_figure(table),
        ),
        "Feature importance": Panel(
            "utility",
            "Which columns matter",
            "Both colours should agree on which columns matter; one that matters in one only has lost or gained a relation.",
            lambda table, _: importance_figure(table),
        ),
        "Subgroups": Panel(
            "utility",
            "Loss in each subgroup",
            "Points above 0 lose by training on synthetic rows; noise falls hardest on small groups, which stand on the left.",
            lambda table, _: subgroups_figure(table),
        ),
        "Copies": Panel(
            "fidelity", "Exact and near copies", "A fact about quality, not a measure of privacy: compare with held-out rows."
        ),
        "Attacks": Panel(
            "privacy",
            "Every attack and its limit",
            "Success on fitted people minus success on fresh people: 0 is chance, the red mark the most that the claim allows.",
            lambda table, _: advantage_figure(table),
        ),
        "Membership attack": Panel(
            "privacy",
            "Membership attacks",
            "Fitted people found against fresh people accused: chance is dotted, the most that the guarantee allows dashed.",
            lambda table, context: roc_figure(table, claimed(context.card)),
        ),
        "Attribute inference": Panel(
            "privacy",
            "Guessing a secret",
            "How often a hidden value was guessed: only a gap between fitted (orange) and fresh people (grey) is disclosure.",
            lambda table, _: guesses_figure(table),
        ),
        "Reconstruction": Panel(
            "privacy",
            "Rebuilding a hidden cell",
            "How often a cell was rebuilt from the others: only a gap between fitted and fresh people is disclosure.",
            lambda table, _: guesses_figure(table),
        ),
        "Threat models": Panel("privacy", "Who attacks, with what", "What each attacker is given, and what counts as success."),
    }
)


def panel_of(name: str) -> Panel:
    """The panel of a detail table; a plain table under the third question where none is registered."""
    return PANELS.get(name, Panel("privacy", name, "Details of this part."))


def drawn(tables: Mapping[str, pd.DataFrame], context: Context) -> dict[str, Any]:
    """Figures by table name, in the order of ``PANELS``; tables without rows are not drawn."""
    return {
        name: panel.draw(tables[name], context)
        for name, panel in PANELS.items()
        if name in tables and panel.draw is not None and len(tables[name])
    }
