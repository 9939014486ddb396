"""``synth audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.console import Reporter, out, print_json
from synth.cli.fitting import Force, Json, Quiet, interruptible
from synth.errors import InputError, RefusedError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="audit")(audit)


def audit(
    model: Annotated[str | None, typer.Argument(help="A model.synth.")] = None,
    full: Annotated[bool, typer.Option("--full", help="All mechanisms and models of this version instead; minutes.")] = False,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The page (default MODEL.audit.html, audit.html with --full).")
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Attack the guarantee: canaries through the production code, held against the claimed privacy curve.

    Works on rows of its own making: no private table is needed or read. With a model, its mechanisms are run again as its
    receipt describes them; the result goes into a page and a JSON file beside it, and `synth inspect` shows it. An attack that
    fails proves nothing; one that succeeds refutes the promise (exit code 3). A full audit that was stopped goes on from there.

    Example: synth audit model.synth
    """
    from evaluation.audit.session import FullPlan, audit_all, audit_release
    from synth.audited import audit_path
    from synth.release import check_writable

    if (model is None) != full:
        raise InputError(
            "name a model to audit, such as: synth audit model.synth; or pass --full for all mechanisms, without one"
        )
    place = Path(model) if model is not None else Path("audit")
    page = Path(output) if output is not None else place.with_name(place.name + (".html" if full else ".audit.html"))
    data = page.with_suffix(".json") if model is None else audit_path(place)
    for target in (page, data):
        check_writable(target, force=force)
    record = page.with_suffix(".partial.jsonl")
    with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
        result = audit_all(FullPlan(), record, progress) if full else audit_release(place, progress)
    _write(result, page, data, force=force)
    record.unlink(missing_ok=True)
    if as_json:
        print_json(result.to_json())
    else:
        show(result)
        out.print(f"page: {page}   data: {data}")
    wrong = result.contradicted()
    if wrong:
        names = ", ".join(wrong)
        raise RefusedError(
            f"the claim is contradicted by: {names}; publish nothing of this version, and report it (SECURITY.md)"
        )


def _write(result: Any, page: Path, data: Path, *, force: bool) -> None:
    import json

    from synth.release import atomic_path

    with atomic_path(page, force=force) as temporary:
        temporary.write_text(result.to_html(), encoding="utf-8")
    with atomic_path(data, force=force) as temporary:
        temporary.write_text(json.dumps(result.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def show(result: Any) -> None:
    """The table of findings on stdout."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    table.add_column("check", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in ("claimed", "at least", "one run", "canaries"):
        table.add_column(name, justify="right")
    for f in result.findings:
        figures = (f.epsilon, f.at_least if f.at_least is not None else f.at_least_plain, f.at_least_one_run)
        verdict = "CONTRADICTED" if f.contradicted else "not contradicted"
        table.add_row(Text(f.check), verdict, *(_cell(v) for v in figures), f"{f.canaries:,}" if f.canaries else "")
    out.print(table)
    out.print(result.headline())
    if result.measured():
        out.print(result.measured())
    out.print("an attack that fails proves nothing; the guarantee rests on the proof in docs/privacy.md")


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
