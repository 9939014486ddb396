"""Rows drawn under conditions on single columns: what every model shares.

A model draws its columns in turn. Where a column is conditioned, its probabilities are multiplied by the likelihood of the
condition, and the row's weight by their sum: likelihood weighting (Fung and Chang 1990). Weighted rows are draws of the
conditional distribution, exactly in the limit, for a bounded amount of work. A model that cannot do so itself is weighed from
unconditional rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from synth.models.base import Fitted, Synthesizer
from synth.table import CodeArray, Domain

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is asked of one column.

    Attributes:
        likelihood: Chance that a cell of each code meets the condition, shape (size,); ``None`` for no condition.
        codes: Code that each row has to have, -1 where it is free, shape (rows,); ``None`` where all are.
    """

    likelihood: FloatArray | None = None
    codes: IntArray | None = None


FREE = Given()


@dataclass(frozen=True, slots=True)
class Weighted:
    """Rows that are draws from the conditional distribution when weighted.

    Attributes:
        codes: Shape (rows, columns).
        log_weights: Shape (rows,), up to a constant; minus infinity where a row does not count.
    """

    codes: CodeArray
    log_weights: FloatArray


@runtime_checkable
class Conditional(Protocol):
    """A synthesizer that draws under conditions itself."""

    def sample_where(
        self, fitted: Fitted, domain: Domain, given: Sequence[Given], n_rows: int, rng: np.random.Generator
    ) -> Weighted:
        """Draw ``n_rows`` weighted rows; ``given`` has one entry per column."""


def weighted_rows(
    model: Synthesizer, fitted: Fitted, domain: Domain, given: Sequence[Given], n_rows: int, rng: np.random.Generator
) -> Weighted:
    """Weighted rows of any model: by its own way, or else unconditional rows weighed by the conditions."""
    if isinstance(model, Conditional):
        return model.sample_where(fitted, domain, given, n_rows, rng)
    codes = model.sample(fitted, domain, n_rows, rng).codes
    scores = np.zeros(n_rows)
    for j, one in enumerate(given):
        scores += code_scores(codes[:, j], one)
    return Weighted(codes, scores)


def code_scores(codes: npt.NDArray[np.integer], given: Given) -> FloatArray:
    """Logarithm of how well codes agree with what is asked of their column, shape (rows,)."""
    scores = np.zeros(len(codes))
    with np.errstate(divide="ignore"):
        if given.likelihood is not None:
            scores += np.log(given.likelihood)[codes]
    if given.codes is not None:
        scores[(given.codes >= 0) & (given.codes != codes)] = -np.inf
    return scores


def grouped(given: Sequence[Given], maps: Sequence[npt.NDArray[np.integer]], shares: Sequence[FloatArray]) -> list[Given]:
    """Conditions on codes as conditions on groups of codes.

    Args:
        given: On codes.
        maps: Group of each code, per column.
        shares: Distribution of every column's codes, above 0.
    """
    out = []
    for one, group, share in zip(given, maps, shares, strict=True):
        likelihood, codes = one.likelihood, one.codes
        if likelihood is not None:
            likelihood = np.bincount(group, share * likelihood) / np.bincount(group, share)
        if codes is not None:
            codes = np.where(codes >= 0, group[codes], -1).astype(np.int64)
        out.append(Given(likelihood=likelihood, codes=codes))
    return out


def with_known(codes: CodeArray, given: Sequence[Given]) -> CodeArray:
    """Codes with those that rows have to have put in, shape (rows, columns)."""
    for j, one in enumerate(given):
        if one.codes is not None:
            codes[:, j] = np.where(one.codes >= 0, one.codes, codes[:, j])
    return codes


def effective_rows(log_weights: FloatArray) -> float:
    """How many unweighted rows weighted ones are worth (Kish); 0 where none counts."""
    top = log_weights.max(initial=-np.inf)
    if not np.isfinite(top):
        return 0.0
    weights = np.exp(log_weights - top)
    return float(weights.sum() ** 2 / np.square(weights).sum())


def resampled(log_weights: FloatArray, rows: int, start: float) -> IntArray:
    """Systematic resampling: positions, shape (rows,), each as often as its weight says, up to rounding.

    Args:
        log_weights: Shape (drawn rows,), at least one finite.
        rows: How many to take.
        start: In [0, 1).
    """
    weights = np.exp(log_weights - log_weights.max())
    rising = np.cumsum(weights)
    points = (np.arange(rows) + start) / rows * rising[-1]
    last = int(np.flatnonzero(weights)[-1])
    return np.asarray(np.minimum(np.searchsorted(rising, points, side="right"), last), dtype=np.int64)


def chosen_each(log_weights: FloatArray, uniforms: FloatArray) -> IntArray:
    """For each row of weights, shape (rows, candidates), one candidate by its weight; the first where none counts."""
    top = log_weights.max(1, keepdims=True)
    weights = np.exp(log_weights - np.where(np.isfinite(top), top, 0.0))
    rising = np.cumsum(weights, axis=1)
    below = (rising <= uniforms[:, None] * rising[:, -1:]).sum(1)
    last = log_weights.shape[1] - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)
    return np.asarray(np.minimum(below, last), dtype=np.int64)
