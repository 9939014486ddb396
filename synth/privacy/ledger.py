"""The write-ahead ledger: a mechanism's event is on disk before its noise is drawn, or the mechanism does not run.

A crash can therefore only over-count. The file is a hash chain (``chain``), and it stands for one data set: whoever fits the
same rows names the same file. Where its owner set a total, a run is admitted only if its whole grant fits beside all others
(``account``), and that grant is reserved by the first line it writes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from synth.entity import ROW
from synth.errors import AccountingError, InputError, RefusedError, SynthError
from synth.privacy.account import Account, Total, granted, read_account
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import REFERENCE_DELTA, Budget, RowCount, calibration_delta, default_delta
from synth.privacy.chain import RESUMED, Entry, Record, append, append_after, read_ledger
from synth.privacy.checkpoint import Answer, Array, Checkpoint, write_checkpoint
from synth.privacy.events import Event, SubsampledGaussianEvent, event_to_dict
from synth.privacy.journal import Journal, KeptStepCount, StepCount
from synth.privacy.past import STEPS, Past, read_past


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
        self._open(budget, path, secrets.token_hex(8), unit)
        if path is not None:
            append_after(path, self.run, lambda records: [self._admitted(records, purpose)])
        self._delta = self.budget.delta if self.budget.delta is not None else REFERENCE_DELTA

    def _open(self, budget: Budget, path: Path | None, run: str, unit: str) -> None:
        self.budget, self.run, self.unit = budget, run, unit
        self.rows: RowCount | None = None
        self._events: list[Event] = []
        self._path, self._holder = path, ""
        self._journal: Journal | None = None
        self._past = Past()

    @classmethod
    def begun(
        cls, budget: Budget, path: Path, checkpoint: Path, settings: dict[str, Any], seed: int, *, unit: str = ROW
    ) -> Ledger:
        """Open a run that can go on after an interruption: its answers are kept in a checkpoint.

        Raises:
            InputError: See above; also where the checkpoint cannot be written, or one is there already.
            RefusedError: See above.
        """
        empty = Checkpoint(run="", settings=settings, seed=seed)
        write_checkpoint(checkpoint, empty, new=True)
        try:
            book = cls(budget, path, unit=unit)
            empty = replace(empty, run=book.run)
            write_checkpoint(checkpoint, empty)
        except BaseException:
            checkpoint.unlink(missing_ok=True)
            raise
        book._journal = Journal(checkpoint, empty)
        return book

    @classmethod
    def going_on(cls, path: Path, checkpoint: Path, kept: Checkpoint, *, unit: str = ROW) -> Ledger:
        """Go on with a run that was interrupted. It is granted what it was granted, and nothing more.

        Args:
            path: The ledger, which says what was charged and drawn.
            checkpoint: Where answers are kept.
            kept: What it holds.
            unit: As the run was begun with.

        Raises:
            InputError: The ledger does not know the run.
            AccountingError: The checkpoint holds answers that the ledger does not know.
            RefusedError: The run had ended, and the data set's total does not carry its grant any more.
        """
        book = cls.__new__(cls)
        book._open(Budget(epsilon=1.0), path, kept.run, unit)

        def taken_over(records: list[Record]) -> list[Entry]:
            book.budget, book._past = read_past(records, kept.run)
            book._journal = Journal(checkpoint, kept, book._past.events)
            return [(RESUMED, {"holder": holder})]

        holder = secrets.token_hex(8)
        append_after(path, kept.run, taken_over)
        book._holder = holder
        book._events = list(book._journal.before()) if book._journal is not None else []
        book._delta = book.budget.delta if book.budget.delta is not None else REFERENCE_DELTA
        return book

    def _admitted(self, records: list[Record], purpose: str) -> Entry:
        """The line that reserves the grant; under the file's lock."""
        self.budget = _granted(records, self.budget, self.unit)
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
        facts = {"rung": rows.rung, "public": rows.public, "delta": self._delta}
        if self._past.rows not in (None, facts):
            raise AccountingError("the row count is not the one that the run went on with before; start anew")
        if self._past.rows is None:
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

    def ask(self, *events: Event, draw: Callable[[], Sequence[Array]], about: str = "") -> Sequence[Array]:
        """Charge events, then draw the answer; one that was drawn before an interruption is given again, for nothing.

        Args:
            events: What the answer costs.
            draw: Adds the noise. Called after the charge is on disk, or not at all.
            about: The question, as far as the events do not say it. Public.

        Raises:
            RefusedError: See ``charge``.
            AccountingError: Before the interruption another question was asked here.
        """
        known = self._known(events, about)
        if known is not None:
            return known
        start = len(self._events)
        self.charge(*events)
        answer = draw()
        if self._journal is not None:
            self._journal.keep(Answer(start=start, events=events, about=about, arrays=tuple(answer)))
        return answer

    def announce(self, *events: Event, about: str = "") -> None:
        """Charge events for which nothing is drawn, or whose draws are counted one by one (``count_steps``).

        The checkpoint is told before the ledger: an interruption in between leaves an announcement without a charge, which
        counts for nothing, rather than a charge that could not be used.
        """
        if self._known(events, about) is None:
            self._check(events)
            if self._journal is not None:
                self._journal.keep(Answer(start=len(self._events), events=events, about=about, arrays=()))
            self.charge(*events)

    def _known(self, events: tuple[Event, ...], about: str) -> Sequence[Array] | None:
        if self._journal is None:
            return None
        found = self._journal.next(events, about)
        if found is not None:
            self._events = list(self._journal.before())
        return found

    def count_steps(self) -> StepCount:
        """Counts the steps of the training that was charged last."""
        training = [e for e in self._events if isinstance(e, SubsampledGaussianEvent)]
        number = len(training) - 1
        if self._journal is None:
            return StepCount()
        write: Callable[[int], None] = lambda drawn: self._write((STEPS, {"training": number, "drawn": drawn}))  # noqa: E731
        return KeptStepCount(training[-1].steps, self._past.drawn.get(number, 0), write, self._journal)

    def discard_checkpoint(self) -> None:
        """Remove the checkpoint, if there is one: the run will not go on."""
        if self._journal is not None:
            self._journal.discard()

    def spent(self) -> float:
        """Epsilon of everything charged so far, at the working delta."""
        return epsilon_of(self._events, self.working_delta) if self._events else 0.0

    def close(self, outcome: str) -> None:
        """Note how the run ended; the charges stand whatever the outcome."""
        self._write(("end", {"outcome": outcome}))

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
            if isinstance(error, RefusedError):
                self.discard_checkpoint()  # it would be refused again
            raise
        finally:
            self.close(outcome)
            if self._journal is not None and self._journal.is_empty():
                self.discard_checkpoint()

    def _write(self, *records: tuple[str, dict[str, Any]]) -> None:
        if self._path is not None:
            append(self._path, self.run, records, holder=self._holder)


def _adjacency(unit: str) -> str:
    return f"add-or-remove-one-{unit}"


def _granted(records: list[Record], budget: Budget, unit: str) -> Budget:
    """``granted``, for a history of one unit only: guarantees for rows and for persons do not add up to either."""
    if any(r["record"] == "run" and r.get("adjacency", _adjacency(ROW)) != _adjacency(unit) for r in records):
        raise InputError(
            f"the ledger records runs that protect another unit than one {unit}, and the two do not add up; "
            "keep a ledger for each, or fit with the same entity"
        )
    return granted(read_account(records), budget)


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
