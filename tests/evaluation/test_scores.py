from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from evaluation.scores import Score, finite, to_plain


def test_score_refuses_nan_and_unexplained_intervals() -> None:
    good = {"name": "s", "label": "S", "section": "fidelity", "better": "higher", "meaning": "M.", "interval": "None."}
    assert Score(**good, value=0.5).n_runs == 1
    with pytest.raises(ValueError, match="finite"):
        Score(**good, value=float("nan"))
    with pytest.raises(ValueError, match="interval"):
        Score(**(good | {"interval": ""}), value=0.5)


def test_to_plain_is_json_safe() -> None:
    mixed = {
        1: np.float64("nan"),
        "a": [np.int64(3), np.bool_(True), float("inf"), pd.NaT, pd.NA],
        "frame": pd.DataFrame({"x": [1.5, np.nan]}),
        "array": np.arange(2),
        "date": pd.Timestamp("2020-01-01"),
    }
    plain = to_plain(mixed)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["1"] is None
    assert plain["a"] == [3, True, None, None, None]
    assert plain["frame"] == [{"x": 1.5}, {"x": None}]


def test_finite() -> None:
    assert finite(None) is None
    assert finite(float("-inf")) is None
    assert finite(2) == 2.0
