from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evaluation.sweep.curve import curve_of, knee_of, leading


def record(epsilon: float | None, value: float, seed: int = 0, name: str = "tstr_auc", reach: float = 0.001) -> dict[str, Any]:
    facts = {"value": value, "low": value - reach, "high": value + reach, "ceiling": 0.9, "floor": 0.5}
    return {"epsilon": epsilon, "seed": seed, "scores": {name: facts}}


def curve(values: dict[float, float], reach: float = 0.001) -> Any:
    return curve_of([record(e, v, reach=reach) for e, v in values.items()], "tstr_auc")


def test_the_knee_is_where_the_curve_bends() -> None:
    knee = knee_of(curve({0.1: 0.5, 0.3: 0.6, 1.0: 0.88, 3.0: 0.885, 10.0: 0.89}))
    assert knee.epsilon == 1.0
    assert "95% of the way" in knee.sentence


@pytest.mark.parametrize(
    ("values", "reach", "words"),
    [
        ({0.1: 0.7, 1.0: 0.702, 10.0: 0.701}, 0.01, "smallest epsilon is as good"),
        ({0.1: 0.5, 1.0: 0.6, 10.0: 0.7}, 0.001, "rises evenly"),
        ({1.0: 0.5, 10.0: 0.7}, 0.001, "three epsilons"),
    ],
)
def test_no_knee_is_made_up(values: dict[float, float], reach: float, words: str) -> None:
    knee = knee_of(curve(values, reach))
    assert knee.epsilon is None
    assert words in knee.sentence


def test_seeds_are_averaged_and_the_baseline_stands_apart() -> None:
    records = [record(None, 0.91), record(1.0, 0.7), record(1.0, 0.8, seed=1), record(2.0, 0.8)]
    found = curve_of(records, "tstr_auc")
    assert found is not None
    assert found.values.tolist() == pytest.approx([0.75, 0.8])
    assert found.reach[0] == pytest.approx(12.706 * np.std([0.7, 0.8], ddof=1) / np.sqrt(2), rel=1e-3)
    assert found.reach[1] == pytest.approx(0.001)
    assert found.baseline == 0.91
    assert curve_of(records, "nothing") is None


def test_utility_leads_where_something_is_predicted() -> None:
    assert leading([record(1.0, 0.7)]) == "tstr_auc"
    assert leading([record(1.0, 0.7, name="tv_2way")]) == "tv_2way"
