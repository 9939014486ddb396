"""The write-ahead ledger: a mechanism's event is on disk before its noise is drawn, or the mechanism does not run.

A crash can therefore only over-count. The file is append-only JSON lines; each line carries the hash of the one before, so
that an edited line, or one taken out, shows (lines missing at the end do not: keep the file). Several runs may share a
file; each composes its own events here, and their sum over runs is the owner's to read with ``read_ledger``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synth.errors import InputError, RefusedError
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import REFERENCE_DELTA, Budget, RowCount, calibration_delta, default_delta
from synth.privacy.events import Event, event_to_dict

GENESIS = "0" * 64


class Ledger:
    """Grants charges while they fit the budget, and remembers them.

    Until the row count is known, charges are checked at ``delta`` as chosen, or at a reference where it is to be derived.
    """

    def __init__(self, budget: Budget, path: Path | None = None, *, purpose: str = "fit") -> None:
        """Open a run.

        Args:
            budget: What the user grants.
            path: File to append to; ``None`` keeps the history in memory only.
            purpose: What the run is for, in a word.

        Raises:
            InputError: The file cannot be written, or its history has been altered.
        """
        self.budget = budget
        self.run = secrets.token_hex(8)
        self.rows: RowCount | None = None
        self._delta = budget.delta if budget.delta is not None else REFERENCE_DELTA
        self._events: list[Event] = []
        self._path = path
        if path is not None:
            read_ledger(path)
        granted = {"epsilon": budget.epsilon, "delta": budget.delta, "adjacency": "add-or-remove-one-row", "purpose": purpose}
        self._write(("run", granted))

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
                f"publishing a whole row; leave --delta out to get {default_delta(rows):g}"
            )
        self._write(("rows", {"rung": rows.rung, "public": rows.public, "delta": self._delta}))

    def charge(self, *events: Event) -> None:
        """Record events before they run: all of them or none.

        Raises:
            RefusedError: They do not fit what is left. Nothing is recorded and nothing may run.
        """
        total = epsilon_of([*self._events, *events], self.working_delta)
        if not total <= self.budget.epsilon:
            raise RefusedError(
                f"{events[0].what} does not fit the budget: it would bring epsilon to {total:.3g} of {self.budget.epsilon:g}"
            )
        self._write(*(("event", event_to_dict(event)) for event in events))
        self._events.extend(events)

    def spent(self) -> float:
        """Epsilon of everything charged so far, at the working delta."""
        return epsilon_of(self._events, self.working_delta) if self._events else 0.0

    def close(self, outcome: str) -> None:
        """Note how the run ended; the charges stand whatever the outcome."""
        self._write(("end", {"outcome": outcome}))

    def _write(self, *records: tuple[str, dict[str, Any]]) -> None:
        if self._path is not None:
            _append(self._path, self.run, records)


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
    earlier = len([record for record in read_ledger(path) if record["record"] == "asked"])
    _append(path, secrets.token_hex(8), [("asked", facts)])
    return earlier


def _append(path: Path, run: str, records: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Write records at the end of the chain and wait until they are on disk."""
    try:
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            whole, broken = _whole_lines(file.read())
            if broken:  # a line cut off by a crash: its charge never took effect
                file.truncate(whole[-1][1] if whole else 0)
            previous = str(_parse(whole[-1][0], len(whole), path)["hash"]) if whole else GENESIS
            for record, facts in records:
                time = datetime.now(UTC).isoformat(timespec="seconds")
                line, previous = _seal({"record": record, "run": run, "time": time, "previous": previous, **facts})
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if not whole:
            _sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"cannot write the ledger {str(path)!r}: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _seal(body: dict[str, Any]) -> tuple[bytes, str]:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps({**body, "hash": digest}, sort_keys=True).encode() + b"\n", digest


def _whole_lines(content: bytes) -> tuple[list[tuple[bytes, int]], bool]:
    """Lines with the offset after each, and whether an unfinished one follows."""
    lines, start = [], 0
    while (end := content.find(b"\n", start)) >= 0:
        lines.append((content[start:end], end + 1))
        start = end + 1
    return lines, start < len(content)


def _parse(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(line)
        if isinstance(record["hash"], str) and isinstance(record["record"], str):
            return dict(record)
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError(f"the ledger {str(path)!r} is damaged at line {number}; restore it from a backup") from None


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """All records of a ledger file, oldest first, after checking the chain.

    Args:
        path: The file; one that does not exist is an empty history.

    Raises:
        InputError: The file cannot be read, or a line was changed or taken out.
    """
    if not path.exists():
        return []
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            lines, _ = _whole_lines(file.read())
    except OSError as error:
        raise InputError(f"cannot read the ledger {str(path)!r}: {error.strerror}") from None
    records, previous = [], GENESIS
    for number, (line, _) in enumerate(lines, start=1):
        record = _parse(line, number, path)
        claimed = record.pop("hash")
        if record.get("previous") != previous or _seal(record)[1] != claimed:
            raise InputError(f"the ledger {str(path)!r} was altered at line {number}; restore it from a backup")
        previous = claimed
        records.append(record)
    return records
