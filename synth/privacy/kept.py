"""A ledger whose run can go on after an interruption; see ``journal`` for how."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.entity import ROW
from synth.errors import AccountingError, InputError, RefusedError
from synth.privacy.budget import Budget
from synth.privacy.chain import RESUMED, Entry, Record, append_after
from synth.privacy.checkpoint import Answer, Array, Checkpoint, write_checkpoint
from synth.privacy.events import Event, SubsampledGaussianEvent
from synth.privacy.journal import Journal, KeptStepCount
from synth.privacy.ledger import Ledger
from synth.privacy.past import STEPS, UNDRAWN, Past, read_past
from synth.privacy.randomness import FreshBytes

if TYPE_CHECKING:
    from synth.privacy.workers import Workers


LOST = (
    "an answer was lost when the run was stopped between its charge and the checkpoint, and what is left of the budget does "
    "not carry the question again ({}); start anew without --resume, which is charged anew"
)


class KeptLedger(Ledger):
    """Asks each question once: answers are kept in a checkpoint, and given again when the run goes on."""

    _secret: FreshBytes | Workers | None = None

    def __init__(
        self, budget: Budget, path: Path, checkpoint: Path, settings: dict[str, Any], seed: int, *, unit: str = ROW
    ) -> None:
        """Open a run.

        Args:
            budget: What the user grants.
            path: The ledger.
            checkpoint: Where to keep answers; must not be there yet.
            settings: Everything that steers the run, plain types.
            seed: Of its public randomness.
            unit: See ``Ledger``.

        Raises:
            InputError: See ``Ledger``; also where the checkpoint cannot be written, or one is there already.
            RefusedError: See ``Ledger``.
        """
        empty = Checkpoint(run="", settings=settings, seed=seed)
        write_checkpoint(checkpoint, empty, new=True)
        try:
            super().__init__(budget, path, unit=unit)
            empty = replace(empty, run=self.run)
            write_checkpoint(checkpoint, empty)
        except BaseException:
            checkpoint.unlink(missing_ok=True)
            raise
        self._journal, self._past = Journal(checkpoint, empty), Past()

    @classmethod
    def going_on(cls, path: Path, checkpoint: Path, kept: Checkpoint, *, unit: str = ROW) -> KeptLedger:
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
        book, holder = cls.__new__(cls), secrets.token_hex(8)

        def taken_over(records: list[Record]) -> list[Entry]:
            budget, book._past = read_past(records, kept.run)
            book._journal = Journal(checkpoint, kept, book._past.events)
            book._start(budget, path, kept.run, unit)
            return [(RESUMED, {"holder": holder})]

        append_after(path, kept.run, taken_over)
        book._holder, book._events = holder, list(book._journal.before())
        return book

    @classmethod
    def following(cls, budget: Budget, past: Past, kept: Checkpoint, *, unit: str = ROW) -> KeptLedger:
        """The same run in a process that does not lead it: gives the answers that the lead gives, writes nothing.

        Args:
            budget: What the lead was granted.
            past: What the run has done before, by the lead's ledger.
            kept: What the lead's checkpoint holds.
            unit: As the run was begun with.
        """
        book = cls.__new__(cls)
        book._past, book._journal = past, Journal(None, kept, past.events)
        book._start(budget, None, kept.run, unit)
        book._events = list(book._journal.before())
        return book

    @property
    def past(self) -> Past:
        """What the run had done before this process took it up. Public."""
        return self._past

    @property
    def checkpoint(self) -> Checkpoint:
        """What is kept. Public."""
        return self._journal.checkpoint

    def ask(self, *events: Event, draw: Callable[[], Sequence[Array]], about: str = "") -> Sequence[Array]:
        """See ``Ledger``; an answer that was drawn before an interruption is given again, for nothing.

        Raises:
            AccountingError: Before the interruption another question was asked here.
        """
        known = self._known(events, about)
        if known is not None:
            return known
        start, reads = len(self._events), self._reads()
        try:
            answer = super().ask(*events, draw=draw)
        except BaseException:
            if reads is not None and reads == self._reads() and len(self._events) > start:
                self._take_back(start)
            raise
        self._journal.keep(Answer(start=start, events=events, about=about, arrays=tuple(answer)))
        return answer

    def watch(self, secret: FreshBytes | Workers) -> None:
        """See ``Ledger``."""
        self._secret = secret

    def _reads(self) -> int | None:
        return None if self._secret is None else self._secret.reads

    def _take_back(self, start: int) -> None:
        """Say that the latest charges met no noise, so that the same question may be asked on them. Nothing was drawn."""
        with suppress(InputError):  # another process has taken the run over: then they stay as they are
            self._write((UNDRAWN, {"events": len(self._events) - start}))
            del self._events[start:]

    def announce(self, *events: Event, about: str = "") -> None:
        """See ``Ledger``.

        The checkpoint is told before the ledger: an interruption in between leaves an announcement without a charge, which
        counts for nothing, rather than a charge that could not be used.
        """
        if self._known(events, about) is None:
            self._check(events)
            self._journal.keep(Answer(start=len(self._events), events=events, about=about, arrays=()))
            self.charge(*events)

    def _known(self, events: tuple[Event, ...], about: str) -> Sequence[Array] | None:
        found = self._journal.next(events, about)
        if found is not None:
            self._events = list(self._journal.before())
        return found

    def count_steps(self) -> KeptStepCount:
        """See ``Ledger``."""
        training = [e for e in self._events if isinstance(e, SubsampledGaussianEvent)]
        number = len(training) - 1

        def write(drawn: int) -> None:
            self._write((STEPS, {"training": number, "drawn": drawn}))

        return KeptStepCount(training[-1].steps, self._past.drawn.get(number, 0), write, self._journal)

    @contextmanager
    def settled(self) -> Iterator[None]:
        """See ``Ledger``; a checkpoint that is of no use is not left behind: the run was refused, or asked nothing."""
        try:
            with super().settled():
                yield
        except RefusedError as error:
            self._journal.discard()
            if self._lost():
                raise RefusedError(LOST.format(error)) from None
            raise
        finally:
            if self._journal.is_empty():
                self._journal.discard()

    def _lost(self) -> bool:
        """Whether a charge from before an interruption has no answer."""
        known = sum(len(a.events) for a in self.checkpoint.answers if a.start < len(self._past.events))
        return known < len(self._past.events)

    def _record_rows(self, facts: dict[str, Any]) -> None:
        if self._past.rows not in (None, facts):
            raise AccountingError("the row count is not the one that the run went on with before; delete the checkpoint")
        if self._past.rows is None:
            super()._record_rows(facts)
