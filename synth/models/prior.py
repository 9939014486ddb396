"""Noisy one-way tables corrected by public rows, as far as the two populations turn out to be alike. Post-processing.

The share of a code differs between the two populations by a variance ``t p``, where ``t`` belongs to the column: 0 where
they are alike, 1 where public rows say nothing. How ``t`` is spread over columns is learnt from all columns together
(expectation maximisation over a grid) from how far public shares lie from noisy ones beyond the known noise and the
sampling of public rows; posterior means over it take the place of noisy counts. So a misleading table loses its weight.
(Power prior with an empirical-Bayes weight: Ibrahim and Chen 2000; Gravestock and Held 2017.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

DIFFERENCES = (0.0, *(1e-6 * 4.0**k for k in range(10)))  # t; beyond the last one, nothing is taken from public rows
ROUNDS = 50
SPREADS = 20  # of the difference to the number of rows, by variance


def informed(
    counts: Sequence[FloatArray], sd: Sequence[FloatArray], alone: Sequence[FloatArray], public: Sequence[FloatArray], rows: int
) -> list[tuple[FloatArray, FloatArray]]:
    """Distributions of all columns, and the standard deviations of their shares.

    Args:
        counts: Noisy counts, shape (k,) per column.
        sd: Their standard deviations.
        alone: Distribution of each column from private answers alone.
        public: Counts of public rows.
        rows: Private row count in force.
    """
    total = max(rows, 1)
    logs, fits = [], []
    for noisy, spread, own, known in zip(counts, sd, alone, public, strict=True):
        n, noise = known.sum(), (spread / total) ** 2
        share = noisy / total
        other = (known + 1 / len(known)) / (n + 1)
        scale = np.maximum((other + np.clip(share, 0, 1)) / 2, 1 / total)  # a code that only one of them has may differ as well
        between = [scale * (1 / n + t) for t in DIFFERENCES]
        logs.append([_log_likelihood(share - other, noise + b) for b in (*between, scale)])
        means = [other + (share - other) * b / (b + noise) for b in between]
        variances = [b * noise / (b + noise) for b in between]
        fits.append(([*(_whole(m, v) for m, v in zip(means, variances, strict=True)), own], [*variances, noise]))
    return [_mean(chances, *fit) for chances, fit in zip(posteriors(np.asarray(logs)), fits, strict=True)]


def posteriors(logs: FloatArray) -> FloatArray:
    """Chances of each option per case, shape (cases, options), under the prior that makes all cases likeliest together."""
    options = logs.shape[1]
    prior = np.full(options, 1 / options)
    for _ in range(ROUNDS):
        joint = logs + np.log(prior)
        chances = np.exp(joint - joint.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        prior = (chances.sum(0) + 1 / options) / (len(logs) + 1)
    return np.asarray(chances, dtype=np.float64)


def _log_likelihood(gaps: FloatArray, variances: FloatArray) -> float:
    return float(-0.5 * (np.log(variances) + gaps**2 / variances).sum())


def _whole(mean: FloatArray, variance: FloatArray) -> FloatArray:
    """A distribution: what is missing to 1 is spread by variance."""
    for _ in range(SPREADS):
        mean = np.maximum(mean + (1 - mean.sum()) * variance / variance.sum(), 0)
    return np.asarray(mean / mean.sum(), dtype=np.float64)


def _mean(chances: FloatArray, means: Sequence[FloatArray], variances: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Over the options, with the variance between them."""
    stacked = np.stack(means)
    mean = chances @ stacked
    return mean, np.sqrt(chances @ (np.stack(variances) + (stacked - mean) ** 2))
