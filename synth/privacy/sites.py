"""Several sites that trust nobody with an exact sum: each adds noise to its own, and only then are they added up.

Every site runs the same fit on its own rows. Wherever a mechanism gets an exact answer, the site draws all of the noise that
its ledger was charged for, on its own machine and from its own entropy; what leaves is an answer that would do for a release
by itself. So each site's guarantee holds against whoever adds the answers up and against all other sites together, whatever
these do: their messages are other people's data, and what they are asked next is an adaptive question under a fixed total.

The sum of ``size`` sites has the noise of each in it: its standard deviation is ``sqrt(size)`` times what one site charged.

One figure needs more care. Later noise and rates are functions of the row count, and the argument for that holds if what is
added to a site's own noisy number does not depend on it (``synth.privacy.budget``). For that count each site therefore first
sends a commitment, sees those of all others, and only then opens its own; a site checks all that it is shown. Commitments
name the site they are from, so that nobody can copy one.

All that leaves goes through ``Exchange``, message by message; all that comes back is public.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.errors import SiteError
from synth.privacy.randomness import Value, os_entropy

IntArray = npt.NDArray[np.int64]
Exchange = Callable[[bytes], bytes]  # a site's message to the answer it gets

NONCE = 32  # bytes
BELOW = 6.0  # standard deviations that counts of other sites may lie below 0; chance alone goes beyond once in a billion runs
MOST_SITES = 1_000_000


class Sites:
    """One site of a run. Call it like ``os_entropy``: its bytes are this site's own.

    Attributes:
        rank: Of this site, from 0.
        size: Number of sites.
        seed: For initial weights, the same at all sites. Public.
    """

    def __init__(self, exchange: Exchange, facts: dict[str, str]) -> None:
        """Join the others.

        Args:
            exchange: Carries one message to whoever adds up, and gives the answer.
            facts: What all sites must agree on, by name, as digests. Public.

        Raises:
            SiteError: They do not agree.
        """
        self._exchange, self._asked = exchange, 0
        told = _parsed(self._ask("join", "", json.dumps(facts).encode()))
        try:
            self.rank, self.size, self.seed = (int(told[key]) for key in ("rank", "size", "seed"))
        except (LookupError, TypeError, ValueError, OverflowError):
            raise SiteError(GARBLED) from None
        if not (0 <= self.rank < self.size <= MOST_SITES and self.seed >= 0):
            raise SiteError(GARBLED)

    def __call__(self, n_bytes: int) -> bytes:
        """Bytes of this site's own. Secret."""
        return os_entropy(n_bytes)

    def pooled(self, noisy: IntArray, asked: str) -> IntArray:
        """Sum over all sites. Public.

        Args:
            noisy: This site's answer, with its noise. It leaves the site.
            asked: Public text about the question; all sites must say the same.

        Raises:
            SiteError: The sites do not ask the same question, or one is gone.
        """
        answer = self._ask("sum", f"{noisy.shape} {asked}", noisy.astype("<i8").tobytes())
        return _numbers(answer, noisy.shape)

    def committed(self, noisy: IntArray, sigma: float) -> IntArray:
        """The same, where no site can have chosen its part by looking at that of another. Public.

        Args:
            noisy: This site's counts, with noise of ``sigma``. They leave the site.
            sigma: As it is at all sites.

        Raises:
            SiteError: As above; what was shown does not match what was committed to; or others say that they have fewer than
                none, so that a site would have more than all together, whose number steers what it draws.
        """
        about = f"{noisy.shape} {sigma!r}"
        opening = os_entropy(NONCE) + noisy.astype("<i8").tobytes()
        own = commitment(self.rank, about, opening)
        promised = _texts(self._ask("commit", about, own.encode()))
        if len(promised) != self.size or promised[self.rank] != own:
            raise SiteError(GARBLED)
        shown = _texts(self._ask("open", about, opening.hex().encode()))
        try:
            opened = [bytes.fromhex(text) for text in shown]
        except ValueError:
            raise SiteError(GARBLED) from None
        if len(opened) != self.size or opened[self.rank] != opening:
            raise SiteError(GARBLED)
        if [commitment(rank, about, text) for rank, text in enumerate(opened)] != promised:
            raise SiteError("a site changed its row count after it had seen that of another; the run ends")
        whole = np.asarray(sum(_numbers(text[NONCE:], noisy.shape) for text in opened), dtype=np.int64)
        if (whole < noisy - BELOW * sigma * math.sqrt(self.size - 1)).any():
            raise SiteError("the counts of the other sites cannot be; the run ends, and what was charged stays charged")
        return whole

    def shared(self, named: Sequence[tuple[Value, int]], asked: str) -> list[tuple[Value, int]]:
        """Values that every site names, in order, with the sums of their noisy counts. Public.

        Args:
            named: What this site may name: values above its threshold, and their noisy counts. They leave the site.
            asked: Public text about the question.

        Raises:
            SiteError: As above.
        """
        told = _parsed(self._ask("name", asked, json.dumps(named, allow_nan=False).encode()))
        own = {value for value, _ in named}
        try:
            return [(value, int(count)) for value, count in told if value in own]
        except (TypeError, ValueError, OverflowError):
            raise SiteError(GARBLED) from None

    def agree(self, what: str, fact: str) -> None:
        """Make sure that all sites say the same about something public.

        Raises:
            SiteError: They do not.
        """
        self._ask("agree", what, digest(fact).encode())

    def close(self, fingerprint: str, release: bytes) -> bool:
        """Tell that this site is done.

        Args:
            fingerprint: Of what it learnt. Public.
            release: For whoever adds up, from the first site: what may be published anyhow.

        Returns:
            Whether all sites learnt the same.
        """
        content = release if self.rank == 0 else b""
        return self._ask("done", "", fingerprint.encode() + b"\n" + content) == SAME

    def _ask(self, kind: str, about: str, content: bytes) -> bytes:
        self._asked += 1
        head = {"kind": kind, "number": self._asked, "about": about}
        told = self._exchange(json.dumps(head).encode() + b"\n" + content)
        if told[:1] != FINE:
            raise SiteError(_plain(told[1:]))
        return told[1:]


FINE, WRONG = b"+", b"-"
SAME, OTHER = b"same", b"other"
GARBLED = "what the coordinator answered cannot be; the run ends, and what was charged stays charged"
GONE = "another site is gone, and the run with it; see its own message. What was charged stays charged"
DEPART = "the sites depart from each other; run them with the same version of synth and of its libraries"


def commitment(rank: int, about: str, opening: bytes) -> str:
    """What a site sends before it opens: hides the opening by its nonce, and binds to it and to the site."""
    return hashlib.sha256(f"{rank} {about}\n".encode() + opening).hexdigest()


def digest(fact: str) -> str:
    """Of something public, to compare."""
    return hashlib.sha256(fact.encode()).hexdigest()


def gone() -> bytes:
    """The message of a site that cannot go on. It does not say why."""
    return json.dumps({"kind": "gone", "number": 0, "about": ""}).encode() + b"\n"


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise SiteError(GARBLED) from None


def _texts(content: bytes) -> list[str]:
    told = _parsed(content)
    if not isinstance(told, list) or not all(isinstance(text, str) for text in told):
        raise SiteError(GARBLED)
    return told


def _numbers(content: bytes, shape: tuple[int, ...]) -> IntArray:
    if len(content) != 8 * math.prod(shape):
        raise SiteError(GARBLED)
    return np.frombuffer(content, dtype="<i8").astype(np.int64).reshape(shape)


def _plain(told: bytes) -> str:
    """A sentence from elsewhere, made safe to show."""
    text = told.decode(errors="replace")
    return text if text.isprintable() and 0 < len(text) <= 500 else GARBLED
