"""Progress under a notebook's cell: one line that is rewritten while a fit goes on."""

from __future__ import annotations

import sys
import time
from typing import Any

OFTEN = 0.2  # seconds between two rewritings of the line


def notebook_progress() -> NotebookProgress | None:
    """Progress for the notebook this runs in; ``None`` elsewhere. IPython is not imported where it is not there already."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return NotebookProgress(ipython) if shell is not None and "IPKernelApp" in shell.config else None


class NotebookProgress:
    """The phase, its steps and the epsilon charged so far, as ``synth.progress.Progress`` wants it."""

    def __init__(self, ipython: Any) -> None:
        """Show through the module ``ipython``, once there is something to show."""
        self._display = ipython.display.display
        self._handle: Any = None
        self._phase, self._done, self._shown = "", 0, 0.0
        self._total: int | None = None
        self._epsilon = 0.0

    def phase(self, name: str, total: int | None = None) -> None:
        """A new phase starts."""
        self._phase, self._total, self._done = name, total, 0
        self._show()

    def advance(self, steps: int = 1) -> None:
        """Steps are done."""
        self._done += steps
        if time.monotonic() - self._shown > OFTEN or self._done == self._total:
            self._show()

    def spent(self, epsilon: float) -> None:
        """Epsilon charged so far."""
        self._epsilon = epsilon
        self._show()

    def _show(self) -> None:
        steps = "" if self._total is None else f" {self._done}/{self._total}"
        line = {"text/plain": f"{self._phase}{steps}, epsilon {self._epsilon:.2f} so far"}
        if self._handle is None:
            self._handle = self._display(line, raw=True, display_id=True)
        else:
            self._handle.update(line, raw=True)
        self._shown = time.monotonic()
