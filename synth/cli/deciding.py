"""What ``synth evaluate`` does beyond measuring: ask the release gate, and make the version that may be published."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from synth.cli.console import Reporter, out, print_json, say
from synth.errors import InputError, RefusedError


def show_template(show: bool) -> None:
    """Print the policy that is shipped, and stop."""
    if show:
        from evaluation.gate import template

        typer.echo(template(), nl=False)
        raise typer.Exit


def ledger_of(model: str | None, ledger: str | None, what: str) -> Path:
    """The ledger of a release: the one named, or the one beside the model.

    Raises:
        InputError: Neither is named.
    """
    if ledger is not None:
        return Path(ledger)
    if model is None:
        raise InputError(
            f"{what} is recorded in the release's ledger; name the release with --model, or its ledger with --ledger"
        )
    return Path(model).with_name(Path(model).name + ".ledger.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A policy that is about to be checked, and how often was asked before."""

    policy: Any
    before: int


def ask(policy: str | None, model: str | None, ledger: str | None) -> Asked | None:
    """Read the policy and record, before anything is computed, that it is asked.

    Raises:
        InputError: The policy or the ledger cannot be used.
    """
    if policy is None:
        return None
    from evaluation.gate import read_policy
    from synth.privacy.ledger import record_asking

    rules = read_policy(Path(policy))
    book = ledger_of(model, ledger, "a verdict")
    release = hashlib.sha256(Path(model).read_bytes()).hexdigest() if model is not None else None
    before = record_asking(book, {"policy": rules.digest, "release": release})
    if before:
        say(
            f"note: {book} records {before} verdict(s) asked for before; fitting again until the gate opens voids the "
            "guarantee (arXiv:2312.05114)"
        )
    return Asked(policy=rules, before=before)


def add_verdict(report: Any, asked: Asked | None) -> tuple[Any, Any]:
    """The report with the verdict in it, and the verdict; ``None`` where none was asked for."""
    if asked is None:
        return report, None
    from evaluation.gate import judge, with_verdict

    verdict = judge(report.scores, report.card, asked.policy, asked.before)
    return with_verdict(report, verdict), verdict


def refuse_if_failed(verdict: Any) -> None:
    """Exit code 3 with the names of the checks that failed; their figures are in the report.

    Raises:
        RefusedError: A check failed.
    """
    if verdict is not None and not verdict.passed:
        raise RefusedError(f"the release fails the policy: {', '.join(verdict.failed)}; the report says why")


def publish_report(
    real: Any,
    synthetic: Any,
    release: Any,
    ledger: Path,
    output: Path,
    *,
    epsilon: float,
    delta: float | None,
    target: str | None,
    seed: int,
    force: bool,
    progress: Reporter,
) -> Any:
    """Measure, charge and write the page."""
    from evaluation.publish import publish
    from synth.release import atomic_path

    progress.phase("paid measurements")
    report = publish(real, synthetic, release, ledger, epsilon=epsilon, delta=delta, target=target, seed=seed)
    with atomic_path(output, force=force) as temporary:
        temporary.write_text(report.to_html(), encoding="utf-8")
    return report


def show_published(report: Any, output: Path, ledger: Path, *, as_json: bool) -> None:
    """The paid scores on stdout."""
    if as_json:
        print_json(report.to_json())
        return
    for s in report.scores:
        out.print(f"{s.label}: {s.value:.3f} ({s.low:.3f} to {s.high:.3f})")
    facts = report.facts
    out.print(
        f"report: {output}, may be published; release and report together: epsilon {facts['epsilon_total']:g}, "
        f"delta {facts['delta_total']:.3g} (charged to {ledger})"
    )
