"""What all runs on one data set amount to, and whether one more fits what its owner allows in total.

A run enters the composition in one of two ways.

*By its events*, composed exactly, where they are a function of public facts: the run has ended and its row count was
declared, or it ended before it had one.

*By the (epsilon, delta) it was granted*, as the worst mechanism that keeps such a promise, in every other case: it is still
running or it died (its reservation stays); it went on after an interruption; it went on together with other sites and was ended
early (they see its answers, and may choose when to end it); noise levels and steps followed a noisy row
count, so that a neighbouring table might have had other events at another working delta; noisy answers led past its training,
which a neighbouring table might have had; it was refused once it had a row count; or it chose by the exponential mechanism,
whose guarantee is in Renyi terms. A run that ended well below its grant counts as the grant, too: which way it took was told
by noisy answers.

Everything is composed in one privacy loss distribution (PLD), read at the owner's total delta; the sum of all epsilons at
the sum of all deltas is a bound as well, and the smaller one counts. The PLD holds for runs whose settings were not chosen
by looking at earlier releases; the sum holds whatever they were chosen by (Rogers et al. 2016, arXiv:1605.08294).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from synth.errors import InputError, RefusedError
from synth.privacy.accounting import COARSE, LEAST_NOISE, epsilon_of, selection_delta, total_mu
from synth.privacy.budget import LARGEST_DEFAULT_DELTA, NUMERICAL_SLACK, Budget
from synth.privacy.chain import RESUMED, Record
from synth.privacy.composed import composed_epsilon
from synth.privacy.events import BURNT_TRAINING, Event, SubsampledGaussianEvent, event_from_dict
from synth.privacy.pure import pure_epsilons
from synth.privacy.repeated import adaptive

DELTA_SHARE = 0.1  # of the total delta: what a run gets that names none
WHOLE = 0.9  # a run that spent less than this part of its grant is counted as the grant
MAX_STEPS = 10**6
MAX_MU = 50.0  # beyond an epsilon of 100 at any delta
MAX_EPSILON = 1000.0  # of pure mechanisms by plain addition
SITE = "site"  # purpose of a run whose answers others see while it goes on
LOCAL = "blank-one-row"  # neighbours of a table that was randomised cell by cell: one says what another row says
FACTS = ("record", "run", "time", "previous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What the owner allows all runs on a data set together.

    Attributes:
        epsilon: Finite, > 0, at most 100.
        delta: In [1e-11, 0.01).
        dataset: Random name of the data set: hexadecimal digits, the same from the first total to the last.
        name: The owner's name for it; may be empty.
    """

    epsilon: float
    delta: float
    dataset: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if not (_is_number(self.epsilon) and 0 < self.epsilon <= 100):
            raise InputError(f"the total epsilon must lie above 0 and be at most 100, not {self.epsilon}")
        if not (_is_number(self.delta) and 1e-11 <= self.delta < 0.01):
            raise InputError(f"the total delta must lie between 1e-11 and 0.01 and well below 1 / rows, not {self.delta}")
        if not all(isinstance(t, str) and t.isprintable() and len(t) <= 200 for t in (self.dataset, self.name)):
            raise InputError("the name of a data set is one line of at most 200 characters")

    @property
    def run_delta(self) -> float:
        """Delta of a run that names none: a tenth of the total's."""
        return float(f"{self.delta * DELTA_SHARE:.6g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """One run of a ledger.

    Attributes:
        run: Its random name.
        time: When it began.
        purpose: In a word.
        epsilon: Granted, and reserved until the end.
        delta: Granted.
        outcome: How it ended; ``None`` while it runs, and for one that died.
        events: What it charged.
        fixed: Whether they are a function of public facts.
        to_the_end: Whether it went as far as it chose to, rather than being stopped from outside.
    """

    run: str
    time: str
    purpose: str
    epsilon: float
    delta: float
    outcome: str | None
    events: tuple[Event, ...]
    fixed: bool
    to_the_end: bool

    @property
    def exact(self) -> bool:
        """Whether its events are what it counts as, rather than its grant.

        A refusal may be one that noisy answers decided: a neighbouring table might have gone on, and spent otherwise.
        """
        if not self.fixed or not self.to_the_end:
            return self.fixed
        return self.outcome != "refused" and _near(self.events, self.epsilon, self.delta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A ledger read as a whole.

    Attributes:
        total: In force; ``None`` where the owner set none.
        runs: In the order of their beginnings.
    """

    total: Total | None
    runs: tuple[PastRun, ...]

    def sums(self) -> tuple[float, float]:
        """Epsilon and delta by plain addition of all grants, but of runs that ended and charged nothing."""
        counted = [r for r in self.runs if r.events or not r.exact]
        return math.fsum(r.epsilon for r in counted), math.fsum(r.delta for r in counted)

    def spent(self, delta: float, *, more: Budget | None = None) -> float:
        """Epsilon of all runs together.

        Args:
            delta: To read the composition at.
            more: Grant of a further run, with its delta.

        Returns:
            An upper bound; infinite where the deltas alone exceed ``delta``.
        """
        extra = [(more.epsilon, more.delta or 0.0)] if more is not None else []
        epsilon, deltas = self.sums()
        plain = math.fsum([epsilon, *(e for e, _ in extra)])
        if math.fsum([deltas, *(d for _, d in extra)]) > delta * (1 + 1e-9):
            plain = math.inf
        return min(plain, _composed(self.runs, extra, delta))

    def room(self, total: Total, delta: float) -> float:
        """The largest epsilon, rounded down to three digits, that a further run of ``delta`` may have; 0 for none."""

        def fits(epsilon: float) -> bool:
            return self.spent(total.delta, more=Budget(epsilon=epsilon, delta=delta or None)) <= total.epsilon

        low, high = 1e-3, total.epsilon
        if not fits(low):
            return 0.0
        if fits(high):
            return high
        while high - low > 1e-3 * low:
            middle = (low + high) / 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return rounded_down(low)


def rounded_down(value: float) -> float:
    """To three significant digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return float(f"{math.floor(value / unit * (1 + 1e-12)) * unit:.3g}")


def read_account(records: Sequence[Record]) -> Account:
    """All totals and runs of a ledger.

    Args:
        records: As ``chain.read_ledger`` returns them.

    Raises:
        InputError: A record lacks a figure, or holds an impossible one.
        AccountingError: It holds an event that this version does not know.
    """
    total: Total | None = None
    begun: dict[str, Record] = {}
    kept: dict[str, list[Record]] = {}
    for number, record in enumerate(records, start=1):
        kind, run = record["record"], record["run"]
        try:
            if kind == "budget":
                total = Total(**{key: record[key] for key in ("epsilon", "delta", "dataset", "name")})
            elif kind == "run" and run not in begun:
                begun[run], kept[run] = _grant(record), []
            elif kind in ("rows", "event", RESUMED, "end"):
                kept[run].append(record)
        except (KeyError, TypeError, InputError):
            raise InputError(f"line {number} of the ledger holds no possible figures; restore it from a backup") from None
    return Account(total=total, runs=tuple(_past_run(begun[run], kept[run]) for run in begun))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _grant(record: Record) -> Record:
    pure = record.get("adjacency") == LOCAL and record["delta"] == 0
    Budget(epsilon=record["epsilon"], delta=None if pure else record["delta"])
    return {"purpose": "fit", **record}


def _past_run(begun: Record, rest: list[Record]) -> PastRun:
    events = tuple(
        event_from_dict({key: value for key, value in r.items() if key not in FACTS}) for r in rest if r["record"] == "event"
    )
    rows, ends, resumed = ([r for r in rest if r["record"] == kind] for kind in ("rows", "end", RESUMED))
    delta = begun["delta"]
    if delta is None:
        found = rows[-1].get("delta") if rows else None
        delta = found if isinstance(found, float) and 0 < found <= LARGEST_DEFAULT_DELTA else LARGEST_DEFAULT_DELTA
    outcome = str(ends[-1].get("outcome")) if ends and rest[-1] is ends[-1] else None
    steered = begun["purpose"] == SITE and outcome != "done" and bool(events)
    return PastRun(
        run=begun["run"], time=str(begun.get("time")), purpose=str(begun["purpose"]), epsilon=float(begun["epsilon"]),
        delta=delta, outcome=outcome, events=events, to_the_end=bool(rows) and outcome not in ("interrupted", "failed"),
        fixed=outcome is not None and not (resumed or steered) and all(r.get("public") is True for r in rows)
        and _composable(events),
    )  # fmt: skip


def _composable(events: tuple[Event, ...]) -> bool:
    """Whether the events stand for every path, with a distribution of reasonable size; a forged ledger's need not have one."""
    training = [e for e in events if isinstance(e, SubsampledGaussianEvent)]
    sound = all(e.noise_multiplier >= LEAST_NOISE and e.steps <= MAX_STEPS for e in training)
    small = total_mu(events) <= MAX_MU and math.fsum(pure_epsilons(events)) <= MAX_EPSILON
    return sound and small and not adaptive(events) and all(e.what != BURNT_TRAINING for e in events)


@lru_cache(maxsize=256)
def _near(events: tuple[Event, ...], epsilon: float, delta: float) -> bool:
    """Whether the events spend most of a grant."""
    return bool(events) and epsilon_of(events, delta, interval=COARSE) >= WHOLE * epsilon


def _composed(runs: Sequence[PastRun], extra: Sequence[tuple[float, float]], delta: float) -> float:
    events = tuple(event for r in runs if r.exact for event in r.events)
    grants = tuple((r.epsilon, r.delta) for r in runs if not r.exact)
    left = delta - selection_delta(events) - NUMERICAL_SLACK * sum(r.exact and bool(r.events) for r in runs)
    return composed_epsilon(events, grants, extra, left) if left > 0 else math.inf


def granted(account: Account, budget: Budget, *, pure: bool = False) -> Budget:
    """What a further run is granted: ``budget``, with a delta where the data set has a total and the run is not pure.

    Raises:
        RefusedError: The total does not carry it. The text names the largest epsilon that still fits.
    """
    total = account.total
    if total is None:
        return budget
    asked = budget if pure or budget.delta is not None else Budget(epsilon=budget.epsilon, delta=total.run_delta)
    if account.spent(total.delta, more=asked) <= total.epsilon:
        return asked
    room = account.room(total, float(asked.delta or 0.0))
    name = f" of {total.name!r}" if total.name else ""
    left = f"at most epsilon = {room:g} is left; use --epsilon {room:g}"
    if room <= 0:
        left = "nothing is left for a run of that delta (a smaller --delta may leave something)"
    raise RefusedError(
        f"epsilon = {asked.epsilon:g}, delta = {asked.delta or 0:g} does not fit the total{name} (epsilon {total.epsilon:g}, "
        f"delta {total.delta:g}) beside what {len(account.runs)} earlier run(s) spent or reserved: {left}, or raise the "
        "total with synth budget set"
    )
