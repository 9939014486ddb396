"""Canaries for everything that counts: one row in a cell of its own, through the doors of the vault.

Tables, products of signs and signed tables take many canaries at once that do not disturb each other (own cells, or
orthogonal signs). The attacker knows all other rows, the whole configuration, and sees every noisy answer.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.linalg import hadamard

from evaluation.audit.ledgers import DELTA, audit_ledger, rows_of
from evaluation.audit.scores import gaussian_score, laplace_score
from evaluation.audit.sightings import Sighting
from synth.privacy.ballot import LOGIT_UNIT, Ballot
from synth.privacy.events import Event, GaussianEvent
from synth.privacy.ledger import Ledger
from synth.privacy.signs import SignProduct
from synth.privacy.vault import PrivateTable
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def _coins(number: int, rng: np.random.Generator) -> BoolArray:
    return np.asarray(rng.random(number) < 0.5)


def _table(codes: npt.NDArray[np.integer], sizes: tuple[int, ...], epsilon: float) -> PrivateTable:
    ledger = audit_ledger(epsilon)
    names = tuple(f"c{i}" for i in range(len(sizes)))
    return PrivateTable(
        codes.reshape(-1, len(sizes)).astype(np.int64), Domain(names=names, sizes=sizes), rows_of(ledger), ledger
    )


def _charged_mu(ledger: Ledger) -> float:
    return math.sqrt(math.fsum(e.mu**2 for e in ledger.events if isinstance(e, GaussianEvent)))


def _sighting(standard: FloatArray, present: BoolArray, ledger: Ledger) -> Sighting:
    """From answers whose noise is one standard deviation, as far as the ledger says."""
    mu = _charged_mu(ledger)
    scores = gaussian_score(standard, mu) if mu > 0 else standard
    return Sighting(scores=scores, present=present, events=ledger.events, delta=DELTA, one_run=True)


def tables(rng: np.random.Generator, *, epsilon: float = 4.0, cells: int = 16_384) -> Sighting:
    """One-way table: each canary is a row in a cell of its own, beside two rows that are always there."""
    present = _coins(cells, rng)
    codes = np.concatenate([np.flatnonzero(present), np.repeat(np.arange(cells), 2)])
    table = _table(codes, (cells,), epsilon)
    (found,) = table.noisy_marginals_with_rest([("c0",)])
    return _sighting((found.counts - 2) / float(found.sigma), present, table.ledger)


def pairs(rng: np.random.Generator, *, epsilon: float = 4.0, side: int = 128) -> Sighting:
    """A table of two columns and both of its margins, for weighted shares of one phase: three answers on each canary."""
    present = _coins(side * side, rng)
    places = np.flatnonzero(present)
    table = _table(np.column_stack([places // side, places % side]), (side, side), epsilon)
    found = table.noisy_marginals([("c0", "c1"), ("c0",), ("c1",)], share=0.5, weights=[2.0, 1.0, 1.0])
    joint = found[0]
    # the margins of a canary's row are shared with other canaries; the attacker knows those, so only the joint cell is scored
    sigma = float(joint.sigma)
    scores = gaussian_score(joint.counts.reshape(-1) / sigma, 1 / sigma)
    return Sighting(scores=scores, present=present, events=table.ledger.events[:1], delta=DELTA, one_run=True)


def laplace_tables(rng: np.random.Generator, *, epsilon: float = 1.0, cells: int = 16_384) -> Sighting:
    """The same as ``tables`` with Laplace noise: the score is whether the answer is nearer to 1 than to 0."""
    present = _coins(cells, rng)
    codes = np.concatenate([np.flatnonzero(present), np.repeat(np.arange(cells), 2)])
    table = _table(codes, (cells,), 2 * epsilon)
    (found,) = table.noisy_laplace_tables([("c0",)], scale=1 / epsilon)
    scores = laplace_score(found.counts - 2, epsilon)
    return Sighting(scores=scores, present=present, events=table.ledger.events, delta=DELTA, one_run=True, thresholds=(0.0,))


def products(rng: np.random.Generator, *, epsilon: float = 4.0, size: int = 512) -> Sighting:
    """Products of signs: rows of a Hadamard matrix make ``size`` canaries that each move every sum, and do not mix."""
    signs = hadamard(size, dtype=np.int8)
    present = _coins(size, rng)
    table = _table(np.flatnonzero(present), (size,), epsilon)
    asked = [SignProduct((0,), (np.ascontiguousarray(signs[j]),)) for j in range(size)]
    sums, sigma = table.noisy_products(asked, share=0.5)
    standard = signs.T.astype(np.float64) @ sums / (math.sqrt(size) * sigma)
    return _sighting(standard, present, table.ledger)


def signed_tables(rng: np.random.Generator, *, epsilon: float = 4.0, size: int = 64, cells: int = 128) -> Sighting:
    """Signed tables: the same for every cell of another column."""
    signs = hadamard(size, dtype=np.int8)
    present = _coins(size * cells, rng)
    places = np.flatnonzero(present)
    table = _table(np.column_stack([places // cells, places % cells]), (size, cells), epsilon)
    asked = [(SignProduct((0,), (np.ascontiguousarray(signs[j]),)), 1) for j in range(size)]
    found, sigma = table.noisy_signed_tables(asked, share=0.5)
    standard = signs.T.astype(np.float64) @ np.stack(found) / (math.sqrt(size) * sigma)
    return _sighting(standard.reshape(-1), present, table.ledger)


def votes(rng: np.random.Generator, *, epsilon: float = 4.0, runs: int = 2000, questions: int = 64) -> Sighting:
    """Votes of teachers: one row turns its teacher on every question; forty others tell their teachers nothing new."""
    present = _coins(runs, rng)
    sums = np.zeros(runs)
    sure = 8 * LOGIT_UNIT * np.array([[1, -1]])
    ballot = Ballot(
        teachers=8, column=1, classes=np.arange(2), columns=(0,), start=(np.repeat(sure, 2, axis=0),),
        step=1e3 * np.eye(2), questions=np.zeros((questions, 1), dtype=np.int64),
    )  # fmt: skip
    events: tuple[Event, ...] = ()
    for i, there in enumerate(present):
        table = _table(np.array([[1, 0]] * 40 + [[0, 1]] * int(there)), (2, 2), epsilon)
        found, sigma = table.noisy_votes(ballot)
        sums[i] = found.sum() / (math.sqrt(questions) * sigma)
        events = table.ledger.events
    mu = math.sqrt(math.fsum(e.mu**2 for e in events if isinstance(e, GaussianEvent)))
    return Sighting(scores=gaussian_score(sums, mu), present=present, events=events, delta=DELTA)


def choices(rng: np.random.Generator, *, epsilon: float = 3.0, runs: int = 4000) -> Sighting:
    """Exponential mechanism: one row makes one table's distance grow and another's shrink, as far as it can."""
    present = _coins(runs, rng)
    chosen = np.zeros(runs)
    events: tuple[Event, ...] = ()
    for i, there in enumerate(present):
        table = _table(np.zeros((int(there), 2), dtype=np.int64), (2, 2), 4 * epsilon)
        far, near = np.array([0.0, 1.0]), np.array([1.0, 0.0])
        guesses = [(("c0",), far), (("c1",), near)]
        chosen[i] = table.choose_table(guesses, weights=[1.0, 1.0], biases=[0.0, 0.0], epsilon=epsilon) == 0
        events = table.ledger.events
    return Sighting(scores=chosen, present=present, events=events, delta=DELTA, thresholds=(0.5,))
