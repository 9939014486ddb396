from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.attacks.membership import attack_membership, claimed, dp_auc, dp_roc
from evaluation.inputs import prepare
from evaluation.intervals import auc_delong
from synth.schema import Schema


def test_bound_of_no_privacy_loss_is_chance() -> None:
    grid = np.linspace(0, 1, 11)
    np.testing.assert_allclose(dp_roc(0.0, 0.0, grid), grid)
    assert dp_auc(0.0, 0.0) == pytest.approx(0.5)
    assert dp_auc(1000.0, 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 0.0), (1.0, 1e-5), (3.0, 0.1)])
def test_bound_is_a_roc_and_its_area(epsilon: float, delta: float) -> None:
    grid = np.linspace(0, 1, 200_001)
    curve = dp_roc(epsilon, delta, grid)
    assert (np.diff(curve) >= -1e-12).all()
    assert (curve >= grid - 1e-12).all()
    assert (curve <= np.exp(epsilon) * grid + delta + 1e-12).all()
    assert dp_auc(epsilon, delta) == pytest.approx(float(np.trapezoid(curve, grid)), abs=1e-5)


def test_randomized_response_meets_the_bound_exactly() -> None:
    epsilon = 1.3
    keep = np.exp(epsilon) / (1 + np.exp(epsilon))
    assert dp_roc(epsilon, 0.0, np.array([1 - keep]))[0] == pytest.approx(keep)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (None, None),
        ({}, None),
        ({"epsilon": 1, "delta": 1e-6}, (1.0, 1e-6)),
        ({"epsilon": True, "delta": 1e-6}, None),
        ({"epsilon": "1", "delta": 1e-6}, None),
        ({"epsilon": -1, "delta": 0}, None),
        ({"epsilon": 1, "delta": 1}, None),
        ({"epsilon": float("nan"), "delta": 0}, None),
    ],
)
def test_claim_is_read_from_the_card(card: dict[str, object] | None, expected: tuple[float, float] | None) -> None:
    assert claimed(card) == expected


def test_half_copied_rows_are_found_by_neighbours(
    real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema
) -> None:
    release = pd.concat([real.iloc[:700], fresh.iloc[:700]], ignore_index=True)
    tables = prepare(real, holdout, release, schema)
    assert tables.holdout is not None
    found = attack_membership(
        tables.synthetic, tables.holdout.iloc[:600], tables.real.iloc[:600], tables.holdout.iloc[600:], schema
    )
    assert auc_delong(found["neighbours"].members, found["neighbours"].others).value > 0.95


def test_holdout_against_itself_is_near_chance(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, holdout, real, schema)
    rows = tables.holdout
    assert rows is not None
    found = attack_membership(rows.iloc[:400], rows.iloc[400:800], tables.real.iloc[:400], rows.iloc[800:], schema)
    for scores in found.values():
        area = auc_delong(scores.members, scores.others, 0.999)
        assert area.low < 0.5 < area.high
