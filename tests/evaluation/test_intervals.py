from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from evaluation import intervals


def scores(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(0.5, 1, n_rows), 1), np.round(rng.normal(0, 1, n_rows + 30), 1)


def test_delong_value_is_the_auc_with_ties() -> None:
    up, down = scores(200, 0)
    slow = np.mean((up[:, None] > down[None, :]) + 0.5 * (up[:, None] == down[None, :]))
    assert intervals.auc_delong(up, down).value == pytest.approx(slow)


@pytest.mark.statistical
def test_delong_covers_the_truth() -> None:
    # truth known; 300 trials at 95 %: fewer than 270 covered has probability below 1e-4
    truth = stats.norm.cdf(0.5 / np.sqrt(2))
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        found = intervals.auc_delong(rng.normal(0.5, 1, 80), rng.normal(0, 1, 90))
        covered += found.low <= truth <= found.high
    assert covered >= 270


def test_clopper_pearson_matches_the_binomial_tails() -> None:
    found = intervals.clopper_pearson(7, 50)
    assert stats.binom.sf(6, 50, found.low) == pytest.approx(0.025)
    assert stats.binom.cdf(7, 50, found.high) == pytest.approx(0.025)
    assert intervals.clopper_pearson(0, 10).low == 0.0
    assert intervals.clopper_pearson(10, 10).high == 1.0


def test_weighted_auc_matches_scikit_learn() -> None:
    up, down = scores(60, 2)
    values = np.concatenate([up, down])
    flags = np.arange(len(values)) < len(up)
    weights = intervals.resample_counts(len(values), 5, np.random.default_rng(3))
    found = intervals.weighted_auc(values, flags, weights)
    for row, value in zip(weights, found, strict=True):
        assert value == pytest.approx(roc_auc_score(flags, values, sample_weight=row))
    assert intervals.weighted_auc(values, np.zeros(len(values), dtype=bool), weights).tolist() == [0.5] * 5


def test_hits_never_allow_more_false_alarms_than_asked() -> None:
    up, down = scores(500, 4)
    for fpr in (0.0, 0.01, 0.1, 1.0):
        slow = max((up > t).sum() for t in down if (down > t).mean() <= fpr)
        assert intervals.hits_at_fpr(up, down, fpr) == slow


def test_roc_runs_from_corner_to_corner() -> None:
    fpr, tpr = intervals.roc_points(*scores(50, 5))
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(tpr) >= 0).all()


def test_percentile_interval_holds_the_value() -> None:
    found = intervals.percentile_interval(0.9, np.array([0.1, 0.2, np.nan]))
    assert found.low <= 0.9 == found.high


@pytest.mark.statistical
def test_newcombe_covers_a_difference() -> None:
    """2000 draws of a 95 % interval: coverage below 0.925 or above 0.975 has a chance below 1e-6."""
    rng = np.random.default_rng(5)
    one, two = rng.binomial(200, 0.3, 2000), rng.binomial(300, 0.1, 2000)
    ends = [intervals.newcombe(int(a), 200, int(b), 300) for a, b in zip(one, two, strict=True)]
    assert 0.925 < np.mean([e.low <= 0.2 <= e.high for e in ends]) < 0.975


def test_newcombe_scales_the_second_share() -> None:
    plain, scaled = intervals.newcombe(50, 100, 10, 100), intervals.newcombe(50, 100, 10, 100, scale=4.0)
    assert plain.value == pytest.approx(0.4)
    assert scaled.value == pytest.approx(0.1)
    assert scaled.high - scaled.low > plain.high - plain.low
    assert intervals.newcombe(0, 10, 10, 10, scale=9.0).value == -1.0


@pytest.mark.statistical
def test_mean_interval_covers() -> None:
    rng = np.random.default_rng(6)
    ends = [intervals.mean_interval(rng.beta(2, 3, 300)) for _ in range(2000)]
    assert 0.925 < np.mean([e.low <= 0.4 <= e.high for e in ends]) < 0.975
    assert intervals.mean_interval(np.array([0.3])).low == 0.0


@pytest.mark.statistical
@pytest.mark.parametrize(("fpr", "n"), [(0.1, 300), (0.01, 1500), (0.001, 6000)])
def test_a_rate_at_a_false_alarm_rate_is_covered(fpr: float, n: int) -> None:
    """Two normals, 400 draws, limits at 95 % or more: fewer than 360 covers have a chance below 1e-5."""
    rng = np.random.default_rng(8)
    truth = stats.norm.sf(stats.norm.isf(fpr) - 1.0)
    found = [intervals.tpr_at_fpr(rng.normal(1, 1, 500), rng.normal(0, 1, n), fpr) for _ in range(400)]
    assert sum(one.low <= truth <= one.high for one in found) >= 360
    assert np.mean([one.low for one in found]) > 0.03 * truth  # and they say something


def test_too_few_negatives_certify_nothing() -> None:
    one = intervals.tpr_at_fpr(np.ones(100), np.zeros(500), 0.001)
    assert (one.value, one.low, one.high) == (1.0, 0.0, 1.0)
    assert intervals.tpr_at_fpr(np.ones(100), np.zeros(6000), 0.001).low > 0.9


def test_wilson_solves_its_equation() -> None:
    """At its limits the share lies z standard errors from the hypothesis."""
    found = intervals.wilson(7, 40)
    for limit in (found.low, found.high):
        assert abs(found.value - limit) == pytest.approx(1.959964 * np.sqrt(limit * (1 - limit) / 40), rel=1e-5)
    assert intervals.wilson(0, 40).low == 0.0
    assert intervals.wilson(40, 40).high == 1.0


def test_bootstrap_interval_is_the_wider_of_two() -> None:
    skewed = np.concatenate([np.zeros(95), np.full(5, 10.0)])
    found = intervals.bootstrap_interval(0.5, skewed)
    assert found.low == pytest.approx(0.5 - 1.959964 * skewed.std(), rel=1e-5)
    assert found.high == 10.0
    assert intervals.bootstrap_interval(0.9, np.array([0.9, 0.9])) == (0.9, 0.9, 0.9)
