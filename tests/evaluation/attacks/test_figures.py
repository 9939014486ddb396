from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation import Report
from evaluation.attacks.figures import advantage_figure, guesses_figure, roc_figure
from evaluation.figures import to_json


def test_every_attack_has_a_mark_and_its_bound(copy_report: Report) -> None:
    table = copy_report.tables["Attacks"]
    measured, allowed = advantage_figure(table).data
    assert len(measured.x) == len(allowed.x) == len(table)
    assert max(allowed.x) == pytest.approx(np.tanh(0.5), abs=1e-4)
    unclaimed = advantage_figure(table.assign(**{"Bound of advantage": None}))
    assert len(unclaimed.data) == 1


def test_curves_lie_below_the_bound_only_if_the_claim_holds(copy_report: Report, fresh_report: Report) -> None:
    table = copy_report.tables["Membership attack"]
    lines = {line.name: line for line in roc_figure(table, (1.0, 1e-6)).data}
    assert len(lines) == 5 + 2
    bound = next(line for name, line in lines.items() if name.startswith("most that epsilon 1"))
    assert max(bound.y) == pytest.approx(1.0)
    assert lines["neighbours, with reference"].y[-1] == 1.0
    assert len(roc_figure(fresh_report.tables["Membership attack"], None).data) == 5 + 1


def test_guesses_are_bars_by_column_and_names_are_escaped() -> None:
    table = pd.DataFrame({"Column": ["<b>x</b>"], "Targets": [0.5], "Controls": [0.4], "Targets without the release": [0.3]})
    figure = guesses_figure(table)
    assert [bar.y[0] for bar in figure.data] == [0.5, 0.4, 0.3]
    assert "<b>" not in to_json(figure)
