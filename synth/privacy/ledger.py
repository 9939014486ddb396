"""The write-ahead ledger: a mechanism's event is on disk before its noise is drawn, or the mechanism does not run.

A crash can therefore only over-count. The file is a hash chain (``chain``), and it stands for one data set: whoever fits the
same rows names the same file. Where its owner set a total, a run is admitted only if its whole grant fits beside all others
(``account``), and that grant is reserved by the first line it writes.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.entity import ROW
from synth.errors import InputError, RefusedError, SynthError
from synth.privacy.account import LOCAL, Account, Total, granted, read_account
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import REFERENCE_DELTA, Budget, RowCount, calibration_delta, default_delta
from synth.privacy.chain import Entry, Record, append, append_after, read_ledger
from synth.privacy.checkpoint import Array
from synth.privacy.events import Event, LocalEvent, event_to_dict
from synth.privacy.journal import StepCount
from synth.privacy.randomness import FreshBytes
from synth.privacy.repeated import repeats

if TYPE_CHECKING:
    from synth.privacy.workers import Workers


class Ledger:
    """Grants charges while they fit the budget, and remembers them.

    Until the row count is known, charges are checked at ``delta`` as chosen, or at a reference where it is to be derived.
    """

    def __init__(self, budget: Budget, path: Path | None = None, *, purpose: str = "fit", unit: str = ROW) -> None:
        """Open a run.

        Args:
            budget: What the user grants.
            path: File to append to; ``None`` keeps the history in memory only.
            purpose: What the run is for, in a word.
            unit: Whose presence is protected: a row, or the entity that the schema names.

        Raises:
            InputError: The file cannot be written, its history has been altered, or it is about another unit.
            RefusedError: The data set's total does not carry the budget.
        """
        self._start(budget, path, secrets.token_hex(8), unit)
        if path is not None:
            append_after(path, self.run, lambda records: [self._admitted(records, purpose)])

    def _start(self, budget: Budget, path: Path | None, run: str, unit: str) -> None:
        self.run, self.unit = run, unit
        self.rows: RowCount | None = None
        self.part = 1.0  # of the Gaussian budget, that phases take their shares of; less where tries follow (``attempts``)
        self._events: list[Event] = []
        self._path, self._holder = path, ""
        self._grant(budget)

    def _grant(self, budget: Budget) -> None:
        self.budget = budget
        self._delta = budget.delta if budget.delta is not None else REFERENCE_DELTA

    def _admitted(self, records: list[Record], purpose: str) -> Entry:
        """The line that reserves the grant; under the file's lock."""
        self._grant(_granted(records, self.budget, self.unit))
        facts = {"epsilon": self.budget.epsilon, "delta": self.budget.delta, "adjacency": _adjacency(self.unit)}
        return "run", {**facts, "purpose": purpose}

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything charged so far in this run."""
        return tuple(self._events)

    @property
    def delta(self) -> float:
        """The delta that is promised."""
        return self._delta

    @property
    def working_delta(self) -> float:
        """The delta that mechanisms are calibrated to; see ``synth.privacy.budget``."""
        if self.rows is None:
            return self._delta / 4
        return calibration_delta(self._delta, self.rows, chosen=self.budget.delta is not None)

    def set_rows(self, rows: RowCount) -> None:
        """Fix the row count in force, and with it delta.

        Raises:
            RefusedError: ``delta`` is not below 1 / rows, which would allow releasing a row outright.
        """
        self.rows = rows
        if self.budget.delta is None:
            self._delta = default_delta(rows)
        if self._delta >= 1 / rows.estimate:
            raise RefusedError(
                f"delta = {self._delta:g} is not below 1 / rows (about {1 / rows.estimate:.0e}), which would allow "
                f"publishing a whole row; use --delta {default_delta(rows):g} or less"
            )
        self._record_rows({"rung": rows.rung, "public": rows.public, "delta": self._delta})

    def _record_rows(self, facts: dict[str, Any]) -> None:
        self._write(("rows", facts))

    def charge(self, *events: Event) -> None:
        """Record events before they run: all of them or none.

        Raises:
            RefusedError: They do not fit what is left. Nothing is recorded and nothing may run.
        """
        self._check(events)
        self._write(*(("event", event_to_dict(event)) for event in events))
        self._events.extend(events)

    def _check(self, events: tuple[Event, ...]) -> None:
        total = epsilon_of([*self._events, *events], self.working_delta)
        if not total <= self.budget.epsilon:
            raise RefusedError(
                f"{events[0].what} does not fit the budget: it would bring epsilon to {total:.3g} of {self.budget.epsilon:g}"
            )

    def ask(self, *events: Event, draw: Callable[[], Sequence[Array]], about: str = "") -> Sequence[Array]:  # noqa: ARG002
        """Charge events, then draw the answer.

        Args:
            events: What the answer costs.
            draw: Adds the noise. Called once the charge is on disk, or not at all.
            about: The question, as far as the events do not say it; for a run that may be interrupted. Public.

        Raises:
            RefusedError: See ``charge``.
        """
        self.charge(*events)
        return draw()

    def watch(self, secret: FreshBytes | Workers) -> None:
        """Learn where the run's noise comes from; for a run that may be interrupted."""

    def announce(self, *events: Event, about: str = "") -> None:  # noqa: ARG002 - see ``ask``
        """Charge events for which nothing is drawn, or whose draws are counted one by one (``count_steps``)."""
        self.charge(*events)

    def count_steps(self) -> StepCount:
        """Counts the steps of the training that was charged last."""
        return StepCount()

    def spent(self) -> float:
        """Epsilon of everything charged so far, at the working delta."""
        return epsilon_of(self._events, self.working_delta) if self._events else 0.0

    def close(self, outcome: str) -> None:
        """Note how the run ended; the charges stand whatever the outcome.

        When tries of which the best is taken ended is not noted: it would tell how many there were.
        """
        hidden = {"time": "not told"} if repeats(self._events) else {}
        self._write(("end", {"outcome": outcome, **hidden}))

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Close the run when the block ends, with the outcome that its end shows: done, interrupted, refused or failed."""
        outcome = "failed"
        try:
            yield
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        except SynthError as error:
            outcome = "refused" if error.exit_code == 3 else "failed"
            raise
        finally:
            self.close(outcome)

    def _write(self, *records: tuple[str, dict[str, Any]]) -> None:
        if self._path is not None:
            append(self._path, self.run, records, holder=self._holder)


def _adjacency(unit: str) -> str:
    return f"add-or-remove-one-{unit}"


def _granted(records: list[Record], budget: Budget, unit: str, *, pure: bool = False) -> Budget:
    """``granted``, for a history of one unit only: guarantees for rows and for persons do not add up to either.

    Runs that randomise each cell add up with those that protect one row: see ``LocalLedger``.
    """
    same = (_adjacency(unit), LOCAL) if unit == ROW else (_adjacency(unit),)
    if any(r["record"] == "run" and r.get("adjacency", _adjacency(ROW)) not in same for r in records):
        raise InputError(
            f"the ledger records runs that protect another unit than one {unit}, and the two do not add up; "
            "keep a ledger for each, or fit with the same entity"
        )
    return granted(read_account(records), budget, pure=pure)


class LocalLedger(Ledger):
    """Of a run that randomises every cell of a table on its own, for a pure epsilon.

    Neighbours are tables with the same number of rows of which one says something else, or nothing: a blank row, which counts
    for nothing in runs that protect one added or removed row. Such runs protect against a blank as well, at the same epsilon,
    so both kinds add up, to a guarantee about what a row says; how many rows there are is told.
    """

    def __init__(self, epsilon: float, path: Path | None = None, *, purpose: str) -> None:
        """See ``Ledger``; there is no delta."""
        super().__init__(Budget(epsilon=epsilon), path, purpose=purpose)

    def _admitted(self, records: list[Record], purpose: str) -> Entry:
        _granted(records, self.budget, self.unit, pure=True)
        return "run", {"epsilon": self.budget.epsilon, "delta": 0.0, "adjacency": LOCAL, "purpose": purpose}

    def _check(self, events: tuple[Event, ...]) -> None:
        total = math.fsum(e.epsilon if isinstance(e, LocalEvent) else math.inf for e in (*self._events, *events))
        if not total <= self.budget.epsilon:
            raise RefusedError(f"{events[0].what} does not fit the budget of epsilon {self.budget.epsilon:g}")


def record_asking(path: Path, facts: dict[str, Any]) -> int:
    """Note, before it is computed, that a verdict on a release is asked for; a verdict on private rows is an output, too.

    Args:
        path: The ledger of the release; it must be there.
        facts: Public facts about the question, plain types; never the answer.

    Returns:
        How many verdicts were asked for before.

    Raises:
        InputError: There is no such ledger, it cannot be written, or its history has been altered.
    """
    if not path.is_file():
        raise InputError(f"there is no ledger {str(path)!r}; name the one that fit wrote with --ledger")
    earlier = 0

    def counted(records: list[Record]) -> list[Entry]:
        nonlocal earlier
        earlier = sum(record["record"] == "asked" for record in records)
        return [("asked", facts)]

    append_after(path, secrets.token_hex(8), counted)
    return earlier


def check_admission(path: Path, budget: Budget, unit: str = ROW) -> None:
    """Refuse early, before a table is read, a run that the data set's total does not carry; writes nothing.

    Raises:
        InputError: The history cannot be read, or is about another unit.
        RefusedError: It would not fit.
    """
    _granted(read_ledger(path), budget, unit)


def set_total(path: Path, *, epsilon: float, delta: float, name: str | None = None) -> Account:
    """Put a total in force for the data set that a ledger stands for; the file is made where it is missing.

    Args:
        path: The ledger.
        epsilon: For all runs together.
        delta: For all runs together.
        name: Of the data set; by default the one it had.

    Returns:
        The account with the new total. One that is already exceeded admits nothing.

    Raises:
        InputError: Impossible figures, or an unusable file.
    """
    found: list[Account] = []

    def decide(records: list[Record]) -> list[Entry]:
        before = read_account(records)
        old = before.total
        dataset = old.dataset if old is not None else secrets.token_hex(16)
        kept = old.name if old is not None else ""
        total = Total(epsilon=epsilon, delta=delta, dataset=dataset, name=kept if name is None else name)
        found.append(Account(total=total, runs=before.runs))
        return [("budget", asdict(total))]

    append_after(path, secrets.token_hex(8), decide)
    return found[0]
