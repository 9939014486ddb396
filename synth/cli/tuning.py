"""``synth tune``: choose between models and settings, for free on public rows or at a price on private ones."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.console import Reporter, out, print_json, say
from synth.cli.fitting import Delimiter, Force, Json, Quiet, Quote, Sheet, Sql, interruptible, told_earlier
from synth.cli.options import Aim, MaxColumns, ProtectGroups, names_of
from synth.cli.sweeping import material_of
from synth.config import FitConfig, config_toml
from synth.errors import InputError

EXIT_INTERRUPTED = 4


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="tune")(tune)


def tune(
    data: Annotated[
        str | None, typer.Argument(help="The private table; with --public or --simulated it is only named.")
    ] = None,
    epsilon: Annotated[float | None, typer.Option("--epsilon", "-e", help="The whole privacy budget.")] = None,
    candidates: Annotated[
        list[str] | None,
        typer.Option("--candidate", "-c", help="model or model.option=value[,option=value]; may be repeated."),
    ] = None,
    public: Annotated[
        str | None,
        typer.Option(
            "--public",
            help="Rows of the same columns that are no secret: choose on them, for free; or have them beside (--paid).",
        ),
    ] = None,
    paid: Annotated[
        bool,
        typer.Option("--paid", help="With --public: choose on the private rows, with the public ones beside as in synth fit."),
    ] = False,
    simulated: Annotated[
        str | None, typer.Option("--simulated", help="Choose on a simulated table (see synth sweep): nothing is charged.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", "-n", help="Free: rows of the private table, as far as that may be known.")
    ] = None,
    schema: Annotated[str | None, typer.Option("--schema", "-s", help="Public facts, as for synth fit.")] = None,
    delta: Annotated[float | None, typer.Option("--delta", help="As for synth fit; 1e-5 where the choice is free.")] = None,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Free: column to predict.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", help="Free: fits of each candidate.")] = 2,
    runs: Annotated[
        float | None, typer.Option("--runs", help="Private: tries on average (default three for each candidate).")
    ] = None,
    purpose: Aim = None,
    max_columns: MaxColumns = None,
    protect_groups: ProtectGroups = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Private: for initial weights; never reaches the noise.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Private: the model (model.synth). Free: the run file (run.toml).")
    ] = None,
    ledger: Annotated[str | None, typer.Option("--ledger", help="Private: default OUTPUT.ledger.jsonl.")] = None,
    delimiter: Delimiter = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of a text file (default utf-8).")] = None,
    quote: Quote = None,
    sql: Sql = None,
    sheet: Sheet = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Choose between models and settings. The defaults are made to need no choice: see docs/techniques.md.

    With --public or --simulated every candidate is fitted to rows that are no secret, at the same epsilon, and scored; the best
    one is written as a run file for synth fit --config. That is free.

    Without them, or with --paid, the private table is used: candidates are tried a secret number of times, and only the best
    try leaves. It costs one --epsilon in all, of which each try gets about two thirds. It cannot go on after an interruption.

    Example: synth tune patients.csv --public lastyear.csv --epsilon 1 --schema schema.toml -o run.toml
    Example: synth tune patients.csv --epsilon 1 --schema schema.toml -c hybrid -c marginal -c hybrid.table_share=0.5
    """
    if epsilon is None:
        raise InputError("give the privacy budget with --epsilon; 1 is a common choice, smaller is more private")
    said = FitConfig(
        data=data, schema=schema, epsilon=epsilon, delta=delta, purpose=purpose, max_columns=max_columns,
        protect_groups=names_of(protect_groups), delimiter=delimiter, encoding=encoding, quote=quote, sql=sql, sheet=sheet,
    )  # fmt: skip
    if paid and (public is None or simulated is not None):
        raise InputError(
            "--paid goes with --public, whose rows it has beside the private ones; without --public a choice is paid"
        )
    if (public is not None or simulated is not None) and not paid:
        if any(value is not None for value in (ledger, runs, seed)):
            raise InputError(
                "--ledger, --runs and --seed are for a choice on private rows; --public and --simulated are free (--paid with "
                "--public chooses on the private rows)"
            )
        if max_columns is not None:
            raise InputError(
                "--max-columns would keep other columns in every fit, which cannot be compared: choose without it and give it "
                "to synth fit, or choose on the private rows"
            )
        _free(
            said, tuple(candidates or ()), public, simulated, Path(output or "run.toml"),
            rows=rows, seeds=seeds, target=target, force=force, quiet=quiet, as_json=as_json,
        )  # fmt: skip
        return
    if data is None:
        raise InputError("name the private table, or choose for free with --public FILE or --simulated NAME")
    if rows is not None or target is not None:
        raise InputError("--rows and --target are for a choice with --public or --simulated")
    place = Path(output or "model.synth")
    book = Path(ledger) if ledger is not None else place.with_name(place.name + ".ledger.jsonl")
    said = said.overridden(public=public)
    _private(said, tuple(candidates or ()), place, book, runs=runs, seed=seed, force=force, quiet=quiet, as_json=as_json)


def _free(
    said: FitConfig, texts: tuple[str, ...], public: str | None, simulated: str | None, place: Path, *,
    rows: int | None, seeds: int, target: str | None, force: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    from evaluation.choosing import DEFAULT, Choice, key_of, run_choice, standings
    from evaluation.sweep.runs import read_records
    from synth.candidates import parse_candidates
    from synth.release import atomic_path, check_writable

    groups = said.protect_groups
    named = texts or tuple(text for text in DEFAULT if not groups or text != "independent")  # which has none to protect
    found = parse_candidates(named, groups)
    check_writable(place, force=force)
    name, material = material_of(public, None, simulated, said.schema, public=True)
    number = rows if rows is not None or material.declared is None else material.declared.public_rows
    choice = Choice(
        candidates=found, epsilon=float(said.epsilon or 0), delta=1e-5 if said.delta is None else said.delta, rows=number,
        seeds=seeds, target=target, purpose=said.purpose, protect_groups=groups,
    )  # fmt: skip
    file = place.with_name(place.name + ".jsonl")
    try:
        with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
            for _ in run_choice(choice, material, file, progress.phase):
                progress.advance()
    except KeyboardInterrupt:
        say(f"error: interrupted; finished fits are kept in {file}, and the same command goes on from there")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    order = standings(choice, read_records(file, key_of(choice, material)))
    best = order[0]
    if not math.isfinite(best.loss):
        raise InputError(f"none of the candidates could be fitted: {best.failed}")
    chosen = said.overridden(model=best.candidate.model, options=best.candidate.options)
    with atomic_path(place, force=force) as temporary:
        temporary.write_text(config_toml(chosen), encoding="utf-8")
    ahead = order[1].loss - best.loss
    close = not ahead > 2 * max(best.spread, order[1].spread) if seeds > 1 else True
    if as_json:
        print_json({"on": name, "standings": [_plain(s) for s in order], "run_file": str(place), "close": close})
        return
    _show(order, name)
    if close:
        out.print("the first two are within chance of each other: more --seeds tell them apart, or take the default")
    out.print(f"chosen: {best.candidate.label}; nothing was charged")
    out.print(f"next: synth fit {shlex.quote(said.data or 'TABLE')} --config {shlex.quote(str(place))}")


def _private(
    said: FitConfig, texts: tuple[str, ...], place: Path, book: Path, *,
    runs: float | None, seed: int | None, force: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    from synth.release import check_writable
    from synth.tuning import promised
    from synth.tuning import tune as tuned

    epsilon = float(said.epsilon or 0)
    event = promised(epsilon, said.delta, texts, runs, said.protect_groups)
    check_writable(place, force=force)
    told_earlier(book, quiet=quiet or as_json)
    say(
        f"each try gets epsilon {event.run_epsilon:.3g} of {epsilon:g}, preparing the table included; there will be "
        f"{event.mean:.3g} tries on average, how many is not told, and it does not go on if it is interrupted",
        quiet=quiet,
    )
    # a log with times, or with a line a second, would tell how many tries there were
    with interruptible(), Reporter(quiet=quiet, as_json=as_json, epsilon=epsilon, timed=False) as progress:
        release = tuned(
            said.data, epsilon=epsilon, delta=said.delta, candidates=texts, runs=runs, schema=said.schema, seed=seed,
            public=said.public, purpose=said.purpose, max_columns=said.max_columns, protect_groups=said.protect_groups,
            ledger=book, progress=progress, delimiter=said.delimiter, encoding=said.encoding or "utf-8", quote=said.quote,
            sql=said.sql, sheet=said.sheet,
        )  # fmt: skip
        release.save(place, force=force)
    for note in release.notes():
        say(f"note: {note}", quiet=quiet or as_json)
    receipt = release.receipt
    if as_json:
        facts = {"model": str(place), "ledger": str(book), "synthesizer": release.model, "options": release.options}
        print_json(facts | {"epsilon": receipt.epsilon, "delta": receipt.delta, "notes": release.notes()})
        return
    out.print(f"{place}: {release.model}, epsilon {receipt.epsilon:g}, delta {receipt.delta:g}")
    out.print(f"next: synth sample {shlex.quote(str(place))} -o synthetic.csv")


def _show(order: list[Any], name: str) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = f"Candidates on {name}: loss = total variation of pairs + what models trained on the rows lack"
    table = Table("candidate", "loss", "TV of pairs", "TSTR", title=title, title_justify="left", box=box.SIMPLE)
    for s in order:
        if s.failed:
            table.add_row(Text(s.candidate.label), "refused", "", Text(s.failed))
            continue
        spread = f" ± {s.spread:.4f}" if math.isfinite(s.spread) else ""
        utility = "" if s.utility is None else f"{s.utility:.3f}"
        table.add_row(Text(s.candidate.label), f"{s.loss:.4f}{spread}", f"{s.fidelity:.4f}", utility)
    out.print(table)


def _plain(standing: Any) -> dict[str, Any]:
    facts = {"candidate": standing.candidate.label, "failed": standing.failed or None}
    figures = {name: getattr(standing, name) for name in ("loss", "spread", "fidelity", "utility", "lacks")}
    return facts | {k: v if v is not None and math.isfinite(v) else None for k, v in figures.items()}
