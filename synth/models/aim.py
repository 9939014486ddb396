"""AIM: measure what the model gets most wrong, again and again (McKenna et al. 2022, arXiv:2201.12677).

Inference by ``mbi``. Departures from the paper: one-way tables that preparing the codes paid for are used as well, and codes
too faint to tell from noise, or beyond ``max_codes``, are merged first.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from synth.models.base import Fitted, Run, require_within
from synth.models.graphical import (
    Folded,
    draw_rows,
    measure_and_fold,
    measure_rho,
    noise_size,
    rho_budget,
    rho_spent,
    spend_rest_on_one_way,
    table_of,
    to_fitted,
)
from synth.models.junction import Clique, Junction, Marginals, model_megabytes
from synth.models.mbi_bridge import Estimator
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable

STEPS = 1000  # of the progress bar, in shares of the budget
ONE_WAY_CAP = 1 / 3  # of the budget, where very few rounds are asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class AIM:
    """Adaptive, iterative measurement of small tables.

    Attributes:
        rounds: Rounds that the budget is planned for, at most this many take place; default 16 per column.
        degree: Columns per table of the workload: 2 for all pairs, 3 for all triples.
        choice_share: Share of the budget for choosing tables, the rest measures them.
        max_megabytes: Largest model, in MiB at eight bytes a cell.
        max_codes: Codes per column that tables are made of; rarer ones are merged and drawn from the one-way table.
        iterations: Steps of the inference at the end; a tenth of it after each round.
    """

    rounds: int | None = None
    degree: int = 2
    choice_share: float = 0.1
    max_megabytes: float = 80.0
    max_codes: int = 32
    iterations: int = 1000

    def __post_init__(self) -> None:
        limits = {
            "rounds": (1, 100_000),
            "degree": (2, 3),
            "choice_share": (0.001, 0.9),
            "max_megabytes": (1e-6, 10_000),
            "max_codes": (2, 10_000),
            "iterations": (1, 100_000),
        }
        require_within(self, limits)

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """One-way tables, then rounds of choosing and measuring until the budget is spent."""
        run.progress.phase("measuring one-way tables")
        rho, earlier, width = rho_budget(data), rho_spent(data), len(data.domain.names)
        rounds = self.rounds or 16 * width
        first = rho * min((1 - self.choice_share) * width / rounds, ONE_WAY_CAP)
        folded = measure_and_fold(data, first, self.max_codes)
        sizes = folded.table.domain.sizes
        estimator = Estimator(sizes, data.rows.estimate)
        if len(folded.active) < 2:
            folded = spend_rest_on_one_way(data, folded, rho - rho_spent(data) + earlier)
        else:
            run.progress.phase("choosing and measuring tables", STEPS)
            self._rounds(folded, estimator, run, rho, earlier, rounds)
        run.progress.phase("fitting the graphical model")
        return to_fitted(Junction.of(sizes, estimator.fit(folded.tables, self.iterations)), folded)

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw rows from the conditionals."""
        return draw_rows(fitted, domain, n_rows, rng)

    def _rounds(self, folded: Folded, estimator: Estimator, run: Run, rho: float, earlier: float, rounds: int) -> None:
        """Fill ``folded.tables``. Parameters adapt to noisy answers; their sum is fixed (a zCDP filter, docs/privacy.md)."""
        sizes, rows = folded.table.domain.sizes, folded.table.rows.estimate
        weights = _workload(folded.active, min(self.degree, len(folded.active)))
        sigma = math.sqrt(rounds / (2 * (1 - self.choice_share) * rho))
        epsilon = math.sqrt(8 * self.choice_share * rho / rounds)
        model = self._model(folded, estimator)
        last, used = False, rho_spent(folded.table) - earlier
        while not last:
            left = rho - used
            last = left <= 2 * (1 / (2 * sigma**2) + epsilon**2 / 8)
            if last:
                sigma = math.sqrt(1 / (2 * (1 - self.choice_share) * left))
                epsilon = math.sqrt(8 * self.choice_share * left)
            room = self.max_megabytes * used / rho
            candidates = [c for c in weights if _fits(c, list(folded.tables), sizes, room)]
            guesses = [(folded.names(c), rows * model.of(c)) for c in candidates]
            chosen = folded.table.choose_table(
                guesses,
                weights=[weights[c] for c in candidates],
                biases=[-weights[c] * noise_size(sigma, guess.size) for c, (_, guess) in zip(candidates, guesses, strict=True)],
                epsilon=epsilon,
            )
            clique, (names, before) = candidates[chosen], guesses[chosen]
            found = table_of(measure_rho(folded.table, [names], 1 / (2 * sigma**2))[0])
            folded.tables[clique] = folded.tables[clique].joined(found) if clique in folded.tables else found
            done = int(STEPS * used / rho)
            used = rho_spent(folded.table) - earlier
            run.progress.advance(int(STEPS * used / rho) - done)
            if not last:
                model = self._model(folded, estimator)
                if np.abs(rows * model.of(clique) - before).sum() <= noise_size(sigma, before.size):
                    sigma, epsilon = sigma / 2, epsilon * 2

    def _model(self, folded: Folded, estimator: Estimator) -> Marginals:
        potentials = estimator.fit(folded.tables, max(self.iterations // 10, 1))
        return Marginals(Junction.of(folded.table.domain.sizes, potentials))


def _workload(columns: list[int], degree: int) -> dict[Clique, float]:
    """All tables of up to ``degree`` columns, weighted by what they share with those of exactly ``degree``; largest 1."""
    whole = [set(c) for c in itertools.combinations(columns, degree)]
    below = itertools.chain.from_iterable(itertools.combinations(columns, k) for k in range(1, degree + 1))
    raw: dict[Clique, float] = {c: float(sum(len(w.intersection(c)) for w in whole)) for c in below}
    largest = max(raw.values())
    return {c: value / largest for c, value in raw.items()}


def _fits(clique: Clique, cliques: list[Clique], sizes: tuple[int, ...], room: float) -> bool:
    """Whether the model stays within ``room`` MiB with one more table; a table it already holds always fits."""
    if any(set(clique) <= set(c) for c in cliques):
        return True
    return model_megabytes(sizes, [*cliques, clique]) <= room
