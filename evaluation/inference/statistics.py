"""Statistics that are asked of synthetic tables: means, proportions, coefficients of linear and logistic regression.

A question is a frozen value with ``names`` (what it estimates) and ``ask`` (a table to an array of estimates). Levels and
cells are fixed beforehand by the release's schema, so that the same question means the same on every table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.category import CategoryCodec
from synth.errors import InputError
from synth.release import Release
from synth.schema import Kind

FloatArray = npt.NDArray[np.float64]

NEWTON_STEPS = 50
RIDGE = 1e-6  # keeps a level that no row has, or a perfect separation, from having no answer
MAX_LEVELS = 50


class Question(Protocol):
    """What a table is asked."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each estimate."""

    @property
    def relation(self) -> bool:
        """Whether it is about several columns at once."""

    def ask(self, table: pd.DataFrame) -> FloatArray:
        """Estimates on one table, shape (len(names),); NaN where the table has no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """Mean of a column of numbers, over the rows that have one."""

    column: str
    relation: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the one estimate."""
        return (f"mean of {self.column}",)

    def ask(self, table: pd.DataFrame) -> FloatArray:
        """The mean, shape (1,)."""
        return np.array([_numbers(table[self.column]).mean()]) if table[self.column].notna().any() else np.array([np.nan])


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """Share of rows with a value, among all rows."""

    column: str
    value: str
    relation: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the one estimate."""
        return (f"share of {self.column}={self.value}",)

    def ask(self, table: pd.DataFrame) -> FloatArray:
        """The share, shape (1,)."""
        if not len(table):
            return np.array([np.nan])
        return np.array([float((table[self.column].map(str, na_action="ignore") == self.value).mean())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Least squares on a number, or logistic regression on one of two values, over rows without gaps.

    Attributes:
        target: Column that is explained.
        positive: Value whose log odds are explained; ``None`` where the target is a number.
        numbers: Explaining columns of numbers, as they are.
        levels: Explaining categories: the levels beside the first, each with a coefficient of its own.
    """

    target: str
    positive: str | None
    numbers: tuple[str, ...]
    levels: tuple[tuple[str, tuple[str, ...]], ...]
    relation: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The intercept, the numbers, the levels."""
        return ("intercept", *self.numbers, *(f"{name}={level}" for name, levels in self.levels for level in levels))

    def ask(self, table: pd.DataFrame) -> FloatArray:
        """The coefficients, shape (len(names),)."""
        used = [self.target, *self.numbers, *(name for name, _ in self.levels)]
        rows = table[used].dropna()
        if len(rows) <= len(self.names):
            return np.full(len(self.names), np.nan)
        parts = [np.ones(len(rows)), *(_numbers(rows[name]) for name in self.numbers)]
        for name, levels in self.levels:
            texts = rows[name].map(str)
            parts += [np.asarray(texts == level, dtype=np.float64) for level in levels]
        design = np.column_stack(parts)
        if self.positive is None:
            return least_squares(design, _numbers(rows[self.target]))
        return logistic(design, np.asarray(rows[self.target].map(str) == self.positive, dtype=np.float64))


def least_squares(design: FloatArray, values: FloatArray) -> FloatArray:
    """Ordinary least squares, shape (k,); the shortest answer where columns repeat each other.

    Args:
        design: Shape (n, k).
        values: Shape (n,).
    """
    return np.asarray(np.linalg.lstsq(design, values, rcond=None)[0], dtype=np.float64)


def logistic(design: FloatArray, hits: FloatArray) -> FloatArray:
    """Maximum likelihood of a logistic regression by Newton's steps on scaled columns, shape (k,).

    Args:
        design: Shape (n, k); the first column is constant.
        hits: 0 or 1, shape (n,).
    """
    shift, scale = design.mean(axis=0), design.std(axis=0)
    shift[0], scale[scale == 0] = 0.0, 1.0
    scaled = (design - shift) / scale
    beta = np.zeros(design.shape[1])
    penalty = RIDGE * len(hits) * np.eye(len(beta))
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(scaled @ beta, -30, 30)))
        gradient = scaled.T @ (hits - chance) - penalty @ beta
        step = np.linalg.solve((scaled * (chance * (1 - chance))[:, None]).T @ scaled + penalty, gradient)
        beta = beta + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-9:
            break
    beta = beta / scale
    beta[0] -= float(beta[1:] @ shift[1:])
    return np.asarray(beta, dtype=np.float64)


def _numbers(series: pd.Series) -> FloatArray:
    """Numbers of a typed column; booleans count as 0 and 1."""
    known = series.dropna()
    return np.asarray(known.to_numpy(dtype=np.float64), dtype=np.float64)


def mean_of(release: Release, column: str) -> Mean:
    """A checked question.

    Raises:
        InputError: No such column, or one without numbers.
    """
    _codec_of(release, column)
    if not _is_number(release, column):
        raise InputError(f"column {column!r} has no mean; ask for the proportion of one of its values, as {column}=VALUE")
    return Mean(column=column)


def proportion_of(release: Release, column: str, value: str) -> Proportion:
    """A checked question.

    Raises:
        InputError: No such column or value.
    """
    codec = _codec_of(release, column)
    if not isinstance(codec, CategoryCodec):
        raise InputError(f"column {column!r} holds numbers; ask for its mean")
    if value not in codec.categories:
        raise InputError(f"column {column!r} of the release has no value {value!r}; it has {_few(codec.categories)}")
    return Proportion(column=column, value=value)


def coefficients_of(release: Release, formula: str) -> Coefficients:
    """A checked question from a formula such as ``income ~ age + sex``; no interactions and no functions.

    Numbers enter as they are, categories and booleans with one coefficient per level beside the first of the schema. A
    target with two values gives a logistic regression for the second of them.

    Raises:
        InputError: The formula cannot be read, or names a column that cannot be used.
    """
    left, mark, right = formula.partition("~")
    target, terms = left.strip(), [part.strip() for part in right.split("+")]
    if not mark or not target or not all(terms):
        raise InputError(f"{formula!r} is no formula; write it as: target ~ column + column")
    for name in (target, *terms):
        _codec_of(release, name)
    if target in terms or len(set(terms)) < len(terms):
        raise InputError(f"the formula {formula!r} names a column twice")
    positive = None
    if not _is_number(release, target):
        codec = _codec_of(release, target)
        if not isinstance(codec, CategoryCodec) or len(codec.categories) != 2:
            raise InputError(f"the target {target!r} must hold numbers or exactly two values")
        positive = codec.categories[1]
    levels = []
    for name in terms:
        codec = _codec_of(release, name)
        if isinstance(codec, CategoryCodec):
            if not 2 <= len(codec.categories) <= MAX_LEVELS:
                raise InputError(f"column {name!r} has fewer than 2 or more than {MAX_LEVELS} values; leave it out")
            levels.append((name, codec.categories[1:]))
        elif not _is_number(release, name):
            raise InputError(f"column {name!r} holds dates, which a regression cannot use as they are; leave it out")
    numbers = tuple(name for name in terms if _is_number(release, name))
    return Coefficients(target=target, positive=positive, numbers=numbers, levels=tuple(levels))


def _codec_of(release: Release, column: str) -> object:
    if column not in release.schema.names:
        raise InputError(f"the release has no column {column!r}; it has {_few(release.schema.names)}")
    found = {codec.column.name: codec for codec in release.codec.columns}.get(column)
    if found is None:
        raise InputError(f"column {column!r} is not learnt but made anew, so it says nothing to estimate from")
    return found


def _is_number(release: Release, column: str) -> bool:
    kind = release.schema[column].kind
    return kind is not None and kind.is_numeric and kind is not Kind.DATETIME


def _few(names: tuple[str, ...], most: int = 12) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
