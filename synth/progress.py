"""How long work reports on itself: phases, steps and public figures only."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What ``fit`` calls while it works. Every argument is public: no row value, no row count, no loss on rows."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A new phase starts, of ``total`` steps if known."""

    def advance(self, steps: int = 1) -> None:
        """Steps of the current phase are done."""

    def spent(self, epsilon: float) -> None:
        """Epsilon charged so far."""


class Silent:
    """Reports nothing."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Ignore."""

    def advance(self, steps: int = 1) -> None:
        """Ignore."""

    def spent(self, epsilon: float) -> None:
        """Ignore."""
