"""Several sites in threads of this process, with a coordinator between them: to see what they would learn, before they do.

Whoever runs this holds all rows, so it protects nobody from anybody. What is asked, answered and drawn is that of real sites.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from synth.adding import answers
from synth.errors import InputError, SiteError
from synth.privacy.sites import GONE, Exchange, gone
from synth.release import Release
from synth.schema import Schema
from synth.sites import MODELS, fit_site


class Room:
    """Sites in threads, and what they are answered."""

    def __init__(self, size: int, seed: int | None = None) -> None:
        """For ``size`` sites; the seed is for initial weights."""
        self.size, self.seed = size, secrets.randbits(63) if seed is None else seed
        self._said: dict[int, bytes] = {}
        self._told: list[list[bytes]] = []
        self._over, self._turn = False, threading.Condition()

    def answer(self, messages: list[bytes]) -> tuple[list[bytes], str]:
        """What the coordinator says to one message of every site."""
        told, kind, _ = answers(messages, self.seed)
        return told, kind

    def exchange(self, rank: int, message: bytes) -> bytes:
        """Wait for the messages of all, and for the answer."""
        with self._turn:
            self._said[rank], turn = message, len(self._told)
            if len(self._said) == self.size:
                told, kind = self.answer([self._said[r] for r in range(self.size)])
                self._told.append(told)
                self._said, self._over = {}, kind in ("gone", "done")
                self._turn.notify_all()
            self._turn.wait_for(lambda: len(self._told) > turn)
            return self._told[turn][rank]

    def run(self, task: Callable[[Exchange, int], Any]) -> list[Any]:
        """``task(exchange, rank)`` at every site: what each gave, or the error it raised."""
        found: list[Any] = [None] * self.size

        def work(rank: int) -> None:
            try:
                found[rank] = task(lambda message: self.exchange(rank, message), rank)
            except BaseException as error:  # noqa: BLE001 - handed back; the others have to hear of it
                found[rank] = error
                if not self._over:
                    self.exchange(rank, gone())

        threads = [threading.Thread(target=work, args=(rank,)) for rank in range(self.size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


def rehearse(
    tables: Sequence[Any],
    *,
    schema: Schema,
    epsilon: float,
    delta: float | None = None,
    model: str = MODELS[0],
    options: dict[str, Any] | None = None,
    seed: int | None = None,
) -> Release:
    """What sites with these rows would learn together.

    Args:
        tables: The rows of each site: files or frames.
        schema: See ``synth.sites.fit_site``, as for what follows.
        epsilon: The whole budget of each site's rows.
        delta: See there.
        model: See there.
        options: See there.
        seed: For initial weights.

    Raises:
        SynthError: What ended a site.
    """
    if len(tables) < 2:
        raise InputError("several sites are at least two")

    def task(exchange: Exchange, rank: int) -> Release:
        line = lambda: nullcontext(exchange)  # noqa: E731 - a line that is open already
        return fit_site(tables[rank], line, schema=schema, epsilon=epsilon, delta=delta, model=model, options=options)[0]

    found = Room(len(tables), seed).run(task)
    errors = [error for error in found if isinstance(error, BaseException)]
    errors.sort(key=lambda error: isinstance(error, SiteError) and str(error) == GONE)
    if errors:
        raise errors[0]
    release: Release = found[0]
    return release
