from __future__ import annotations

import pandas as pd
import pytest

from evaluation.attacks.copies import score_copies
from evaluation.inputs import prepare
from synth.schema import Schema


def test_shares_are_counted_and_never_called_privacy(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    mixed = pd.concat([real.iloc[:300], fresh.iloc[:900]], ignore_index=True)
    section = score_copies(prepare(real, holdout, mixed, schema))
    exact, near = section.scores
    assert exact.value == pytest.approx(0.25, abs=0.01)
    assert near.value is not None
    assert near.value >= 0.25
    assert exact.ceiling is not None
    assert exact.ceiling < 0.01
    for score in section.scores:
        assert score.section != "privacy"
        assert "not a privacy measure" in score.label
        assert "not a privacy measure" in score.meaning
    assert set(section.tables["Copies"]["Rows"]) == {"synthetic", "holdout"}


def test_without_a_holdout_there_is_no_ceiling(real: pd.DataFrame, schema: Schema) -> None:
    section = score_copies(prepare(real, None, real, schema))
    assert [score.value for score in section.scores] == [1.0, 1.0]
    assert all(score.ceiling is None for score in section.scores)
