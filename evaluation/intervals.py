"""Ranking scores and intervals shared by utility and attacks, written to be fast on many rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class Interval(NamedTuple):
    """An estimate with its confidence limits, in the unit of the estimate."""

    value: float
    low: float
    high: float


def auc_delong(positives: FloatArray, negatives: FloatArray, confidence: float = 0.95) -> Interval:
    """Area under the ROC curve with a DeLong interval; ties count half.

    Args:
        positives: Scores of the positive cases, shape (p,).
        negatives: Scores of the negative cases, shape (n,).
        confidence: Coverage of the interval.

    Returns:
        Estimate and limits, clipped to [0, 1].

    References:
        DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3); midrank form of Sun and Xu (2014).
    """
    p, n = len(positives), len(negatives)
    ranks = stats.rankdata(np.concatenate([positives, negatives]))
    above = (ranks[:p] - stats.rankdata(positives)) / n  # share of negatives below each positive
    below = 1.0 - (ranks[p:] - stats.rankdata(negatives)) / p  # share of positives above each negative
    value = float(above.mean())
    error = float(np.sqrt(above.var(ddof=1) / p + below.var(ddof=1) / n)) if min(p, n) > 1 else 0.5
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    return Interval(value, max(0.0, value - z * error), min(1.0, value + z * error))


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> Interval:
    """A share with its exact binomial interval.

    References:
        Clopper and Pearson (1934), Biometrika 26(4).
    """
    tail = (1.0 - confidence) / 2
    low = 0.0 if hits == 0 else float(stats.beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(stats.beta.ppf(1.0 - tail, hits + 1, trials - hits))
    return Interval(hits / trials, low, high)


def wilson(hits: float, trials: int, confidence: float = 0.95) -> Interval:
    """A share with its Wilson score interval.

    Args:
        hits: Successes, from 0 to ``trials``; a fraction stands for a mean share.
        trials: Independent trials, at least 1.
        confidence: Coverage of the interval.

    References:
        Wilson (1927), Journal of the American Statistical Association 22(158).
    """
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    share = hits / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * float(np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)))
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def roc_points(positives: FloatArray, negatives: FloatArray) -> tuple[FloatArray, FloatArray]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1), each of shape (k,)."""
    cuts = np.unique(np.concatenate([positives, negatives]))[::-1]
    tpr = 1.0 - np.searchsorted(np.sort(positives), cuts, side="left") / len(positives)
    fpr = 1.0 - np.searchsorted(np.sort(negatives), cuts, side="left") / len(negatives)
    return np.concatenate([[0.0], fpr]), np.concatenate([[0.0], tpr])


def hits_at_fpr(positives: FloatArray, negatives: FloatArray, fpr: float) -> int:
    """Positives above the lowest threshold that lets at most a share ``fpr`` of the negatives through."""
    allowed = int(np.floor(fpr * len(negatives) + 1e-9))
    threshold = np.sort(negatives)[::-1][min(allowed, len(negatives) - 1)]
    return int((positives > threshold).sum())


def resample_counts(n_rows: int, n_resamples: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """How often each row is drawn in each bootstrap resample, shape (n_resamples, n_rows)."""
    out = np.empty((n_resamples, n_rows), dtype=np.float32)
    for k in range(n_resamples):
        out[k] = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows)
    return out


def weighted_auc(scores: FloatArray, positive: BoolArray, weights: npt.NDArray[np.float32]) -> FloatArray:
    """Area under the ROC curve for many row weightings at once; ties count half.

    Args:
        scores: Shape (n,).
        positive: Which rows are positive, shape (n,).
        weights: Shape (b, n).

    Returns:
        Shape (b,); 0.5 where a weighting holds one class only.
    """
    order = np.argsort(scores, kind="stable")
    ends = np.flatnonzero(np.concatenate([np.diff(scores[order]) > 0, [True]]))
    sorted_weights = weights[:, order].astype(np.float64)
    flags = positive[order]
    ups = np.diff(np.cumsum(sorted_weights * flags, axis=1)[:, ends], axis=1, prepend=0.0)
    passed = np.cumsum(sorted_weights * ~flags, axis=1)[:, ends]
    downs = np.diff(passed, axis=1, prepend=0.0)
    below = passed - 0.5 * downs
    pairs = ups.sum(axis=1) * downs.sum(axis=1)
    area = (ups * below).sum(axis=1)
    return np.where(pairs > 0, area / np.where(pairs > 0, pairs, 1.0), 0.5)


def percentile_interval(value: float, resampled: FloatArray, confidence: float = 0.95) -> Interval:
    """Percentile bootstrap limits around ``value``; resamples without a result (NaN) are left out."""
    tail = (1.0 - confidence) / 2
    low, high = np.nanquantile(resampled, [tail, 1.0 - tail])
    return Interval(value, min(float(low), value), max(float(high), value))


def newcombe(
    hits: int, trials: int, other_hits: int, other_trials: int, confidence: float = 0.95, *, scale: float = 1.0
) -> Interval:
    """The difference of two independent shares, from their Wilson intervals.

    Args:
        hits: Successes of the first sort.
        trials: Trials of the first sort, at least 1.
        other_hits: Successes of the second sort.
        other_trials: Trials of the second sort, at least 1.
        confidence: Coverage of the interval.
        scale: Multiplies the second share, which stays at most 1.

    References:
        Newcombe (1998), Statistics in Medicine 17(8), method 10.
    """
    one = wilson(hits, trials, confidence)
    two = Interval(*(min(1.0, scale * end) for end in wilson(other_hits, other_trials, confidence)))
    gap = one.value - two.value
    down = float(np.hypot(one.value - one.low, two.high - two.value))
    up = float(np.hypot(one.high - one.value, two.value - two.low))
    return Interval(gap, max(-1.0, gap - down), min(1.0, gap + up))


def mean_interval(values: FloatArray, confidence: float = 0.95) -> Interval:
    """The mean of independent values in [0, 1] with its normal interval, clipped to [0, 1]."""
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    value = float(values.mean())
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.5
    return Interval(value, max(0.0, value - z * error), min(1.0, value + z * error))


def tpr_at_fpr(positives: FloatArray, negatives: FloatArray, fpr: float, confidence: float = 0.95) -> Interval:
    """True positive rate at a false positive rate, with the uncertainty of the threshold in its interval.

    The threshold comes from finitely many negatives, so its own false positive rate is uncertain: that of the k-th
    largest of n is at most that of a Beta(k, n - k + 1) variable. The limits take a threshold that is surely strict
    enough (low) or surely loose enough (high), and Clopper-Pearson limits of the positives above it; each of the four
    tails gets a quarter of the error. With too few negatives to be sure, the low limit is 0.

    Args:
        positives: Scores of the positive cases, shape (p,).
        negatives: Scores of the negative cases, shape (n,).
        fpr: False positive rate, in (0, 1).
        confidence: Coverage of the interval, at least.
    """
    tail = (1.0 - confidence) / 4
    p, n = len(positives), len(negatives)
    falling = np.sort(negatives)[::-1]
    chance = stats.beta.cdf(fpr, np.arange(1, n + 1), n - np.arange(n))  # that threshold k is strict enough
    strict, loose = np.flatnonzero(chance >= 1.0 - tail), np.flatnonzero(chance <= tail)
    value = hits_at_fpr(positives, negatives, fpr) / p
    low, high = 0.0, 1.0
    if strict.size:
        hits = int((positives > falling[strict[-1]]).sum())
        low = float(stats.beta.ppf(tail, hits, p - hits + 1)) if hits else 0.0
    if loose.size:
        hits = int((positives >= falling[loose[0]]).sum())
        high = float(stats.beta.ppf(1.0 - tail, hits + 1, p - hits)) if hits < p else 1.0
    return Interval(value, min(low, value), max(high, value))


def bootstrap_interval(value: float, resampled: FloatArray, confidence: float = 0.95) -> Interval:
    """The wider of the percentile and the normal bootstrap limits: either alone is a little narrow with few rows.

    Args:
        value: Estimate on all rows.
        resampled: Estimates on resamples, shape (b,); NaN where a resample has none.
        confidence: Coverage of the interval.

    References:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 12 and 13.
    """
    inner = percentile_interval(value, resampled, confidence)
    half = float(stats.norm.ppf(0.5 + confidence / 2)) * float(np.nanstd(resampled))
    return Interval(value, min(inner.low, value - half), max(inner.high, value + half))
