"""Private selection: one of several ways to learn, tried a secret number of times, and only the best try leaves.

Before the tries, a single event is charged that stands for all of them (``RepeatedSelectionEvent``); afterwards nothing more
can be. Each try has a ledger of its own in memory, which begins with what ran before and grants what the event says a run may
spend. Its score is paid for first. Nothing about other tries, or about how many there were, leaves this module: neither
their charges nor their errors and warnings nor their progress. (How long it took is a side channel, as it is for every fit.)
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from synth.errors import AccountingError, RefusedError
from synth.privacy.accounting import epsilon_of, selection_delta, total_mu
from synth.privacy.budget import REFERENCE_DELTA, Budget
from synth.privacy.checkpoint import Array
from synth.privacy.choice import Guess
from synth.privacy.distance import distance_event, noisy_distance
from synth.privacy.events import Event, GaussianEvent, PartitionSelectionEvent, RepeatedSelectionEvent
from synth.privacy.gaussian import gaussian_mu
from synth.privacy.ledger import Ledger
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.repetitions import Repetitions
from synth.privacy.shares import sigma_for
from synth.privacy.vault import PrivateTable
from synth.privacy.views import behind

T = TypeVar("T")
IntArray = npt.NDArray[np.int64]

SCORE_SHARE = 0.05  # of a run's squared Gaussian budget
LEAST_DELTA = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What tries are judged by: the weighted mean L1 distance of tables of the rows from those of a try. Public.

    Attributes:
        groups: Group of each code, one array per column: tables are counted on groups.
        subsets: Columns of each table.
        weights: Of each table, above 0, with a sum of 1.
    """

    groups: tuple[IntArray, ...]
    subsets: tuple[tuple[str, ...], ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Try(Generic[T]):
    """What one way to learn gave.

    Attributes:
        result: To be released, if this is the best try.
        guesses: Its tables on the groups, one per subset of the scoring, in rows.
    """

    result: T
    guesses: tuple[Guess, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Best(Generic[T]):
    """The best try.

    Attributes:
        place: Which of the ways it was.
        result: What it gave.
    """

    place: int
    result: T


class AttemptLedger(Ledger):
    """The ledger of one try: begins with what ran before, holds one run to what the event says of it, writes no file."""

    def __init__(self, whole: Ledger, event: RepeatedSelectionEvent) -> None:
        """Open it.

        Args:
            whole: Of the run, in which ``event`` is charged.
            event: What a try may spend.

        Raises:
            AccountingError: The event is not the last charge of ``whole``.
        """
        if not whole.events or whole.events[-1] is not event:
            raise AccountingError("tries begin when they are charged, and nothing is charged in between")
        self._start(Budget(epsilon=event.run_epsilon, delta=event.run_delta), None, whole.run, whole.unit)
        self.rows, self._event = whole.rows, event
        before = total_mu(whole.events[:-1])
        self._before: list[Event] = [GaussianEvent(what="before the tries", sigma=1 / before)] if before > 0 else []
        self._events = list(self._before)
        self._score: Event | None = None

    @property
    def working_delta(self) -> float:
        """What one run may have; the event multiplies it by the expected number of runs."""
        return self._event.run_delta

    def pay_for_score(self, event: GaussianEvent) -> None:
        """Charge the score before the try begins, which may spend all that is left then."""
        self.charge(event)
        self._score = event

    def ask(self, *events: Event, draw: Callable[[], Sequence[Array]], about: str = "") -> Sequence[Array]:
        """See ``Ledger``; the score that was paid for is drawn once."""
        if self._score is not None and events == (self._score,):
            self._score = None
            return draw()
        return super().ask(*events, draw=draw, about=about)

    def _check(self, events: tuple[Event, ...]) -> None:
        super()._check(events)
        own = [*self._events[len(self._before) :], *events]
        if not epsilon_of(own, self._event.near_delta) <= self._event.near_epsilon:
            raise RefusedError(f"{events[0].what} does not fit what one of several tries may spend")


def planned(ledger: Ledger, runs: Repetitions) -> RepeatedSelectionEvent:
    """The event that spends all that is left of a run on the best of several tries.

    Args:
        ledger: Of the run; only counts and partition selections have been charged.
        runs: How many tries there may be.

    Raises:
        RefusedError: Too little is left.
        AccountingError: Something else was charged before.
    """
    if not all(isinstance(e, GaussianEvent | PartitionSelectionEvent) for e in ledger.events):
        raise AccountingError("only counts and named values can run before tries of which the best is taken")
    epsilon, before = ledger.budget.epsilon, total_mu(ledger.events)
    delta = (ledger.working_delta - selection_delta(ledger.events)) / runs.mean * (1 - 1e-9)

    def point(one: float) -> tuple[float, float]:
        left = gaussian_mu(one, delta) ** 2 - before**2
        return runs.nearest(math.sqrt(max(left, 0.0)))

    def over(one: float) -> float:
        return one + runs.shift(*point(one)) - epsilon

    least = epsilon_of([GaussianEvent(what="before", sigma=1 / before)], delta) * 1.05 if before > 0 else 1e-4 * epsilon
    if delta < LEAST_DELTA or least >= epsilon or over(least) >= 0:
        raise RefusedError("too little is left of the budget for several tries; raise epsilon, or fit one model")
    one = float(brentq(over, least, epsilon, xtol=1e-9)) * (1 - 1e-6)
    near_epsilon, near_delta = point(one)
    return RepeatedSelectionEvent(
        what="the best of several tries", shape=runs.shape, gamma=runs.gamma, run_epsilon=one, run_delta=delta,
        near_epsilon=near_epsilon, near_delta=near_delta * (1 + 1e-7),
    )  # fmt: skip


def expected(budget: Budget, runs: Repetitions) -> RepeatedSelectionEvent:
    """What tries would have if nothing ran before them, at the delta that was chosen or a typical one.

    Raises:
        RefusedError: The budget does not carry several tries.
    """
    book = Ledger(Budget(epsilon=budget.epsilon, delta=REFERENCE_DELTA if budget.delta is None else budget.delta))
    return planned(book, runs)


def planned_part(budget: Budget, runs: Repetitions) -> float:
    """The part of the Gaussian budget that one try has, with all before it: what shares of earlier phases are shares of."""
    event = expected(budget, runs)
    whole = gaussian_mu(budget.epsilon, event.run_delta * runs.mean)
    return min(gaussian_mu(event.run_epsilon, event.run_delta) / whole, 1.0)


@contextmanager
def _silence() -> Iterator[None]:
    """Warnings of a library are about the noisy answers of a try, which must not be told unless it is the best."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def best_of(
    table: PrivateTable,
    ways: Sequence[Callable[[PrivateTable], Try[T]]],
    scoring: Scoring,
    runs: Repetitions,
    entropy: Entropy = os_entropy,
) -> Best[T]:
    """Try ways to learn, each drawn with equal chance, a secret number of times, and give the best try.

    Args:
        table: Private codes, on which only counts have been asked.
        ways: Each gets the codes behind the ledger of its try. What one does may depend on nothing but these answers.
        scoring: Lower distances are better. A try that fails is worse than any other.
        runs: How many tries there may be.
        entropy: Source of secret bytes.

    Raises:
        RefusedError: Too little is left, or the best try failed.
    """
    event = planned(table.ledger, runs)
    table.ledger.charge(event)  # not asked: a run that goes on after an interruption gets no second set of tries for it
    view, best = table.coarsen(scoring.groups), None
    distance, place = math.inf, 0
    for number in range(runs.draw(entropy)):
        at = int.from_bytes(entropy(16), "little") % len(ways)
        ledger = AttemptLedger(table.ledger, event)
        sigma = sigma_for(ledger, SCORE_SHARE)
        ledger.pay_for_score(distance_event(scoring.weights, sigma))
        found, far = None, math.inf
        try:
            with _silence():
                found = ways[at](behind(table, ledger))
                far = noisy_distance(behind(view, ledger), found.guesses, weights=scoring.weights, sigma=sigma)
        except Exception:  # noqa: BLE001 - that another try failed, and how, must not be told
            found = None
        if number == 0 or far < distance:
            best, distance, place = found, far, at
    if best is None:
        raise RefusedError("the try that was taken could not be fitted with its part of the budget; raise epsilon")
    return Best(place=place, result=best.result)
