"""``synth evaluate`` and ``synth demo``."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.console import Reporter, out, print_json, say
from synth.cli.deciding import (
    Asked,
    add_verdict,
    ask,
    ledger_of,
    publish_report,
    refuse_if_failed,
    show_published,
    show_template,
)
from synth.cli.fitting import Force, Json, Quiet, interruptible, run_fit
from synth.config import FitConfig
from synth.errors import InputError
from synth.registry import DEFAULT

DEMO_MARK = ".synth-demo"
DETAIL = re.compile(r"_tpr_(001|10)$|^tstr_(?!auc|r2)")  # scores that only the report shows


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="evaluate")(evaluate)
    app.command(name="demo")(demo)


def evaluate(
    real: Annotated[str, typer.Option("--real", "-r", help="The rows the model was fitted on.")],
    synthetic: Annotated[str, typer.Option("--synthetic", help="The synthetic rows.")],
    holdout: Annotated[
        str | None,
        typer.Option("--holdout", help="Real rows that were not fitted: ceiling, and control of the attack."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="model.synth: its schema and release card.")] = None,
    schema: Annotated[str | None, typer.Option("--schema", "-s", help="Schema file, instead of a model's.")] = None,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Column to predict, instead of the schema's.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", "-g", help="Column of subgroups: utility is shown for each. May be repeated."),
    ] = None,
    max_rows: Annotated[
        int | None,
        typer.Option("--max-rows", help="Score a random sample of this many rows of each table; the report says so."),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="The HTML report.")] = "report.html",
    seed: Annotated[int, typer.Option("--seed", help="Of subsampling and classifiers.")] = 0,
    delimiter: Annotated[str | None, typer.Option("--delimiter", help="Of the real text files.")] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Of the real text files.")] = "utf-8",
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", help="Also score a generator without noise (NOT PRIVATE): trees, net or independent."),
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="Release gate (TOML); exit code 3 where it is not met.")
    ] = None,
    template: Annotated[  # noqa: ARG001 - its callback prints and ends
        bool,
        typer.Option("--policy-template", callback=show_template, is_eager=True, help="Print a policy to start from."),
    ] = False,
    ledger: Annotated[
        str | None, typer.Option("--ledger", help="Of the release (default MODEL.ledger.jsonl), for --policy and --publish.")
    ] = None,
    publish: Annotated[
        float | None, typer.Option("--publish", help="Make the publishable report instead, for this extra epsilon.")
    ] = None,
    publish_delta: Annotated[float | None, typer.Option("--publish-delta", help="Its extra delta (default 1e-7).")] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure fidelity, downstream utility and membership risk of synthetic rows, and write a report.

    The report is computed on private rows: it is not covered by epsilon. Keep it inside. With --publish a version is made
    that may leave: it holds nothing about real rows that was not paid for under an extra epsilon.

    Example: synth evaluate --real train.csv --holdout test.csv --synthetic synthetic.csv --model model.synth
    """
    from synth.fewer_columns import has_fewer_columns
    from synth.privacy.ingest import read_table
    from synth.release import check_writable, load

    check_writable(Path(output), force=force)
    if baseline is not None:
        from evaluation.baselines.generators import make_baseline

        make_baseline(baseline)
    frames = {name: read_table(path, delimiter=delimiter, encoding=encoding) for name, path in
              (("real", real), ("holdout", holdout)) if path is not None}  # fmt: skip
    frames["synthetic"] = read_table(synthetic)
    release = load(model) if model is not None else None
    if publish is not None:
        if release is None:
            raise InputError("--publish needs the release's own domain and receipt; name it with --model")
        if not policy is schema is holdout is baseline is None:
            raise InputError("--publish goes without --policy, --schema, --holdout and --baseline: none of them is paid for")
        book = ledger_of(model, ledger, "a published report")
        with interruptible(), Reporter(quiet=quiet, as_json=as_json, epsilon=publish) as progress:
            paid = publish_report(
                frames["real"], frames["synthetic"], release, book, Path(output), epsilon=publish, delta=publish_delta,
                target=target, seed=seed, force=force, progress=progress,
            )  # fmt: skip
        show_published(paid, Path(output), book, as_json=as_json)
        return
    asked = ask(policy, model, ledger)
    if release is not None and has_fewer_columns(release.receipt):
        frames = {name: frame[[c for c in frame if c in release.schema.names]] for name, frame in frames.items()}
    facts = read_facts(release, schema, frames["real"])
    with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
        report, verdict = write_report(
            frames, facts, release, target, Path(output),
            groups=tuple(group or ()), max_rows=max_rows, seed=seed, force=force, progress=progress, asked=asked,
            baseline=baseline,
        )  # fmt: skip
    if as_json:
        print_json(report.to_json())
    else:
        show_scores(report)
        out.print(f"report: {output}  (contains private information: do not publish)")
    refuse_if_failed(verdict)


def read_facts(release: Any, schema: str | None, real: Any) -> Any:
    """Every kind declared: from the model, else from the schema, else guessed from the rows for looking at them only."""
    from dataclasses import replace

    from synth.api import read_schema
    from synth.privacy.draft import draft_schema

    if release is not None and schema is None:
        return release.schema
    draft = draft_schema(real)
    if schema is None:
        return draft
    declared = read_schema(schema)
    drafted = {c.name: c for c in draft.columns}
    columns = tuple(
        c if c.kind is not None or c.name not in drafted else replace(drafted[c.name], bounds=None, categories=None)
        for c in declared.columns
    )
    return declared.with_columns(columns)


def write_report(
    frames: dict[str, Any],
    facts: Any,
    release: Any,
    target: str | None,
    output: Path,
    *,
    groups: tuple[str, ...] = (),
    max_rows: int | None = None,
    seed: int,
    force: bool,
    progress: Reporter,
    asked: Asked | None = None,
    baseline: str | None = None,
) -> tuple[Any, Any]:
    """Evaluate and write the page; also what ``synth demo`` does. Gives the report and the verdict, if one was asked for."""
    from evaluation import evaluate as run
    from synth.release import atomic_path

    card, measured = None, tuple[tuple[str, ...], ...]()
    if release is not None:
        r = release.receipt
        card = {"model": r.model, "epsilon": r.epsilon, "delta": r.delta, "adjacency": r.adjacency, "unit": r.unit,
                "rows": r.rows, "created": r.created}  # fmt: skip
        by_kind = [tuple(tuple(e["target"]) for e in r.events if e.get("what") == kind) for kind in ("table", "one-way table")]
        measured = by_kind[0] or by_kind[1]
    report = run(
        frames["real"], frames.get("holdout"), frames["synthetic"], facts,
        target=target, groups=groups, max_rows=max_rows, seed=seed, card=card, measured=measured, progress=progress.phase,
    )  # fmt: skip
    if baseline is not None:
        from evaluation.baselines.compare import score_baseline, with_baseline

        progress.phase("a baseline without privacy")
        found = score_baseline(
            frames["real"], frames.get("holdout"), facts, baseline,
            target=target, groups=groups, max_rows=max_rows, seed=seed,
        )  # fmt: skip
        report = with_baseline(report, found, baseline)
    report, verdict = add_verdict(report, asked)
    with atomic_path(output, force=force) as temporary:
        temporary.write_text(report.to_html(), encoding="utf-8")
    return report, verdict


def show_scores(report: Any) -> None:
    """The three answers and the table of main scores on stdout."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from evaluation.verdict import answers

    shown = [s for s in report.scores if not DETAIL.search(s.name)]
    table = Table(box=box.SIMPLE)
    table.add_column("score", overflow="fold", min_width=30)
    for name in ("value", "95 % interval", "fresh real rows", "floor"):
        table.add_column(name, justify="right", no_wrap=name != "95 % interval")
    for s in shown:
        arrow = "\u2191" if s.better == "higher" else "\u2193"
        table.add_row(Text(f"{s.label} {arrow}"), _cell(s.value), _between(s.low, s.high), _cell(s.ceiling), _cell(s.floor))
    out.print(table)
    more = len(report.scores) - len(shown)
    out.print("\u2191 higher is better, \u2193 lower is better" + (f"; {more} more scores in the report" if more else ""))
    for answer in answers(report.scores, report.notes):
        out.print(Text.assemble((f"{answer.question} {answer.short[:1].upper()}{answer.short[1:]}. ", "bold"), answer.sentence))
    for note in report.notes:
        say(f"note: {note}")


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def demo(
    folder: Annotated[str, typer.Option("--output", "-o", help="Folder for the results.")] = "demo",
    epsilon: Annotated[float, typer.Option("--epsilon", "-e", help="Privacy budget.")] = 1.0,
    model: Annotated[str, typer.Option("--model", "-m", help="Synthesizer.")] = DEFAULT,
    quiet: Quiet = False,
) -> None:
    """Fit, sample and evaluate a real table that comes along (RAND Health Insurance Experiment, 20,190 rows)."""
    import numpy as np

    from synth.catalog import card, dataset_path
    from synth.privacy.ingest import read_table
    from synth.schema_toml import schema_to_toml
    from synth.writer import write_rows

    place = Path(folder)
    if place.is_dir() and any(place.iterdir()) and not (place / DEMO_MARK).exists():
        raise InputError(f"the folder {folder!r} holds other files; name an empty or a new one")
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / DEMO_MARK).write_text("made by synth demo; may be overwritten by it\n", encoding="utf-8")
    except OSError:
        raise InputError(f"{folder!r} is not a folder, or cannot be made one") from None
    started = time.monotonic()
    frame = read_table(dataset_path("randhie"))
    held = np.random.default_rng(0).random(len(frame)) < 0.25
    paths = {name: place / name for name in ("train.csv", "holdout.csv", "schema.toml", "model.synth", "synthetic.csv",
                                             "report.html", "card.html")}  # fmt: skip
    frame[~held].to_csv(paths["train.csv"], index=False)
    frame[held].to_csv(paths["holdout.csv"], index=False)
    paths["schema.toml"].write_text(schema_to_toml(card("randhie").schema), encoding="utf-8")
    said = FitConfig(data=str(paths["train.csv"]), schema=str(paths["schema.toml"]), epsilon=epsilon, model=model)
    release, _ = run_fit(said, paths["model.synth"], force=True, quiet=quiet, as_json=False)
    with interruptible(), Reporter(quiet=quiet, as_json=False) as progress:
        progress.phase("sampling")
        write_rows(release.sample_blocks(seed=0), release, paths["synthetic.csv"], force=True)
        frames = {name: read_table(paths[f"{part}.csv"]) for name, part in
                  (("real", "train"), ("holdout", "holdout"), ("synthetic", "synthetic"))}  # fmt: skip
        report, _ = write_report(
            frames, release.schema, release, None, paths["report.html"], seed=0, force=True, progress=progress
        )
    paths["card.html"].write_text(release._repr_html_(), encoding="utf-8")
    show_scores(report)
    for text, name in (("synthetic rows", "synthetic.csv"), ("model", "model.synth"), ("release card", "card.html"),
                       ("report", "report.html")):  # fmt: skip
        out.print(f"{text + ':':16}{paths[name].resolve()}")
    out.print(
        f"done in {time.monotonic() - started:.0f} s; next: synth inspect {shlex.quote(str(paths['model.synth']))}",
        markup=False,
    )
