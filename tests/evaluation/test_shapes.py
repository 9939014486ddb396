from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.inputs import prepare
from evaluation.shapes import EMPTY, MISSING, OTHERS, column_shapes
from synth.schema import Column, Kind, Schema


def test_shares_sum_to_one(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    for shape in column_shapes(prepare(real, holdout, real, schema)):
        assert list(shape.shares) == ["real", "holdout", "synthetic"]
        for shares in shape.shares.values():
            assert len(shares) == len(shape.labels)
            np.testing.assert_allclose(shares.sum(), 1.0)


def test_empty_text_missing_and_rest_have_labels() -> None:
    frame = pd.DataFrame({"c": ["", None, *[f"v{i}" for i in range(30)]] * 2})
    schema = Schema(columns=(Column(name="c", kind=Kind.CATEGORY),), missing=())
    (shape,) = column_shapes(prepare(frame, None, frame, schema))
    assert {EMPTY, MISSING, OTHERS} <= {*shape.labels}


def test_whole_numbers_get_whole_cells() -> None:
    frame = pd.DataFrame({"n": np.arange(60) % 6})
    (shape,) = column_shapes(prepare(frame, None, frame, Schema(columns=(Column(name="n", kind=Kind.INTEGER),))))
    assert shape.labels[:6] == ("0", "1", "2", "3", "4", "5")
    np.testing.assert_allclose(shape.shares["real"][:6], 1 / 6)
