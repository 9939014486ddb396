"""Prediction scores with bootstrap intervals over test rows, computed for all resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.intervals import Interval, bootstrap_interval, weighted_auc

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]

SURELY_NOT = 1e-6
RANGES = {
    "auc": (0.0, 1.0),
    "accuracy": (0.0, 1.0),
    "f1": (0.0, 1.0),
    "log_loss": (0.0, np.inf),
    "r2": (-np.inf, 1.0),
    "mae": (0.0, np.inf),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A prediction score: identifier, name for people, unit, direction and what it says."""

    name: str
    label: str
    unit: str
    higher: bool
    meaning: str


CLASS_METRICS = (
    Metric(name="auc", label="AUC", unit="AUC", higher=True, meaning="ranks the classes of fresh real rows"),
    Metric(name="accuracy", label="accuracy", unit="share of rows", higher=True, meaning="names the right class"),
    Metric(name="f1", label="F1 (macro)", unit="F1", higher=True, meaning="finds each class, rare ones counted alike"),
    Metric(name="log_loss", label="log loss", unit="nats", higher=False, meaning="is surprised by the right class"),
)
NUMBER_METRICS = (
    Metric(name="r2", label="R2", unit="R2", higher=True, meaning="explains the target's variance"),
    Metric(name="mae", label="mean absolute error", unit="units of the target", higher=False, meaning="misses the target"),
)


def class_resamples(truth: IntArray, shares: FloatArray, weights: Weights) -> dict[str, FloatArray]:
    """AUC (one class against the rest, averaged over classes that the test rows hold), accuracy, macro F1, log loss.

    Args:
        truth: Class numbers, shape (n,).
        shares: Predicted class probabilities, shape (n, k).
        weights: Bootstrap counts, shape (b, n).

    Returns:
        By metric name, shape (1 + b,): on all rows, then on every resample. Probabilities below ``SURELY_NOT`` count
        as that in the log loss.
    """
    every = np.concatenate([np.ones((1, len(truth)), dtype=np.float32), weights])
    present = [c for c in range(shares.shape[1]) if 0 < (truth == c).sum() < len(truth)]
    ranked = present[-1:] if shares.shape[1] == 2 else present
    areas = [weighted_auc(shares[:, c], truth == c, every) for c in ranked]
    guess = shares.argmax(axis=1)
    totals = every.sum(axis=1)
    surprise = -np.log(np.maximum(shares[np.arange(len(truth)), truth], SURELY_NOT))
    return {
        "auc": np.asarray(np.mean(areas, axis=0)) if areas else np.full(len(every), 0.5),
        "accuracy": np.asarray(every @ (guess == truth).astype(np.float32) / totals, dtype=np.float64),
        "f1": np.asarray(np.mean([_f1(truth == c, guess == c, every) for c in np.unique(truth)], axis=0)),
        "log_loss": np.asarray(every @ surprise / totals, dtype=np.float64),
    }


def _f1(is_class: npt.NDArray[np.bool_], guessed: npt.NDArray[np.bool_], weights: Weights) -> FloatArray:
    hits = weights @ (is_class & guessed).astype(np.float32)
    both = weights @ is_class.astype(np.float32) + weights @ guessed.astype(np.float32)
    return np.asarray(2 * hits / np.maximum(both, 1e-12), dtype=np.float64)


def number_resamples(truth: FloatArray, guess: FloatArray, weights: Weights) -> dict[str, FloatArray]:
    """R2 and mean absolute error.

    Args:
        truth: Target values, shape (n,).
        guess: Predictions, shape (n,).
        weights: Bootstrap counts, shape (b, n).

    Returns:
        By metric name, shape (1 + b,): on all rows, then on every resample. R2 of a target that is constant among the
        test rows is 0.
    """
    every = np.concatenate([np.ones((1, len(truth)), dtype=np.float32), weights]).astype(np.float64)
    totals = every.sum(axis=1)
    centred = truth - truth.mean()
    spread = every @ centred**2 - (every @ centred) ** 2 / totals
    scale = np.where(spread > 1e-12 * len(truth), spread, np.inf)
    r2 = np.where(np.isinf(scale), 0.0, 1.0 - every @ (truth - guess) ** 2 / scale)
    return {"r2": r2, "mae": every @ np.abs(truth - guess) / totals}


def intervals(resampled: dict[str, FloatArray]) -> dict[str, Interval]:
    """Values on all rows with 95 % bootstrap limits inside the metric's range, by metric name."""
    out = {}
    for name, row in resampled.items():
        found = bootstrap_interval(float(row[0]), row[1:])
        least, most = RANGES[name]
        out[name] = Interval(found.value, max(least, found.low), min(most, found.high))
    return out


def class_scores(truth: IntArray, shares: FloatArray, weights: Weights) -> dict[str, Interval]:
    """``class_resamples`` as intervals."""
    return intervals(class_resamples(truth, shares, weights))


def number_scores(truth: FloatArray, guess: FloatArray, weights: Weights) -> dict[str, Interval]:
    """``number_resamples`` as intervals."""
    return intervals(number_resamples(truth, guess, weights))
