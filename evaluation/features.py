"""Tables as numbers: features for boosted trees, and points for nearest neighbours."""

from __future__ import annotations

import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from synth.schema import Schema

FloatArray = npt.NDArray[np.float64]
PointArray = npt.NDArray[np.float32]

MAX_CODES = 254  # boosted trees hold 255 bins per categorical feature, missing apart
MAX_POINT_DIMS = 1024
MAX_POINT_CATEGORIES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFeatures:
    """How to turn conformed rows into features of ``HistGradientBoosting*``.

    Attributes:
        names: Columns used, in order.
        codes: Known categories to codes per non-numeric column, most frequent first, at most ``MAX_CODES``.
    """

    names: tuple[str, ...]
    codes: dict[str, dict[str, int]]

    @classmethod
    def learn(cls, training: pd.DataFrame, schema: Schema, without: str | None = None) -> TreeFeatures:
        """Learn the categories from the training rows alone.

        Args:
            training: Conformed rows, shape (n, d).
            schema: Public facts.
            without: Column to leave out, such as the target.
        """
        names = tuple(name for name in schema.names if name != without)
        codes = {}
        for name in names:
            kind = schema[name].kind
            if kind is None or not kind.is_numeric:
                frequent = training[name].value_counts().index[:MAX_CODES]
                codes[name] = {str(value): i for i, value in enumerate(frequent)}
        return cls(names=names, codes=codes)

    @property
    def categorical(self) -> list[bool]:
        """Which features are categories, length of ``names``."""
        return [name in self.codes for name in self.names]

    def matrix(self, frame: pd.DataFrame) -> FloatArray:
        """Features of conformed rows, shape (n, len(names)); NaN where missing, unseen or too rare."""
        out = np.full((len(frame), len(self.names)), np.nan)
        for j, name in enumerate(self.names):
            series = frame[name].map(self.codes[name]) if name in self.codes else frame[name]
            out[:, j] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return out


def one_thread() -> AbstractContextManager[Any]:
    """Run boosted trees on one thread: on a busy machine, waiting for OpenMP threads costs 20 times what they save."""
    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="openmp")
    return limits


def fit_trees(trees: Any, matrix: FloatArray, labels: npt.NDArray[Any]) -> Any:
    """Fit boosted trees in place; a feature without any value, which they refuse, counts as constant.

    Args:
        trees: An unfitted estimator.
        matrix: Shape (n, k); changed nowhere.
        labels: Shape (n,).
    """
    return trees.fit(np.where(np.isnan(matrix).all(axis=0), 0.0, matrix), labels)


def tree_classifier(features: TreeFeatures, seed: int, max_iter: int = 100) -> HistGradientBoostingClassifier:
    """The boosted trees that detection and the attack share (scikit-learn's defaults, no early stopping).

    Args:
        features: What the trees will see.
        seed: Seed of the binning subsample.
        max_iter: Boosting rounds.
    """
    return HistGradientBoostingClassifier(
        max_iter=max_iter, categorical_features=features.categorical, early_stopping=False, random_state=seed
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """How to place conformed rows in a space where distance mixes numbers and categories.

    A number becomes its rank among the reference rows (0 to 1), with the raw value breaking ties; a category becomes
    one-hot over the frequent categories, rare ones share hashed places, so that two different categories are 1 apart.

    Attributes:
        ranks: Sorted reference values per numeric column.
        places: Place of each frequent category per other column.
        hashed: Places that the rare and new categories of a column share.
    """

    ranks: dict[str, FloatArray]
    places: dict[str, dict[str, int]]
    hashed: dict[str, int]

    @classmethod
    def learn(cls, reference: pd.DataFrame, schema: Schema) -> Points:
        """Learn ranks and frequent categories from rows the attacker holds, shape (n, d)."""
        numeric = [c.name for c in schema.columns if c.kind is not None and c.kind.is_numeric]
        others = [name for name in schema.names if name not in numeric]
        room = max(2, min(MAX_POINT_CATEGORIES, (MAX_POINT_DIMS - 2 * len(numeric)) // max(1, 2 * len(others))))
        ranks = {}
        for name in numeric:
            values = reference[name].to_numpy(dtype=np.float64)
            ranks[name] = np.sort(values[~np.isnan(values)])
        places, hashed = {}, {}
        for name in others:
            frequent = reference[name].value_counts().index
            places[name] = {str(value): i for i, value in enumerate(frequent[:room])}
            hashed[name] = min(room, 16) if len(frequent) <= room else room
        return cls(ranks=ranks, places=places, hashed=hashed)

    def matrix(self, frame: pd.DataFrame) -> PointArray:
        """Points of conformed rows, shape (n, dims)."""
        blocks = [self._number(frame[name].to_numpy(dtype=np.float64), known) for name, known in self.ranks.items()]
        blocks += [self._category(frame[name], known, self.hashed[name]) for name, known in self.places.items()]
        return np.concatenate(blocks, axis=1)

    def _number(self, values: FloatArray, known: FloatArray) -> PointArray:
        out = np.zeros((len(values), 2), dtype=np.float32)
        gaps = np.isnan(values)
        if known.size:
            low, high = np.searchsorted(known, values, side="left"), np.searchsorted(known, values, side="right")
            spread = max(float(known[-1] - known[0]), 1e-12)
            fine = np.clip((values - known[0]) / spread, -1.0, 2.0)  # separates values with equal ranks
            out[:, 0] = np.where(gaps, 0.5, (low + high) / (2 * known.size) + 0.05 * np.nan_to_num(fine))
        out[:, 1] = np.where(gaps, np.float32(np.sqrt(0.5)), np.float32(0))
        return out

    def _category(self, series: pd.Series, known: dict[str, int], hashed: int) -> PointArray:
        codes, seen = pd.factorize(series, use_na_sentinel=True)
        rare = [len(known) + zlib.crc32(str(v).encode()) % hashed for v in seen]
        place = np.array([known.get(str(v), r) for v, r in zip(seen, rare, strict=True)] + [-1], dtype=np.int64)[codes]
        out = np.zeros((len(series), len(known) + hashed), dtype=np.float32)
        rows = np.flatnonzero(place >= 0)
        out[rows, place[rows]] = np.float32(np.sqrt(0.5))
        return out


def nearest_distance(queries: PointArray, pool: PointArray, block: int = 1024) -> FloatArray:
    """Euclidean distance from each query to its nearest point of the pool, shape (q,).

    The search runs on float32 products; the distance of the winner is computed anew, so that an exact copy is at 0.

    Args:
        queries: Shape (q, dims).
        pool: Shape (p, dims).
        block: Queries per step, which bounds memory at ``block * p`` floats.
    """
    out = np.empty(len(queries))
    half_norms = 0.5 * np.einsum("ij,ij->i", pool, pool)
    for start in range(0, len(queries), block):
        part = queries[start : start + block]
        products = part @ pool.T
        products -= half_norms
        winner = pool[np.argmax(products, axis=1)]
        out[start : start + block] = np.linalg.norm((part - winner).astype(np.float64), axis=1)
    return out
