"""A canary for the best of several tries: the score of a try is its answer, so that the largest answer is taken."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.audit.ledgers import DELTA, audit_ledger, rows_of
from evaluation.audit.sightings import Sighting
from synth.privacy.attempts import Scoring, Try, best_of
from synth.privacy.events import Event
from synth.privacy.repetitions import Repetitions
from synth.privacy.vault import PrivateTable
from synth.table import Domain

IntArray = npt.NDArray[np.int64]

DOMAIN = Domain(names=("canary",), sizes=(2,))
SCORING = Scoring(groups=(np.arange(2),), subsets=(("canary",),), weights=(1.0,))
FAR, STEP = 1e6, 1e3  # a distance that the counts decide, whatever its noise


def _counted(table: PrivateTable) -> Try[float]:
    """A try that counts the canary's cell; the larger the count, the nearer its guess is said to be."""
    (found,) = table.noisy_marginals_with_rest([("canary",)])
    count = float(found.counts[1])
    guess = np.array([max(FAR - STEP * count, 0.0), 0.0])
    return Try(result=count, guesses=((("canary",), guess),))


def best_of_tries(rng: np.random.Generator, *, epsilon: float = 3.0, runs: int = 1200) -> Sighting:
    """The answer of the best try, with the canary in the table by a fair coin."""
    present = rng.random(runs) < 0.5
    answers = np.zeros(runs)
    events: tuple[Event, ...] = ()
    for i, there in enumerate(present):
        ledger = audit_ledger(epsilon)
        codes: IntArray = np.array([[0], [1]][: 1 + int(there)], dtype=np.int64)
        table = PrivateTable(codes, DOMAIN, rows_of(ledger), ledger)
        answers[i] = best_of(table, [_counted, _counted], SCORING, Repetitions(gamma=0.1)).result
        events = table.ledger.events
    return Sighting(scores=answers, present=present, events=events, delta=DELTA, thresholds=(0.0, 0.5, 1.0, 3.0, 6.0, 10.0))
