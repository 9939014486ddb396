from __future__ import annotations

import pandas as pd
import pytest

from evaluation import evaluate
from evaluation.baselines.compare import TABLE, score_baseline, with_baseline
from evaluation.panels import PANELS
from synth.errors import InputError
from synth.schema import Schema


def test_the_report_shows_release_and_baseline_side_by_side(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    small = real.iloc[:400], holdout.iloc[:300], fresh.iloc[:400]
    report = evaluate(*small, schema)
    found = score_baseline(small[0], small[1], schema, "trees")
    both = with_baseline(report, found, "trees")
    table = both.get_details(TABLE)
    assert {"Release", "Baseline (NOT PRIVATE)", "Fresh real rows"} <= set(table.columns)
    row = table.set_index("Score").loc["Total variation, pairs of columns"]
    assert row["Release"] == report.find("tv_2way").value  # type: ignore[union-attr]
    assert row["Baseline (NOT PRIVATE)"] == found["tv_2way"].value
    assert "NOT PRIVATE" in both.notes[-1]
    assert "NOT PRIVATE" in both.to_html()
    assert TABLE in PANELS


def test_an_unknown_baseline_is_refused(real: pd.DataFrame, schema: Schema) -> None:
    with pytest.raises(InputError, match="no baseline 'gan'"):
        score_baseline(real, None, schema, "gan")
