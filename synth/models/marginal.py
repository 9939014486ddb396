"""The measured part of the default model alone: tables of pairs, a mixture fitted to them, raked samples. Fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synth.models.base import Fitted, Run, require_within
from synth.models.given import Given, Weighted
from synth.models.measured.finished import coarse_domain, conditioned_rows, finished_rows, independent_rows
from synth.models.measured.mixture import Mixture
from synth.models.measured.protect import LEAST_SHARE, MOST_SHARE, SHARE, Protection
from synth.models.measured.stage import finish, measure
from synth.models.nets.autoregressive import even_uniforms
from synth.models.nets.tabular import torch_generator
from synth.models.one_way import independent_where
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginal:
    """Noisy tables of all pairs of columns (with a class target's classes), as a low-rank mixture, raked.

    Attributes:
        protect_groups: Columns whose small groups get tables of their own (``synth.models.measured.protect``).
        protected_share: Part of the Gaussian budget for these.
    """

    protect_groups: tuple[str, ...] = ()
    protected_share: float = SHARE

    def __post_init__(self) -> None:
        require_within(self, {"protected_share": (LEAST_SHARE, MOST_SHARE)})

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """Spend all that is left on tables."""
        protection = Protection(names=self.protect_groups, share=self.protected_share)
        source = torch_generator(np.random.default_rng(run.seed))
        learnt = measure(data, run, share=None, source=source, protection=protection)
        if isinstance(learnt, Fitted):
            return learnt
        run.progress.phase("raking")
        domain = learnt.groups.domain

        def drawn(rows: int, rng: np.random.Generator) -> Tensor:
            return learnt.mixture.draw_rows(domain, even_uniforms(rows, len(domain.sizes) + 1, rng))

        tensors, facts = finish(learnt, drawn, np.random.default_rng(run.seed))
        tensors |= {"weights": learnt.mixture.weights.numpy(), "shares": learnt.mixture.shares.numpy()}
        run.progress.spent(data.ledger.spent())
        return Fitted(tensors, facts)

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw a component per row, then its columns; rake."""
        if "groups" not in fitted.tensors:
            return independent_rows(fitted, domain, n_rows, rng)
        mixture, coarse = restored(fitted), coarse_domain(fitted, domain)

        def drawn(rows: int, rng: np.random.Generator) -> Tensor:
            return mixture.draw_rows(coarse, even_uniforms(rows, len(coarse.sizes) + 1, rng))

        return finished_rows(fitted, domain, drawn, n_rows, rng)

    def sample_where(
        self, fitted: Fitted, domain: Domain, given: Sequence[Given], n_rows: int, rng: np.random.Generator
    ) -> Weighted:
        """The same under conditions on columns."""
        if "groups" not in fitted.tensors:
            return independent_where(fitted, domain, given, n_rows, rng)
        mixture, coarse = restored(fitted), coarse_domain(fitted, domain)

        def drawn(rows: int, coarse_given: Sequence[Given], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
            return mixture.draw_where(coarse, even_uniforms(rows, len(coarse.sizes) + 1, rng), coarse_given)

        return conditioned_rows(fitted, domain, drawn, given, n_rows, rng)


def restored(fitted: Fitted) -> Mixture:
    """The released mixture."""
    return Mixture(torch.from_numpy(fitted.tensors["weights"]), torch.from_numpy(fitted.tensors["shares"]))
