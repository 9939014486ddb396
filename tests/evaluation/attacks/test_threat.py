from __future__ import annotations

import numpy as np
import pytest

from evaluation.attacks.bounds import FPRS, bound_of
from evaluation.attacks.threat import Outcome, Threat, cross_advantage, guessed, outcome_table, ranked, threat_table

THREAT = Threat(name="a", label="An attack", model="Knows.", targets="t", control="c", baseline="b", source="s")


def normal_scores(shift: float, n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, n), rng.normal(0, 1, n)


def test_a_known_shift_gives_the_known_curve() -> None:
    """Two normals one standard deviation apart: AUC is Phi(1 / sqrt 2), the best advantage 2 Phi(1/2) - 1."""
    one = ranked(THREAT, *normal_scores(1.0), None, 0.999999)
    assert one.auc is not None
    assert one.auc.low < 0.7602 < one.auc.high
    assert one.advantage.low < 0.3829 < one.advantage.high
    assert one.tprs[2].low < 0.3891 < one.tprs[2].high
    assert one.caught
    assert not one.broken
    assert (np.diff(one.curve, axis=0) >= 0).all()


def test_an_advantage_is_not_found_in_noise() -> None:
    """The best threshold on the same people would find about 0.03 here, every time; the mean of 40 is near 0."""
    found = [cross_advantage(*normal_scores(0.0, 1000, seed)).value for seed in range(40)]
    assert abs(float(np.mean(found))) < 5 * 0.0316 / np.sqrt(40)
    assert cross_advantage(np.zeros(10), np.zeros(10)).value == 0.0


def test_what_a_claim_forbids_is_called_broken() -> None:
    tight, loose = (bound_of({"epsilon": e, "delta": 0.0}) for e in (0.1, 10.0))
    assert ranked(THREAT, *normal_scores(1.0), tight).broken
    assert not ranked(THREAT, *normal_scores(1.0), loose).broken
    few = np.zeros(5000), np.zeros(5000)
    few[0][:50] = 1.0
    rare = ranked(THREAT, *few, tight)
    assert rare.broken
    assert rare.caught
    assert rare.advantage.low < tight.advantage  # type: ignore[union-attr]


@pytest.mark.parametrize("whole", [True, False])
def test_guesses_are_compared_with_the_control(whole: bool) -> None:
    rng = np.random.default_rng(1)
    members, others = (rng.random((2000, 1 if whole else 4)) < p for p in (0.6, 0.5))
    one = guessed(THREAT, members.mean(axis=1), others.mean(axis=1), 0.5, None, 0.999999)
    assert one.advantage.low < 0.1 < one.advantage.high
    assert one.rate is not None
    assert one.rate.low < 0.6 < one.rate.high
    assert one.advantage.high - one.advantage.low < 0.2
    assert one.auc is None


def test_tables_hold_a_row_per_attack() -> None:
    bound = bound_of({"epsilon": 1.0, "delta": 0.0})
    both: list[Outcome] = [
        ranked(THREAT, *normal_scores(1.0), bound),
        guessed(THREAT, np.ones(10), np.zeros(10), 0.25, None),
    ]
    table = outcome_table(both)
    assert len(table) == 2
    assert table["Without the release"].tolist() == [0.5, 0.25]
    assert table[[f"TPR at {fpr:.1%} FPR" for fpr in FPRS]].notna().sum(axis=1).tolist() == [3, 0]
    assert threat_table([THREAT])["Threat model"].tolist() == ["Knows."]
