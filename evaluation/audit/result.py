"""The result of an audit: what was claimed, what was measured, what was contradicted. JSON for machines, a page for people."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from evaluation.audit.claims import Claim
from evaluation.audit.sightings import Finding

FloatArray = npt.NDArray[np.float64]

FORMAT, VERSION = "synth-audit", 1
WIDTH, HEIGHT, MARGIN = 640, 300, 52
LOWEST = -9.0  # log10 of the smallest delta that is drawn
CAVEAT = (
    "An attack that fails proves nothing: the guarantee rests on the proof in docs/privacy.md. "
    "An attack that succeeds refutes it."
)
THREAT = (
    "The attacker knows the method, the whole configuration and all rows but one, and (white box) sees every noisy answer of "
    "the run: more than a reader of the release. The rows are made up for the audit; no private table was read."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """Everything an audit found.

    Attributes:
        scope: What was audited: one release, or all mechanisms of this version.
        synth: Version of the software.
        created: Date.
        model_sha256: Of the release's file; empty where no release was audited.
        epsilon: Promised by the release.
        delta: Promised by the release.
        findings: One per check; the first is the release as a whole, where one was audited.
        curve: Claimed points (epsilon, delta) of the first finding.
        seconds: It took.
    """

    scope: str
    synth: str
    created: str
    model_sha256: str
    epsilon: float | None
    delta: float | None
    findings: tuple[Finding, ...]
    curve: tuple[tuple[float, float], ...]
    seconds: float

    def contradicted(self) -> list[str]:
        """Names of the checks that contradict what is claimed."""
        return [f.check for f in self.findings if f.contradicted]

    def headline(self) -> str:
        """The outcome in a sentence."""
        wrong, number = self.contradicted(), len(self.findings)
        if wrong:
            return f"CONTRADICTED: what is claimed does not hold, by {len(wrong)} of {number} checks ({', '.join(wrong)})"
        return f"not contradicted by any of {number} checks"

    def measured(self) -> str:
        """The lower bound of the first finding in words; empty where it has none."""
        first = self.findings[0]
        if first.at_least is None or first.epsilon is None:
            return ""
        text = (
            f"epsilon is at least {first.at_least:.2f} of {first.epsilon:.2f} claimed, with {first.confidence:.0%} confidence"
        )
        if first.at_least_one_run is not None:
            text += f"; at least {first.at_least_one_run:.2f} if canaries may depend on each other"
        return text

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        facts = asdict(self) | {"format": FORMAT, "version": VERSION, "headline": self.headline(), "measured": self.measured()}
        return facts | {"contradicted": self.contradicted(), "threat_model": THREAT, "caveat": CAVEAT}

    def to_html(self) -> str:
        """One self-contained page."""
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        text = resources.files("evaluation.audit").joinpath("audit.html.j2").read_text(encoding="utf-8")
        template = environment.from_string(text)
        return template.render(
            result=self, threat=THREAT, caveat=CAVEAT, lines=_lines(self), ticks=_ticks(self), size=(WIDTH, HEIGHT, MARGIN)
        )


def points_of(claim: Claim) -> tuple[tuple[float, float], ...]:
    """A curve as points, for drawing."""
    return tuple(zip(claim.epsilons.tolist(), claim.deltas.tolist(), strict=True))


def _scale(result: AuditResult) -> float:
    return max([e for e, d in result.curve if d >= 10**LOWEST] + [result.epsilon or 0.0, 0.1]) * 1.05


def _place(epsilon: float, delta: float, largest: float) -> str:
    x = MARGIN + (WIDTH - 2 * MARGIN) * min(epsilon / largest, 1.0)
    y = MARGIN / 2 + (HEIGHT - 1.5 * MARGIN) * min(max(math.log10(delta) / LOWEST, 0.0), 1.0)
    return f"{x:.1f},{y:.1f}"


def _lines(result: AuditResult) -> dict[str, str]:
    """Points of the polylines: the claimed curve, and the measured bounds as upright lines."""
    largest = _scale(result)
    found = {"claimed": " ".join(_place(e, d, largest) for e, d in result.curve if d >= 10**LOWEST)}
    first = result.findings[0]
    for name, value in (("measured", first.at_least), ("one run", first.at_least_one_run)):
        if value and first.delta:
            found[name] = f"{_place(value, 1.0, largest)} {_place(value, first.delta, largest)}"
    return found if result.curve else {}


def _ticks(result: AuditResult) -> dict[str, list[tuple[float, str]]]:
    """Positions and labels along both axes."""
    largest = _scale(result)
    steps = [largest * i / 5 for i in range(6)]
    across = [(float(_place(e, 1.0, largest).split(",")[0]), f"{e:.2g}") for e in steps]
    down = [(float(_place(0.0, 10.0**-k, largest).split(",")[1]), f"1e-{k}" if k else "1") for k in range(0, 10, 3)]
    return {"across": across, "down": down}
