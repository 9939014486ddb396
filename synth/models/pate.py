"""PATE: tables give a mixture of the columns; teachers on disjoint parts of the rows vote on the target of rows drawn from it.

The student is the mixture with its conditional of the target tilted by what the noisy votes say. Only tables and votes leave
the trusted core; rows of the mixture are the questions, so they cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synth.models.base import Fitted, Run, require_within
from synth.models.given import FREE, Given, Weighted
from synth.models.measured.committee import plan_committee, vote_classes
from synth.models.measured.finished import coarse_domain, conditioned_rows, finished_rows, independent_rows
from synth.models.measured.mixture import Mixture
from synth.models.measured.stage import Learnt, finish, measure
from synth.models.nets.autoregressive import even_uniforms
from synth.models.nets.tabular import draw, draw_given, torch_generator
from synth.models.one_way import independent_where
from synth.privacy.shares import burn_training
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable

ROWS, WIDE_ROWS, WIDE = 16_384, 8_192, 500  # of the mixture that the committee starts from; fewer for more codes than WIDE
NO_COLUMN = "no column has two groups of codes to vote on: teachers were not asked"
NO_VOTES = "the teachers' votes hold no more than their noise: the target follows the tables alone"
STAND_IN = "no target is declared: teachers voted on the last column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pate:
    """Noisy tables for the columns, noisy votes of teachers for the target.

    Attributes:
        table_share: Part of the Gaussian budget for tables of pairs; what is left after them buys votes.
    """

    table_share: float = 0.4

    def __post_init__(self) -> None:
        require_within(self, {"table_share": (0.05, 0.7)})

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """Measure, fit the mixture, ask the teachers, tilt, rake."""
        learnt = measure(data, run, share=self.table_share, source=torch_generator(np.random.default_rng(run.seed)))
        if isinstance(learnt, Fitted):
            return learnt
        domain = learnt.groups.domain
        student, notes = self._ask(learnt, run)
        run.progress.phase("raking")
        rng = np.random.default_rng(run.seed)
        tensors, facts = finish(learnt, lambda rows, r: student.draw_rows(domain, rows, r), rng)
        facts["notes"] += notes
        facts["voted"] = student.column
        tensors |= {"weights": student.mixture.weights.numpy(), "shares": student.mixture.shares.numpy()}
        tensors["tilt"] = student.tilt.numpy()
        run.progress.spent(data.ledger.spent())
        return Fitted(tensors, facts)

    def _ask(self, learnt: Learnt, run: Run) -> tuple[Student, list[str]]:
        """The student, and what a reader should know about the vote."""
        domain, data = learnt.groups.domain, learnt.view
        column = voted_column(domain)
        if column is None:
            burn_training(data.ledger)
            return Student(learnt.mixture, 0, torch.zeros(domain.width, domain.sizes[0])), [NO_COLUMN]
        run.progress.phase("asking teachers")
        classes = vote_classes(learnt.coarse[column], domain.in_order[column] if domain.in_order else 0)
        rng = np.random.default_rng((run.seed, 1))
        many = ROWS if domain.width <= WIDE else WIDE_ROWS
        rows = learnt.mixture.draw_rows(domain, even_uniforms(many, len(domain.sizes) + 1, rng))
        likely = learnt.mixture.shares_of(domain, column, rows).double().numpy() @ np.eye(classes.max() + 1)[classes]
        committee = plan_committee(rows.numpy(), likely, domain, column, classes, data.rows.rung, rng)
        votes, sigma = data.noisy_votes(committee.ballot)
        run.progress.spent(data.ledger.spent())
        departure, variance = committee.departure(votes, sigma)
        tilt = np.zeros((domain.width, domain.sizes[column]), dtype=np.float32)
        inside = np.arange(domain.sizes[column]) + domain.offsets[column]
        tilt[np.setdiff1d(np.arange(domain.width), inside)] = departure[:, classes]
        notes = [] if variance else [NO_VOTES]
        notes += [] if domain.target is not None else [STAND_IN]
        return Student(learnt.mixture, column, torch.from_numpy(tilt)), notes

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw a component per row, its columns, and the target given all others; rake."""
        if "groups" not in fitted.tensors:
            return independent_rows(fitted, domain, n_rows, rng)
        student, coarse = restored(fitted), coarse_domain(fitted, domain)
        return finished_rows(fitted, domain, lambda rows, r: student.draw_rows(coarse, rows, r), n_rows, rng)

    def sample_where(
        self, fitted: Fitted, domain: Domain, given: Sequence[Given], n_rows: int, rng: np.random.Generator
    ) -> Weighted:
        """The same under conditions on columns."""
        if "groups" not in fitted.tensors:
            return independent_where(fitted, domain, given, n_rows, rng)
        student, coarse = restored(fitted), coarse_domain(fitted, domain)
        return conditioned_rows(fitted, domain, lambda rows, g, r: student.draw_where(coarse, rows, g, r), given, n_rows, rng)


@dataclass(frozen=True, slots=True)
class Student:
    """The mixture, with the conditional of one column tilted.

    Attributes:
        mixture: Of all columns.
        column: That was voted on.
        tilt: Log-odds of its codes for each code of the other columns, shape (width, size).
    """

    mixture: Mixture
    column: int
    tilt: Tensor

    def shares(self, domain: Domain, codes: Tensor) -> Tensor:
        """Distribution of the column given the others, shape (rows, size)."""
        places = codes + torch.tensor(domain.offsets)
        added = torch.nn.functional.embedding_bag(places, self.tilt, mode="sum")
        return (self.mixture.shares_of(domain, self.column, codes).clamp_min(1e-12).log() + added).softmax(1)

    def draw_rows(self, domain: Domain, rows: int, rng: np.random.Generator) -> Tensor:
        """Codes, shape (rows, columns)."""
        uniforms = even_uniforms(rows, len(domain.sizes) + 2, rng)
        codes = self.mixture.draw_rows(domain, uniforms[:, :-1])
        codes[:, self.column] = draw(self.shares(domain, codes), uniforms[:, -1])
        return codes

    def draw_where(self, domain: Domain, rows: int, given: Sequence[Given], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The same under conditions: codes, and the logarithms of the rows' weights, shape (rows,)."""
        uniforms = even_uniforms(rows, len(domain.sizes) + 2, rng)
        others = [FREE if j == self.column else one for j, one in enumerate(given)]
        codes, mass = self.mixture.draw_where(domain, uniforms[:, :-1], others)
        codes[:, self.column], found = draw_given(self.shares(domain, codes), uniforms[:, -1], given[self.column])
        return codes, mass + found


def voted_column(domain: Domain) -> int | None:
    """The target, or else the last column, as long as it has two codes; otherwise the last one that has."""
    able = [j for j, size in enumerate(domain.sizes) if size > 1]
    target = domain.names.index(domain.target) if domain.target is not None else -1
    return target if target in able else (able[-1] if able else None)


def restored(fitted: Fitted) -> Student:
    """The released student."""
    mixture = Mixture(torch.from_numpy(fitted.tensors["weights"]), torch.from_numpy(fitted.tensors["shares"]))
    return Student(mixture, int(fitted.facts["voted"]), torch.from_numpy(fitted.tensors["tilt"]))
