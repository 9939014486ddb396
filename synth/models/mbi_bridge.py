"""Fitting a graphical model to noisy tables: mirror descent of the ``mbi`` library (McKenna et al. 2019, arXiv:1901.09136).

The one place that imports ``mbi`` and ``jax``; both come with the extra ``synth-dp[mbi]``. Everything here is post-processing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.models.junction import Clique

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """A noisy table of some columns.

    Attributes:
        counts: Shape of the columns' sizes.
        sigma: Standard deviation of each cell, a scalar or the shape of ``counts``; finite, > 0.
    """

    counts: FloatArray
    sigma: FloatArray

    def joined(self, other: Table) -> Table:
        """Inverse-variance mean with another measurement of the same table."""
        mine, theirs = 1 / self.sigma**2, 1 / other.sigma**2
        counts = (mine * self.counts + theirs * other.counts) / (mine + theirs)
        return Table(counts, np.asarray(1 / np.sqrt(mine + theirs)))


def _mbi() -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)  # counts need more than 24 bits
    jax.config.update("jax_enable_compilation_cache", False)
    import mbi

    return mbi


class Estimator:
    """Fits that start where the one before ended."""

    def __init__(self, sizes: Sequence[int], rows: int) -> None:
        """Set the stage.

        Args:
            sizes: Codes per column.
            rows: Public row count.
        """
        self._mbi = _mbi()
        self._domain = self._mbi.Domain(tuple(range(len(sizes))), tuple(sizes))
        self._rows = float(max(rows, 1))
        self._queries: dict[Clique, Any] = {}
        self._potentials: Any = None

    def fit(self, tables: Mapping[Clique, Table], iterations: int) -> dict[Clique, FloatArray]:
        """Log potentials of the maximum-entropy model nearest to ``tables`` in weighted least squares.

        Args:
            tables: Noisy tables by columns.
            iterations: Steps of mirror descent, rounded up to fifty.
        """
        asked = [self._measurement(clique, table) for clique, table in tables.items()]
        descent = self._mbi.estimation.MirrorDescent()
        model = descent.estimate(self._domain, asked, known_total=self._rows, iters=iterations, warm_start=self._potentials)
        self._potentials = model.potentials
        out = {}
        for clique in model.potentials.cliques:
            factor = model.potentials[clique]
            values = np.asarray(factor.values, dtype=np.float64)
            out[tuple(factor.domain.attributes)] = np.nan_to_num(values - values.max(), nan=0.0, neginf=-700.0)
        return out

    def _measurement(self, clique: Clique, table: Table) -> Any:
        """In units of each cell's noise; a query object is kept, as a new one would be compiled anew."""
        if table.sigma.ndim == 0:
            return self._mbi.LinearMeasurement(table.counts.ravel(), clique, float(table.sigma))
        weights = 1 / np.broadcast_to(table.sigma, table.counts.shape).ravel()
        query = self._queries.setdefault(clique, self._mbi.WeightedQuery(weights))
        if not np.array_equal(query.weights, weights):
            query = self._queries[clique] = self._mbi.WeightedQuery(weights)
        return self._mbi.LinearMeasurement(table.counts.ravel() * weights, clique, 1.0, query=query)
