"""MST: the pairs of a spanning tree, chosen and measured under noise (McKenna et al. 2021, arXiv:2108.04978).

A third of the budget measures one-way tables, a third chooses a tree edge by edge where independence is most wrong, a third
measures its pairs. Inference by ``mbi``. Departures from the paper as in ``aim``.
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
    rho_budget,
    rho_spent,
    spend_rest_on_one_way,
    table_of,
    to_fitted,
)
from synth.models.junction import Clique, FloatArray, Junction, Marginals
from synth.models.mbi_bridge import Estimator
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable


@dataclass(frozen=True, slots=True, kw_only=True)
class MST:
    """Noisy tables of the pairs of a maximum spanning tree.

    Attributes:
        iterations: Steps of the inference.
        max_codes: Codes per column that tables are made of; rarer ones are merged and drawn from the one-way table.
    """

    iterations: int = 1000
    max_codes: int = 64

    def __post_init__(self) -> None:
        require_within(self, {"iterations": (1, 100_000), "max_codes": (2, 10_000)})

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """A third each: one-way tables, the choice of the tree, its pairs."""
        run.progress.phase("measuring one-way tables")
        rho, before = rho_budget(data), rho_spent(data)
        folded = measure_and_fold(data, rho / 3, self.max_codes)
        if len(folded.active) < 2:
            folded = spend_rest_on_one_way(data, folded, rho - rho_spent(data) + before)
        else:
            run.progress.phase("choosing pairs")
            pairs = _spanning_tree(folded, rho / 3)
            run.progress.phase("measuring pairs")
            found = measure_rho(folded.table, [folded.names(p) for p in pairs], rho - rho_spent(data) + before)
            folded.tables.update((p, table_of(m)) for p, m in zip(pairs, found, strict=True))
        run.progress.phase("fitting the graphical model")
        sizes = folded.table.domain.sizes
        potentials = Estimator(sizes, data.rows.estimate).fit(folded.tables, self.iterations)
        return to_fitted(Junction.of(sizes, potentials), folded)

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw rows from the conditionals."""
        return draw_rows(fitted, domain, n_rows, rng)


def _spanning_tree(folded: Folded, rho: float) -> list[Clique]:
    """Edges chosen one by one among those that join two components, by the L1 gap to independence."""
    nodes, rows = folded.active, folded.table.rows.estimate
    shares = {j: np.log(np.maximum(folded.tables[(j,)].counts, 1e-9)) for j in nodes}
    independent = Marginals(Junction.of(folded.table.domain.sizes, {(j,): s for j, s in shares.items()}))
    guesses: dict[Clique, FloatArray] = {pair: rows * independent.of(pair) for pair in itertools.combinations(nodes, 2)}
    epsilon = math.sqrt(8 * rho / (len(nodes) - 1))
    component = {j: j for j in nodes}
    chosen: list[Clique] = []
    while len(chosen) < len(nodes) - 1:
        open_pairs = [p for p in guesses if component[p[0]] != component[p[1]]]
        asked = [(folded.names(p), guesses[p]) for p in open_pairs]
        ones, zeros = [1.0] * len(asked), [0.0] * len(asked)
        pair = open_pairs[folded.table.choose_table(asked, weights=ones, biases=zeros, epsilon=epsilon)]
        chosen.append(pair)
        joined, gone = component[pair[0]], component[pair[1]]
        component = {j: joined if c == gone else c for j, c in component.items()}
    return chosen
