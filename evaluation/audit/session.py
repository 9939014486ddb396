"""Whole audits: of one release in seconds, of everything in minutes. The latter goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from evaluation.audit.checks import CHECKS, family_finding
from evaluation.audit.claims import claim_of
from evaluation.audit.replay import doors_of, replay_of, replayed
from evaluation.audit.result import AuditResult, points_of
from evaluation.audit.sightings import Finding, judge
from synth.errors import InputError
from synth.progress import Silent
from synth.receipt import Receipt
from synth.registry import NEEDS, SYNTHESIZERS, require_installed
from synth.release import load
from synth.version import __version__

FITS = 12  # of each synthesizer
WHOLE = "the whole release; white box: the attacker knows all other rows and sees every noisy answer"


class Progress(Protocol):
    """What an audit reports to."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A new phase."""

    def advance(self, steps: int = 1) -> None:
        """Steps of it are done."""


def audit_release(path: Path, progress: Progress | None = None, rng: np.random.Generator | None = None) -> AuditResult:
    """Re-run the mechanisms of one release on canaries, and attack the doors that it went through.

    Args:
        path: A ``model.synth``; it is read, not changed.
        progress: Told about phases.
        rng: Of the canaries' coins; from operating-system entropy by default.

    Raises:
        ArtifactError: Not a model.
    """
    progress, rng, started = progress or Silent(), rng or np.random.default_rng(), time.monotonic()
    release = load(path)
    receipt: Receipt = release.receipt
    replay = replay_of(receipt)
    progress.phase("replaying the release's mechanisms", len(replay.counts) + len(replay.training))
    sighting = replayed(replay, rng, advance=progress.advance)
    attacked, whole = len(replay.counts) + len(replay.training), len(receipt.events)
    detail = f"{attacked} of {whole} charged mechanisms replayed in one run"
    found = [judge("release", WHOLE, sighting, detail=detail)]
    doors = doors_of(receipt)
    progress.phase("attacking its doors", len(doors))
    for name in doors:
        found.append(CHECKS[name].finding(rng))
        progress.advance()
    return AuditResult(
        scope=f"{path.name} ({receipt.model})", synth=__version__, created=_today(), model_sha256=digest(path),
        epsilon=receipt.epsilon, delta=receipt.delta, findings=tuple(found), curve=points_of(claim_of(sighting.events)),
        seconds=time.monotonic() - started,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FullPlan:
    """What ``audit_all`` runs.

    Attributes:
        checks: Names, in order.
        models: Synthesizers that are audited as a whole.
        fits: Of each.
    """

    checks: tuple[str, ...] = tuple(CHECKS)
    models: tuple[str, ...] = tuple(SYNTHESIZERS)
    fits: int = FITS


def audit_all(plan: FullPlan, record: Path, progress: Progress | None = None) -> AuditResult:
    """Run every check and audit every synthesizer; finished ones are read from ``record`` and not repeated.

    Args:
        plan: What to run. Synthesizers whose extra is not installed are left out.
        record: JSON lines, one finding each, of this version; appended to.
        progress: Told about phases.
    """
    progress, rng = progress or Silent(), np.random.default_rng()
    done, seconds = _recorded(record)
    for name in plan.checks:
        if name not in done:
            progress.phase(name)
            done[name], seconds = _timed(record, name, seconds, lambda name=name: CHECKS[name].finding(rng))  # type: ignore[misc]
    for model in plan.models:
        if model in done or not _installed(model):
            continue
        progress.phase(f"fitting {model}", plan.fits)
        run: Callable[[], Finding] = lambda m=model: family_finding(m, rng, fits=plan.fits, advance=progress.advance)  # type: ignore[misc]  # noqa: E731
        done[model], seconds = _timed(record, model, seconds, run)
    order = [n for n in (*plan.checks, *plan.models) if n in done]
    return AuditResult(
        scope=f"synth {__version__}", synth=__version__, created=_today(), model_sha256="", epsilon=None, delta=None,
        findings=tuple(done[n] for n in order), curve=(), seconds=seconds,
    )  # fmt: skip


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _installed(model: str) -> bool:
    if model not in NEEDS:
        return True
    try:
        require_installed(model)
    except InputError:
        return False
    return True


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _timed(record: Path, name: str, seconds: float, run: Callable[[], Finding]) -> tuple[Finding, float]:
    started = time.monotonic()
    found = run()
    took = time.monotonic() - started
    line = {"synth": __version__, "name": name, "seconds": round(took, 2), "finding": found.to_dict()}
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, allow_nan=False) + "\n")
    return found, seconds + took


def _recorded(record: Path) -> tuple[dict[str, Finding], float]:
    """Findings of this version by name, and how long they took; a last line cut off by a crash is left out."""
    found: dict[str, Finding] = {}
    seconds = 0.0
    if not record.exists():
        return found, seconds
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        record.write_text("".join(lines[:-1]), encoding="utf-8")
        lines = lines[:-1]
    for line in lines:
        try:
            facts = json.loads(line)
            if facts["synth"] == __version__:
                found[str(facts["name"])] = Finding(**facts["finding"])
                seconds += float(facts["seconds"])
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{str(record)!r} is not the record of an audit; name another with --output") from None
    return found, seconds
