"""Baseline: measure each column once with the whole budget, then draw the columns independently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synth.errors import InputError
from synth.models.base import Fitted, Run
from synth.models.given import Given, Weighted
from synth.models.one_way import independent_where, measure_one_way, pack, unpack
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable

MECHANISMS = ("gaussian", "laplace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Independent:
    """Noisy one-way marginals. The floor that every other model has to beat; right for very small epsilon or tables.

    Attributes:
        mechanism: Noise of the tables: ``gaussian``, or ``laplace``, which is less for few columns (up to about eight).
    """

    mechanism: str = "gaussian"

    def __post_init__(self) -> None:
        if self.mechanism not in MECHANISMS:
            raise InputError(f"option 'mechanism' is one of {', '.join(MECHANISMS)}, not {self.mechanism!r}")

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """Spend all that is left on the one-way tables."""
        run.progress.phase("measuring one-way tables")
        one_way = measure_one_way(data, share=None, laplace=self.mechanism == "laplace")
        return Fitted({"one_way": pack(one_way)}, {})

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw every column on its own."""
        codes = np.empty((n_rows, len(domain.sizes)), dtype=np.int32)
        for j, shares in enumerate(unpack(fitted.tensors["one_way"], domain)):
            codes[:, j] = rng.choice(len(shares), size=n_rows, p=shares / shares.sum())
        return EncodedTable(domain, codes)

    def sample_where(
        self, fitted: Fitted, domain: Domain, given: Sequence[Given], n_rows: int, rng: np.random.Generator
    ) -> Weighted:
        """The same under conditions on columns."""
        return independent_where(fitted, domain, given, n_rows, rng)
