"""How a run begins, and how it goes on after an interruption: with the settings it began with, or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.entity import ROW
from synth.errors import InputError
from synth.privacy.budget import Budget
from synth.privacy.checkpoint import Checkpoint, read_checkpoint
from synth.privacy.kept import KeptLedger
from synth.privacy.keyed import surroundings
from synth.privacy.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Going:
    """What the user asked for.

    Attributes:
        ledger_path: Of the ledger, if any.
        checkpoint: Where answers are kept, if anywhere.
        resume: Whether to go on from it.
        keyed: Whether noise comes from a key.
    """

    ledger_path: Path | None
    checkpoint: Path | None
    resume: bool
    keyed: bool

    def __post_init__(self) -> None:
        if self.resume and self.checkpoint is None:
            raise InputError("to go on with a run, name the checkpoint that it left")
        if self.checkpoint is not None and self.ledger_path is None:
            raise InputError("a checkpoint needs a ledger file, which says what was drawn")
        if self.checkpoint is not None and self.keyed:
            raise InputError(
                "a run with a noise key is not interrupted and resumed, as its noise would be used for other questions; run it "
                "again from the start, which gives the same release and is charged again"
            )

    def kept(self, settings: dict[str, Any]) -> Checkpoint | None:
        """The checkpoint to go on from, if that is asked for.

        Args:
            settings: Everything that steers the run, plain types.

        Raises:
            InputError: There is none, it is damaged, or it was begun with other settings. The text names them.
        """
        if not self.resume or self.checkpoint is None:
            return None
        kept, now = read_checkpoint(self.checkpoint), _whole(settings)
        other = [key for key in now if kept.settings.get(key) != now[key]]
        if other or set(kept.settings) != set(now):
            raise InputError(
                f"the run was begun with another {', another '.join(other) or 'version'}; repeat the command as it was, with "
                "--resume (to start anew with these settings, delete the checkpoint: what was charged stays charged)"
            )
        if not kept.run:  # it was stopped before it had a line in the ledger that it knew of, so nothing was asked
            self.checkpoint.unlink(missing_ok=True)
            return None
        return kept

    def ledger(self, budget: Budget, kept: Checkpoint | None, settings: dict[str, Any], seed: int, unit: str = ROW) -> Ledger:
        """Open the run, or take it over.

        Raises:
            InputError: Ledger or checkpoint cannot be written, or do not belong together.
            RefusedError: The data set's total does not carry the run.
        """
        if self.ledger_path is None or self.checkpoint is None:
            return Ledger(budget, self.ledger_path, unit=unit)
        if kept is not None:
            return KeptLedger.going_on(self.ledger_path, self.checkpoint, kept, unit=unit)
        return KeptLedger(budget, self.ledger_path, self.checkpoint, _whole(settings), seed, unit=unit)


def _whole(settings: dict[str, Any]) -> dict[str, Any]:
    """With program text, versions, machine and threads: each could make the run ask another question. As JSON has it."""
    around = surroundings()
    named = {"program": around.pop("program"), "machine or number of threads": [around.pop("machine"), around.pop("threads")]}
    whole: dict[str, Any] = json.loads(json.dumps({**settings, **named, "version of Python or a library": around}))
    return whole
