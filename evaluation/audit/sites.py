"""What one of several sites tells: read by an attacker who is the coordinator and all the other sites at once.

The attacker answers the site's messages itself. Its own rows are none and its own noise is zero, so that what comes back to the
site is what the site sent: an answer of the site alone, which must have all the noise that the site's ledger was charged for.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from evaluation.audit.ledgers import DELTA, audit_ledger, rows_of
from evaluation.audit.probes import ProbePlan, probe
from evaluation.audit.scores import gaussian_score
from evaluation.audit.sightings import GATE, Finding, Sighting
from synth.errors import SiteError
from synth.privacy import sites as protocol
from synth.privacy.events import GaussianEvent
from synth.privacy.mechanisms import noisy_size
from synth.privacy.sites import FINE, NONCE, Sites
from synth.privacy.vault import PrivateTable
from synth.table import Domain

IntArray = npt.NDArray[np.int64]

FACTS = {"schema": "of the audit"}
ROWS, SIGMA, COUNTS = 1000, 7.0, 300  # of a row count, and how often it is asked
QUIET = 1e-6  # noise that rounds to nothing


@dataclass(slots=True)
class Attacker:
    """Coordinator and the other of two sites.

    Attributes:
        plot: What it does with the row count: nothing, "late" (opens another one than it promised) or "copied" (promises and
            opens what the site does).
        heard: Kind and content of each message.
    """

    plot: str = ""
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    def __call__(self, message: bytes) -> bytes:
        """See ``synth.privacy.sites.Exchange``."""
        head, _, content = message.partition(b"\n")
        facts = json.loads(head)
        self.heard.append((facts["kind"], content))
        return FINE + self._answer(facts["kind"], facts["about"], content)

    def _answer(self, kind: str, about: str, content: bytes) -> bytes:
        if kind == "join":
            return json.dumps({"rank": 0, "size": 2, "seed": 1}).encode()
        if kind in ("commit", "open"):
            own = bytes(NONCE) + np.zeros(1, dtype="<i8").tobytes()
            mine = protocol.commitment(1, about, own) if kind == "commit" else own.hex()
            if self.plot == "copied":
                mine = content.decode()
            if self.plot == "late" and kind == "open":
                mine = (bytes(NONCE) + np.array([ROWS], dtype="<i8").tobytes()).hex()
            return json.dumps([content.decode(), mine]).encode()
        return content

    def shown(self, kind: str) -> list[bytes]:
        """What the site sent under a kind."""
        return [content for heard, content in self.heard if heard == kind]


def site_tables(rng: np.random.Generator, *, epsilon: float = 4.0, cells: int = 16_384) -> Sighting:
    """One-way table of a site: each canary is a row in a cell of its own, beside two rows that are always there."""
    present = np.asarray(rng.random(cells) < 0.5)
    codes = np.concatenate([np.flatnonzero(present), np.repeat(np.arange(cells), 2)]).astype(np.int64)[:, None]
    ledger, attacker = audit_ledger(epsilon), Attacker()
    entropy = Sites(attacker, FACTS)
    table = PrivateTable(codes, Domain(names=("c0",), sizes=(cells,)), rows_of(ledger), ledger, entropy=entropy)
    table.noisy_marginals_with_rest([("c0",)])
    (event,) = (e for e in ledger.events if isinstance(e, GaussianEvent))
    (told,) = attacker.shown("sum")
    scores = gaussian_score((np.frombuffer(told, dtype="<i8") - 2) * event.mu, event.mu)
    return Sighting(scores=scores, present=present, events=ledger.events, delta=DELTA, one_run=True)


def site_gradients(plan: ProbePlan, rng: np.random.Generator) -> Sighting:
    """DP-SGD at a site."""
    return probe(plan, rng, entropy=Sites(Attacker(), FACTS))


def site_count(rng: np.random.Generator) -> Finding:  # noqa: ARG001 - entropy is the product's
    """A site tells its row count when all are bound to theirs, hidden until then, with all of its noise; cheats are seen."""
    early, opened = 0, np.zeros(COUNTS)
    for i in range(COUNTS):
        attacker = _counted(SIGMA)
        early += [kind for kind, _ in attacker.heard] != ["join", "commit", "open"]
        told = (attacker.shown("open") or [b""])[0]
        opened[i] = _number(bytes.fromhex(told.decode())) if told else ROWS
    bare = [_counted(QUIET).shown("commit") for _ in range(2)]
    alike = int(bare[0] == bare[1])
    plots = [plot for plot in ("late", "copied") if not _refused(plot)]
    power = float(((opened - ROWS) ** 2).sum()) / SIGMA**2
    little = float(stats.chi2.cdf(power, COUNTS))
    return Finding(
        check="sites' row count", attacks="messages of one site about its row count; a coordinator that cheats",
        contradicted=bool(early or alike or plots or little < GATE), significance=GATE, canaries=COUNTS,
        detail=f"told too early: {early} of {COUNTS}; equal counts look alike: {alike}; cheats that were not seen: "
        f"{', '.join(plots) or 'none'}; least noise: p = {little:.2g}",
    )  # fmt: skip


def _counted(sigma: float, plot: str = "") -> Attacker:
    attacker = Attacker(plot)
    noisy_size(ROWS, sigma=sigma, entropy=Sites(attacker, FACTS))
    return attacker


def _refused(plot: str) -> bool:
    try:
        _counted(SIGMA, plot)
    except SiteError:
        return True
    return False


def _number(opening: bytes) -> float:
    return float(np.frombuffer(opening[NONCE:], dtype="<i8")[0]) if len(opening) == NONCE + 8 else math.inf
