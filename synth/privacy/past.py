"""What an interrupted run has done, by the ledger: the only word on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from synth.errors import InputError
from synth.privacy.account import Account, granted, read_account
from synth.privacy.budget import Budget
from synth.privacy.chain import Record
from synth.privacy.events import Event, event_from_dict, event_to_dict

STEPS = "steps"  # records how many steps of a training count as drawn
UNDRAWN = (
    "undrawn"  # records that the charges before it met no noise: their question was broken off before its first secret byte
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The earlier parts of a run.

    Attributes:
        events: Charged, in order; without what was charged and not drawn on.
        rows: Facts about the row count, once it was fixed.
        drawn: Steps that count as drawn, by the number of the training.
    """

    events: tuple[Event, ...] = ()
    rows: dict[str, Any] | None = None
    drawn: dict[int, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for the other processes of a run."""
        return {"events": [event_to_dict(e) for e in self.events], "rows": self.rows, "drawn": [*self.drawn.items()]}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Past:
        """The inverse of ``to_dict``."""
        events = tuple(event_from_dict(e) for e in facts["events"])
        return cls(events=events, rows=facts["rows"], drawn={int(k): int(v) for k, v in facts["drawn"]})


def read_past(records: Sequence[Record], run: str) -> tuple[Budget, Past]:
    """What a run was granted and has done.

    Args:
        records: A whole ledger.
        run: Name of the run.

    Raises:
        InputError: The ledger does not know it, or holds impossible figures.
        RefusedError: It had ended, and what the data set's total has left does not carry its grant any more.
    """
    account = read_account(records)
    found = next((r for r in account.runs if r.run == run), None)
    if found is None:
        raise InputError("the ledger does not know the run of this checkpoint; name the ledger that it was begun with")
    mine = [r for r in records if r["run"] == run]
    budget = Budget(epsilon=found.epsilon, delta=mine[0]["delta"])
    if account.total is not None:
        others = Account(total=account.total, runs=tuple(r for r in account.runs if r is not found))
        granted(others, Budget(epsilon=found.epsilon, delta=found.delta))
    rows = [{key: r.get(key) for key in ("rung", "public", "delta")} for r in mine if r["record"] == "rows"]
    drawn: dict[int, int] = {}
    charges, events = iter(found.events), list[Event]()
    try:
        for r in mine:
            if r["record"] == "event":
                events.append(next(charges))
            if r["record"] == UNDRAWN:
                del events[len(events) - _between(1, int(r["events"]), len(events)) :]
            if r["record"] == STEPS:
                number, steps = int(r["training"]), int(r["drawn"])
                drawn[number] = max(steps, drawn.get(number, 0))
    except (KeyError, TypeError, ValueError):
        raise InputError("the ledger holds no possible count of steps or charges; restore it from a backup") from None
    return budget, Past(events=tuple(events), rows=rows[-1] if rows else None, drawn=drawn)


def _between(low: int, value: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError("a count out of range")
    return value
