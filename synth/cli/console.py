"""What people see: results on stdout, progress and errors on stderr, JSON where asked."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_json(facts: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(facts, indent=1, allow_nan=False, default=str) + "\n")


def say(text: str, *, quiet: bool = False) -> None:
    """One line for people on stderr."""
    if not quiet:
        err.print(text)


class Reporter:
    """Progress on stderr: a bar on a terminal, a line per phase (JSON lines with ``--json``) elsewhere."""

    def __init__(self, *, quiet: bool, as_json: bool, epsilon: float | None = None) -> None:
        """``epsilon`` is the budget that spending is compared with."""
        self._quiet, self._json, self._budget = quiet, as_json, epsilon
        self._spent, self._started = 0.0, time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._phase, self._done, self._last = "", 0, 0.0
        self._total: int | None = None

    def __enter__(self) -> Reporter:
        if not self._quiet and not self._json and err.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[spent]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                Remaining(),
                console=err,
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def phase(self, name: str, total: int | None = None) -> None:
        """Show a new phase."""
        self._phase, self._total, self._done, self._last = name, total, 0, time.monotonic()
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=total, spent=self._spending())
        else:
            self._line()

    def advance(self, steps: int = 1) -> None:
        """Move the bar, or print a line every five seconds."""
        self._done += steps
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=steps)
        elif time.monotonic() - self._last > 5:
            self._last = time.monotonic()
            self._line()

    def spent(self, epsilon: float) -> None:
        """Show what has been charged."""
        self._spent = epsilon
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, spent=self._spending())

    def _spending(self) -> str:
        return f"epsilon {self._spent:.2f} of {self._budget:g}" if self._budget is not None else ""

    def _line(self) -> None:
        if self._quiet:
            return
        seconds = round(time.monotonic() - self._started, 1)
        if self._json:
            facts = {"phase": self._phase, "done": self._done, "total": self._total, "seconds": seconds}
            if self._budget is not None:
                facts["epsilon_spent"] = round(self._spent, 4)
            sys.stderr.write(json.dumps(facts) + "\n")
            return
        steps = f" {self._done}/{self._total}" if self._total else ""
        sys.stderr.write(f"[{seconds:6.1f} s] {self._phase}{steps} {self._spending()}".rstrip() + "\n")
        sys.stderr.flush()
