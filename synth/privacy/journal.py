"""Interrupt and resume, at the doors to the rows: what a run has been answered is kept, and given again instead of drawn again.

A run that goes on does all of its work anew from the same seed, and so asks the same questions in the same order. Each is
compared with the next one that the checkpoint answers, events and all, and a difference ends the run. Where the checkpoint
ends, drawing begins, with fresh entropy. What is on disk before any noise is drawn is the *charge*; so a run that dies between
charge and checkpoint has lost an answer. It is not drawn again on that charge: the charge stands, and the question is asked
anew at a charge of its own, if the budget carries one.

The steps of DP-SGD are charged together and counted in the ledger, a few at a time, before they are drawn. Steps that were
counted and not kept are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synth.errors import AccountingError
from synth.privacy.checkpoint import Answer, Array, Checkpoint, write_checkpoint
from synth.privacy.events import Event

if TYPE_CHECKING:
    from torch import Tensor

BLOCKS = 20  # of steps that are counted together: at most a twentieth of a training is lost by an interruption


class Journal:
    """The answers of one run, those of its earlier parts first.

    Attributes:
        path: Of the checkpoint; ``None`` where another process of the run keeps it.
        checkpoint: What it holds.
    """

    def __init__(self, path: Path | None, checkpoint: Checkpoint, charged: Sequence[Event] = ()) -> None:
        """Go on after ``checkpoint``.

        Args:
            path: Where to keep answers.
            checkpoint: What the run has been answered; the file is there already.
            charged: What it has charged, by the ledger.

        Raises:
            AccountingError: Answers that the ledger does not know.
        """
        known = [a for a in checkpoint.answers if a.arrays or a.start < len(charged)]  # an announcement, but then no charge
        for answer in known:
            if tuple(charged[answer.start : answer.start + len(answer.events)]) != answer.events:
                raise AccountingError(
                    "the checkpoint holds answers that its ledger does not know; name the ledger it was begun with"
                )
        self.path = path
        self.checkpoint = replace(checkpoint, answers=tuple(known))
        self._charged, self._place = tuple(charged), 0

    def before(self) -> tuple[Event, ...]:
        """What had been charged when the next question was asked; all of it, where no further answer is known."""
        answers = self.checkpoint.answers
        return self._charged[: answers[self._place].start] if self._place < len(answers) else self._charged

    def next(self, events: tuple[Event, ...], about: str) -> tuple[Array, ...] | None:
        """The answer to a question that was answered before the interruption.

        Raises:
            AccountingError: The next answer is to another question.
        """
        answers = self.checkpoint.answers
        if self._place == len(answers):
            return None
        answer = answers[self._place]
        if (answer.events, answer.about) != (events, about):
            raise AccountingError(
                "the run asks another question than the one its checkpoint answers next, so it cannot go on: its table or its "
                "surroundings are not what they were; delete the checkpoint to start anew"
            )
        self._place += 1
        return answer.arrays

    def keep(self, answer: Answer) -> None:
        """Add an answer to the checkpoint."""
        self._write(replace(self.checkpoint, answers=(*self.checkpoint.answers, answer)))
        self._place += 1

    def keep_state(self, state: Sequence[Tensor]) -> None:
        """Replace the state of training in the checkpoint."""
        self._write(replace(self.checkpoint, state=tuple(t.detach().numpy().copy() for t in state)))

    def restore(self, state: Sequence[Tensor]) -> None:
        """Set tensors back, in place, to what the checkpoint has of them; nothing where training had not begun.

        Raises:
            AccountingError: They have other shapes.
        """
        import torch

        kept = self.checkpoint.state
        if not kept:
            return
        if [a.shape for a in kept] != [tuple(t.shape) for t in state]:
            raise AccountingError("the checkpoint holds another network than the run trains; delete it to start anew")
        with torch.no_grad():
            for tensor, array in zip(state, kept, strict=True):
                tensor.copy_(torch.from_numpy(np.array(array)))

    def is_empty(self) -> bool:
        """Whether there is nothing that a further part of the run could use."""
        return not self.checkpoint.answers

    def discard(self) -> None:
        """Remove the checkpoint."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _write(self, checkpoint: Checkpoint) -> None:
        if self.path is not None:
            write_checkpoint(self.path, checkpoint)
        self.checkpoint = checkpoint


class StepCount:
    """The steps of one training, where there is no checkpoint: nothing to count, nothing to go on from.

    Attributes:
        drawn: Steps that count as drawn by earlier parts of the run.
    """

    drawn = 0

    def take(self) -> None:
        """Count one more step, before it is drawn."""

    def restore(self, state: Sequence[Tensor]) -> None:
        """Set tensors back to what the checkpoint has of them."""

    def keep(self, state: Sequence[Tensor]) -> None:
        """Keep tensors in the checkpoint, now and then."""


class KeptStepCount(StepCount):
    """The same with a checkpoint: steps are on disk as drawn, a block at a time, before the first of them is."""

    def __init__(self, steps: int, drawn: int, write: Callable[[int], None], journal: Journal) -> None:
        """Go on after ``drawn`` of ``steps``; ``write`` puts a number of steps into the ledger."""
        self.drawn, self._taken, self._counted, self._steps = drawn, drawn, drawn, steps
        self._block = -(-steps // BLOCKS)
        self._write, self._journal = write, journal

    def take(self) -> None:
        """See ``StepCount``."""
        if self._taken == self._counted:
            counted = min(self._counted + self._block, self._steps)
            self._write(counted)
            self._counted = counted
        self._taken += 1

    def restore(self, state: Sequence[Tensor]) -> None:
        """See ``StepCount``."""
        self._journal.restore(state)

    def keep(self, state: Sequence[Tensor]) -> None:
        """See ``StepCount``; at the end of a block."""
        if self._taken == self._counted:
            self._journal.keep_state(state)
