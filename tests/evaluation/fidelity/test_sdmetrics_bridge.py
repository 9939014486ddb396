from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation import Report
from evaluation.fidelity.sdmetrics_bridge import for_sdmetrics, run_sdmetrics, scorable
from evaluation.inputs import prepare
from synth.schema import Column, Kind, Schema


def test_dates_come_back_as_dates_even_far_ones() -> None:
    schema = Schema(columns=(Column(name="d", kind=Kind.DATETIME),))
    far = np.datetime64("2999-01-01", "s").astype(float)
    out = for_sdmetrics(pd.DataFrame({"d": [981173106.0, np.nan, far]}), schema)["d"]
    assert pd.api.types.is_datetime64_any_dtype(out)
    assert out.isna().tolist() == [False, True, False]
    assert str(out[0]) == "2001-02-03 04:05:06"
    assert out[2].year == 2999


def test_columns_it_cannot_score_are_named() -> None:
    schema = Schema(columns=tuple(Column(name=n, kind=Kind.CATEGORY) for n in ("gone", "many", "fine")))
    frame = pd.DataFrame({"gone": [None] * 1100, "many": [str(i) for i in range(1100)], "fine": ["a"] * 1100})
    kept, notes = scorable({"real": frame}, schema)
    assert kept is not None
    assert kept.names == ("fine",)
    assert len(notes) == 2


def test_every_kind_is_scored(fresh_report: Report, schema: Schema) -> None:
    shapes = fresh_report.get_details("Column Shapes")
    assert set(shapes["Column"]) == set(schema.names)
    assert "Error" not in shapes
    assert shapes["Score"].notna().all()
    pairs = fresh_report.get_details("Column Pair Trends")
    assert "Error" not in pairs
    properties = fresh_report.get_properties().set_index("Property")["Score"]
    assert properties["Column Shapes"] > 0.9
    assert properties["Data Structure"] == pytest.approx(1.0)
    assert np.isfinite(fresh_report.get_score())


def test_batches_give_an_interval_where_there_are_rows_enough(fresh_report: Report) -> None:
    for name in ("sdmetrics_quality", "sdmetrics_diagnostic"):
        score = fresh_report.find(name)
        assert score is not None
        assert score.low <= score.value <= score.high
        assert score.high - score.low < 0.1
    frame = pd.DataFrame({"c": ["a", "b"] * 20})
    schema = Schema(columns=(Column(name="c", kind=Kind.CATEGORY),))
    scores = run_sdmetrics(prepare(frame, None, frame, schema)).section.scores
    assert all(score.low is None and score.interval.startswith("None") for score in scores)
