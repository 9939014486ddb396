from __future__ import annotations

import numpy as np
import pytest

from evaluation.attacks.bounds import FPRS, bound_of, claimed, dp_advantage, dp_auc, dp_roc


def test_bound_of_no_privacy_loss_is_chance() -> None:
    grid = np.linspace(0, 1, 11)
    np.testing.assert_allclose(dp_roc(0.0, 0.0, grid), grid)
    assert dp_auc(0.0, 0.0) == pytest.approx(0.5)
    assert dp_auc(1000.0, 0.0) == pytest.approx(1.0)
    assert dp_advantage(0.0, 0.0) == 0.0
    assert dp_advantage(1000.0, 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 0.2), (0.5, 0.0), (1.0, 1e-5), (3.0, 0.1)])
def test_bound_is_a_roc_and_its_area_and_height(epsilon: float, delta: float) -> None:
    grid = np.linspace(0, 1, 200_001)
    curve = dp_roc(epsilon, delta, grid)
    assert (np.diff(curve) >= -1e-12).all()
    assert (curve >= grid - 1e-12).all()
    assert (curve <= np.exp(epsilon) * grid + delta + 1e-12).all()
    assert dp_auc(epsilon, delta) == pytest.approx(float(np.trapezoid(curve, grid)), abs=1e-5)
    assert dp_advantage(epsilon, delta) == pytest.approx(float((curve - grid).max()), abs=1e-5)


def test_randomized_response_meets_the_bound_exactly() -> None:
    epsilon = 1.3
    keep = np.exp(epsilon) / (1 + np.exp(epsilon))
    assert dp_roc(epsilon, 0.0, np.array([1 - keep]))[0] == pytest.approx(keep)
    assert dp_advantage(epsilon, 0.0) == pytest.approx(2 * keep - 1)


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
    bound = bound_of(card)
    assert (bound is None) == (expected is None)
    if bound is not None and expected is not None:
        assert bound.tprs == pytest.approx(dp_roc(*expected, np.array(FPRS)))
