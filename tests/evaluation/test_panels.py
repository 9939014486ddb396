from __future__ import annotations

import pandas as pd

from evaluation import Report
from evaluation.panels import PANELS, Context, drawn, panel_of
from evaluation.report import PLACES


def test_every_panel_says_how_to_read_it() -> None:
    for name, panel in PANELS.items():
        assert panel.place in (*PLACES, "verdict"), name
        assert panel.caption.endswith(".")
        assert panel.caption.count(". ") == 0, "one sentence"


def test_every_table_of_a_full_report_is_registered(fresh_report: Report) -> None:
    assert set(fresh_report.tables) <= set(PANELS)
    context = Context(scores=fresh_report.scores, card=None)
    with_figure = {name for name, panel in PANELS.items() if panel.draw is not None}
    assert set(drawn(fresh_report.tables, context)) == with_figure & set(fresh_report.tables)


def test_a_table_nobody_registered_is_shown_as_a_table() -> None:
    table = pd.DataFrame({"a": [1]})
    assert panel_of("New attack").draw is None
    assert drawn({"New attack": table}, Context(scores=(), card=None)) == {}


def test_empty_tables_are_not_drawn() -> None:
    empty = pd.DataFrame({"Column": [], "Total variation": []})
    assert drawn({"Marginals": empty}, Context(scores=(), card=None)) == {}
