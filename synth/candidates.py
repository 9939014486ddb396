"""Ways to learn that are tried against each other: models with options, and what their tries are judged by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.errors import InputError
from synth.models.base import Fitted, Run, Synthesizer
from synth.privacy.attempts import Scoring, Try, best_of
from synth.privacy.choice import fold_domain
from synth.privacy.repetitions import Repetitions, repetitions_for
from synth.privacy.vault import PrivateTable
from synth.registry import PROTECTED, make_synthesizer, protecting, require_installed
from synth.table import Domain

IntArray = npt.NDArray[np.int64]

# All they charge are counts and DP-SGD, whose curves are alike. Laplace noise would spend more at a try's second point.
SUITED = ("hybrid", "marginal", "dpvae", "dpgan", "independent")
RUNS_EACH = 3.0  # tries per candidate, on average
MOST_CANDIDATES = 50
GROUPS = 8  # of a column, in the tables that tries are judged by
MOST_TABLES = 300
DRAWN = 20_000  # rows of a try, to judge it by


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model with options, as in ``hybrid.table_share=0.5,steps=100``.

    Attributes:
        model: Its name.
        options: Those that differ from its defaults.
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """As it was written."""
        said = ",".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.model}.{said}" if said else self.model

    def make(self, protect_groups: Sequence[str] = ()) -> Synthesizer:
        """The synthesizer, with columns whose small groups are protected."""
        return make_synthesizer(self.model, protecting(self.model, self.options, protect_groups))


def parse_candidate(text: str) -> Candidate:
    """``dpvae.latent=8,steps=100`` to a candidate with checked and typed options.

    Raises:
        InputError: Not of that form, or no such model, option or value.
    """
    model, dot, rest = text.strip().partition(".")
    options: dict[str, Any] = {}
    for part in rest.split(",") if dot else ():
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or name.strip() in options:
            raise InputError(f"a candidate is a model, or model.option=value with more options after commas, not {text!r}")
        options[name.strip()] = value.strip()
    made = make_synthesizer(model, options)
    if getattr(made, PROTECTED, ()):
        raise InputError("small groups are protected for all candidates or none: give --protect-groups, not an option of one")
    require_installed(model)
    return Candidate(model=model, options={name: getattr(made, name) for name in options})


def parse_candidates(texts: Sequence[str], protect_groups: Sequence[str] = ()) -> tuple[Candidate, ...]:
    """Several of them, each once.

    Args:
        texts: As they are written.
        protect_groups: Columns whose small groups every one of them has to protect.

    Raises:
        InputError: Fewer than two, more than fifty, one that is there twice, one that is none, or one that cannot protect.
    """
    found = tuple(parse_candidate(text) for text in texts)
    if not 2 <= len(found) <= MOST_CANDIDATES:
        raise InputError(f"name 2 to {MOST_CANDIDATES} candidates to choose from, not {len(found)}; one needs no choice")
    twice = next((c.label for i, c in enumerate(found) if c in found[:i]), None)
    if twice is not None:
        raise InputError(f"the candidate {twice!r} is named twice")
    for one in found:
        one.make(protect_groups)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuner:
    """A paid choice between candidates on the private rows.

    Attributes:
        candidates: At least two, of models in ``SUITED``.
        runs: How many tries there may be.
        protect_groups: Columns whose small groups each of them protects.
    """

    candidates: tuple[Candidate, ...]
    runs: Repetitions
    protect_groups: tuple[str, ...] = ()

    def best(self, table: PrivateTable, run: Run) -> tuple[str, Synthesizer, Fitted]:
        """Try candidates; only the best try leaves.

        Raises:
            RefusedError: See ``attempts.best_of``.
        """
        scoring = scoring_of(table.domain)
        run.progress.phase("trying candidates; how many tries there are is not told")
        ways = [partial(_tried, c.make(self.protect_groups), scoring, run.seed) for c in self.candidates]
        found = best_of(table, ways, scoring, self.runs)
        winner = self.candidates[found.place]
        found.result.facts["notes"] = [self.told(winner), *found.result.facts.get("notes", [])]
        return winner.model, winner.make(self.protect_groups), found.result

    def told(self, winner: Candidate) -> str:
        """A sentence for the reader."""
        others = ", ".join(c.label for c in self.candidates)
        return (
            f"{winner.label} was chosen among {others}: the best of a secret number of tries ({self.runs.mean:.3g} on average)"
        )


def tuner_of(texts: Sequence[str], runs: float | None = None, protect_groups: Sequence[str] = ()) -> Tuner:
    """From what was said.

    Args:
        texts: Candidates.
        runs: Tries, on average; by default three for each.
        protect_groups: Columns whose small groups each of them protects.

    Raises:
        InputError: A candidate that cannot be tried, or an impossible number.
    """
    found = parse_candidates(texts, protect_groups)
    unsuited = next((c for c in found if c.model not in SUITED or c.options.get("mechanism") == "laplace"), None)
    if unsuited is not None:
        raise InputError(
            f"{unsuited.label!r} cannot be tried on private rows; choose from {', '.join(SUITED)}, with Gaussian noise"
        )
    mean = RUNS_EACH * len(found) if runs is None else runs
    if not 2 <= mean <= 1000:
        raise InputError(f"the average number of tries lies between 2 and 1000, not {mean:g}")
    return Tuner(candidates=found, runs=repetitions_for(mean), protect_groups=tuple(protect_groups))


def scoring_of(domain: Domain) -> Scoring:
    """Tables of pairs of columns, each with the target where there is one, on a few groups of codes; all count the same."""
    groups = tuple(np.arange(n, dtype=np.int64) * min(n, GROUPS) // n for n in domain.sizes)
    aim = () if domain.target is None else (domain.target,)
    others = [name for name in domain.names if name not in aim]
    subsets: list[tuple[str, ...]] = [(*pair, *aim) for pair in combinations(others, 2)]
    subsets = subsets[:: math.ceil(len(subsets) / MOST_TABLES) or 1] or [tuple(domain.names)]
    return Scoring(groups=groups, subsets=tuple(subsets), weights=(1 / len(subsets),) * len(subsets))


def _tried(synthesizer: Synthesizer, scoring: Scoring, seed: int, table: PrivateTable) -> Try[Fitted]:
    """One try, in silence: its progress would tell that it takes place."""
    rng = np.random.default_rng(seed)
    fitted = synthesizer.fit(table, Run(seed=seed))
    drawn = synthesizer.sample(fitted, table.domain, DRAWN, rng)
    coarse = drawn.merged(fold_domain(table.domain, scoring.groups), scoring.groups)
    places = {name: j for j, name in enumerate(table.domain.names)}
    scale = table.rows.estimate / DRAWN
    guesses = tuple(
        (s, np.asarray(coarse.counts([places[name] for name in s]) * scale, dtype=np.float64)) for s in scoring.subsets
    )
    return Try(result=fitted, guesses=guesses)
