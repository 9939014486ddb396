"""What people see: results on stdout, progress and errors on stderr, JSON where asked."""

from __future__ import annotations

import json
import sys
import threading
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


SILENCE = 0.75  # seconds after which a phase that goes on says so; with a beat of a quarter of it, a second is never silent


class Reporter:
    """Progress on stderr: a bar on a terminal, JSON lines elsewhere (and with ``--json``), at least one a second."""

    def __init__(self, *, quiet: bool, as_json: bool, epsilon: float | None = None, timed: bool = True) -> None:
        """``epsilon`` is the budget that spending is compared with; without ``timed`` nothing tells how long it takes."""
        self._quiet, self._budget, self._timed = quiet, epsilon, timed
        self._drawn = not quiet and not as_json and err.is_terminal
        self._spent, self._started = 0.0, time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._phase, self._done, self._last = "", 0, 0.0
        self._total: int | None = None
        self._begun, self._over, self._lock = time.monotonic(), threading.Event(), threading.Lock()
        self._beat = threading.Thread(target=self._keep_telling, daemon=True)

    def __enter__(self) -> Reporter:
        if self._drawn:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[spent]}"),
                *((TimeElapsedColumn(), TextColumn("left"), Remaining()) if self._timed else ()),
                console=err,
                transient=True,
            )
            self._bar.start()
        elif not self._quiet and self._timed:
            self._beat.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._over.set()
        if self._beat.is_alive():
            self._beat.join()

    def _keep_telling(self) -> None:
        """Lines while a phase says nothing itself."""
        while not self._over.wait(SILENCE / 4):
            if self._phase and time.monotonic() - self._last > SILENCE:
                self._line()

    def phase(self, name: str, total: int | None = None) -> None:
        """Show a new phase."""
        self._phase, self._total, self._done, self._begun = name, total, 0, time.monotonic()
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=total, spent=self._spending())
        else:
            self._line()

    def advance(self, steps: int = 1) -> None:
        """Move the bar, or print a line where there was none for a while."""
        self._done += steps
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=steps)
        elif self._timed and time.monotonic() - self._last > SILENCE:
            self._line()

    def spent(self, epsilon: float) -> None:
        """Show what has been charged."""
        self._spent = epsilon
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, spent=self._spending())

    def _spending(self) -> str:
        return f"epsilon {self._spent:.2f} of {self._budget:g}" if self._budget is not None else ""

    def _pace(self) -> tuple[float | None, float | None]:
        """Steps (rows, where rows are drawn) a second in this phase, and seconds it still takes."""
        elapsed = time.monotonic() - self._begun
        if not self._done or elapsed <= 0:
            return None, None
        pace = self._done / elapsed
        return round(pace, 1), None if self._total is None else round(max(self._total - self._done, 0) / pace, 1)

    def _line(self) -> None:
        if self._quiet:
            return
        with self._lock:
            self._last = time.monotonic()
            self._write()

    def _write(self) -> None:
        pace, left = self._pace()
        seconds = round(time.monotonic() - self._started, 1)
        facts: dict[str, Any] = {"phase": self._phase, "done": self._done, "total": self._total}
        if self._timed:
            facts |= {"per_second": pace, "seconds_left": left, "seconds": seconds}
        if self._budget is not None:
            facts |= {"epsilon_spent": round(self._spent, 4), "epsilon": self._budget}
        sys.stderr.write(json.dumps(facts) + "\n")
        sys.stderr.flush()
