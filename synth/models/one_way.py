"""One-way tables: measured, combined with what preparing the codes paid for, made into distributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synth.models.base import Fitted
from synth.models.given import Given, Weighted, with_known
from synth.models.prior import informed
from synth.privacy.shares import Measurement
from synth.privacy.vault import PrivateTable
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]

SMALL = 8.0  # standard deviations of its noise, below which a code is small
SIZES = np.arange(0.0, 1.5 * SMALL + 0.1, 0.25)  # that a small code may have, in standard deviations
LEAST_SMALL = 20  # small codes from which their distribution can be learnt
ROUNDS = 100
SPREADS = 20  # of the difference to the number of rows, by variance


def measure_one_way(data: PrivateTable, *, share: float | None, laplace: bool = False) -> list[FloatArray]:
    """Noisy distribution of every column.

    Args:
        data: Private codes.
        share: Of the squared Gaussian budget, over all columns; ``None`` for all that is left.
        laplace: Whether the noise is Laplace noise on whole numbers; then ``share`` is ``None``.

    Returns:
        One array per column, not negative, summing to 1.
    """
    return [shares for shares, _ in measure_with_error(data, share=share, laplace=laplace)]


def measure_with_error(
    data: PrivateTable, *, share: float | None, laplace: bool = False
) -> list[tuple[FloatArray, FloatArray]]:
    """The same, each with the standard deviations of its shares as far as fresh answers (and public rows) go."""
    subsets = [(name,) for name in data.domain.names]
    if laplace:
        fresh = data.noisy_laplace_tables(subsets)
    else:
        fresh = data.noisy_marginals_with_rest(subsets) if share is None else data.noisy_marginals(subsets, share=share)
    known = {m.names: m for m in data.measured}
    answers = [[m, *([known[m.names]] if m.names in known else [])] for m in fresh]
    counts, sd, rows = [combine(mine) for mine in answers], [noise(mine) for mine in answers], data.rows.estimate
    alone = [settled(*one, rows) for one in zip(counts, sd, strict=True)]
    if data.public is None:
        return [(p, np.broadcast_to(m.sigma / rows, p.shape)) for p, m in zip(alone, fresh, strict=True)]
    public = [data.public.counts((j,)).astype(np.float64) for j in range(len(subsets))]
    return informed(counts, sd, alone, public, rows)


def combine(measurements: Sequence[Measurement]) -> FloatArray:
    """Inverse-variance mean of independent measurements of one table; infinite sigma counts for nothing."""
    precision = [1 / np.broadcast_to(m.sigma, m.counts.shape) ** 2 for m in measurements]
    weighted = sum(p * m.counts for p, m in zip(precision, measurements, strict=True))
    return np.asarray(weighted / sum(precision), dtype=np.float64)


def noise(measurements: Sequence[Measurement]) -> FloatArray:
    """Standard deviation of what ``combine`` gives, shape as the counts."""
    precision = [1 / np.broadcast_to(m.sigma, m.counts.shape) ** 2 for m in measurements]
    return np.asarray(sum(precision) ** -0.5, dtype=np.float64)


def settled(counts: FloatArray, sd: FloatArray, rows: int) -> FloatArray:
    """Noisy counts as a distribution: posterior means where many codes are small, else the nearest distribution.

    How rows are spread over the small codes of a column is learnt from the column itself: a distribution over ``SIZES`` by
    expectation maximisation, under which posterior means replace noisy counts. Many rare codes, or many equally common ones,
    come out much better than one by one. (Robbins 1956; Efron 2014.) Post-processing.

    Args:
        counts: Noisy counts, shape (k,).
        sd: Their standard deviations, shape (k,).
        rows: Row count in force.
    """
    seen = counts / sd
    small = seen < SMALL
    if small.sum() < LEAST_SMALL:
        return project(counts, rows)
    likely = np.exp(-0.5 * (np.maximum(seen[small], -SMALL)[:, None] - SIZES) ** 2)
    prior = np.full(len(SIZES), 1 / len(SIZES))
    for _ in range(ROUNDS):
        chances = likely * prior
        chances /= chances.sum(1, keepdims=True)
        prior = (chances.sum(0) + 1 / len(SIZES)) / (small.sum() + 1)
    mean, variance, total = counts.copy(), sd**2, max(rows, 1)
    centre = chances @ SIZES
    mean[small] = centre * sd[small]
    variance[small] *= chances @ SIZES**2 - centre**2
    for _ in range(SPREADS):
        mean = np.maximum(mean + (total - mean.sum()) * variance / variance.sum(), 0)
    return np.asarray(mean / mean.sum(), dtype=np.float64)


def project(counts: FloatArray, rows: int) -> FloatArray:
    """Nearest distribution to noisy counts, in the Euclidean sense (projection onto the simplex).

    Args:
        counts: Noisy counts, shape (k,).
        rows: Row count in force.

    References:
        Wang and Carreira-Perpinan (2013), arXiv:1309.1541; known as norm-sub for private histograms.
    """
    shares = counts / max(rows, 1)
    falling = np.sort(shares)[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, len(shares) + 1)
    last = int(np.flatnonzero(falling - excess > 0)[-1])
    out = np.maximum(shares - excess[last], 0.0)
    return np.asarray(out / out.sum(), dtype=np.float64)


def log_shares(one_way: Sequence[FloatArray], rows: int) -> FloatArray:
    """Logarithms of all columns' distributions, end to end, with an empty code worth a tenth of a row."""
    floor = 0.1 / max(rows, 10)
    return np.concatenate([np.log(np.maximum(p, floor)) for p in one_way])


def pack(one_way: Sequence[FloatArray]) -> npt.NDArray[np.float32]:
    """All columns' distributions end to end, shape (width,)."""
    return np.concatenate(one_way).astype(np.float32)


def unpack(flat: npt.NDArray[np.float32], domain: Domain) -> list[FloatArray]:
    """The inverse of ``pack``."""
    return [flat[o : o + k].astype(np.float64) for o, k in zip(domain.offsets, domain.sizes, strict=True)]


def independent_where(
    fitted: Fitted, domain: Domain, given: Sequence[Given], n_rows: int, rng: np.random.Generator
) -> Weighted:
    """Rows of independent columns under conditions, which all weigh the same."""
    codes = np.empty((n_rows, len(domain.sizes)), dtype=np.int32)
    for j, shares in enumerate(unpack(fitted.tensors["one_way"], domain)):
        likelihood = given[j].likelihood
        likely = shares if likelihood is None else shares * likelihood
        if likely.sum() <= 0:
            return Weighted(np.zeros_like(codes), np.full(n_rows, -np.inf))
        codes[:, j] = rng.choice(len(shares), size=n_rows, p=likely / likely.sum())
    return Weighted(with_known(codes, given), np.zeros(n_rows))
