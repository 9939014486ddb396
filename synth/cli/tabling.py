"""``synth tables fit|sample``: a parent table and its children."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from synth.cli.console import Reporter, out, print_json
from synth.cli.fitting import MODEL_HELP, Force, Json, Quiet, interruptible
from synth.errors import InputError

tables = typer.Typer(no_args_is_help=True, help="Related tables: a parent and its children, under one budget.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(tables, name="tables")


@tables.command("fit")
def fit_related(
    relations: Annotated[str, typer.Argument(help="relations.toml: the tables, their files, columns and keys.")],
    epsilon: Annotated[float, typer.Option("--epsilon", "-e", help="The whole privacy budget of all tables.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where the models go.")] = "tables.synth",
    delta: Annotated[
        float | None, typer.Option("--delta", help="Of all tables; by default a fit's own for each child.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help=MODEL_HELP)] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="For initial weights; never reaches the noise.")] = None,
    ledger: Annotated[str | None, typer.Option("--ledger", help="Default OUTPUT.ledger.jsonl; see synth budget.")] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Learn a parent table and its children. A parent with all rows that name it is what is protected.

    Example: synth tables fit relations.toml --epsilon 1 -o shop.synth
    """
    from synth.registry import DEFAULT
    from synth.release import check_writable
    from synth.tables import fit_tables

    target = Path(output)
    check_writable(target, force=force)
    book = Path(ledger) if ledger is not None else target.with_name(target.name + ".ledger.jsonl")
    with interruptible(), Reporter(quiet=quiet, as_json=as_json, epsilon=epsilon) as progress:
        release = fit_tables(
            relations=relations, epsilon=epsilon, delta=delta, model=model or DEFAULT, seed=seed, ledger=book, progress=progress
        )
        release.save(target, force=force)
    facts = {"models": output, "ledger": str(book), "epsilon": release.epsilon, "delta": release.delta, "unit": release.unit}
    if as_json:
        print_json(facts)
        return
    out.print(f"{output}: epsilon {release.epsilon:g}, delta {release.delta:g} for one {release.unit}")
    out.print(f"next: synth tables sample {shlex.quote(output)} -o synthetic")


@tables.command("sample")
def sample_related(
    models: Annotated[str, typer.Argument(help="What synth tables fit wrote.")],
    output: Annotated[str, typer.Option("--output", "-o", help="A folder; each table becomes a file in it.")] = "synthetic",
    parents: Annotated[int | None, typer.Option("--parents", "-n", help="By default about as many as were fitted.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Makes the tables repeatable.")] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw a parent table and its children, with keys that fit each other, one CSV file for each.

    Example: synth tables sample shop.synth -n 1000 -o synthetic
    """
    from synth.release import atomic_path, check_writable
    from synth.tables import load_tables

    release, folder = load_tables(models), Path(output)
    names = {t.name: folder / f"{t.name}.csv" for t in release.relations.tables}
    if any(Path(name).name != name or name.startswith(".") for name in names):
        raise InputError("a table's name is no name of a file; rename it in the relations")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{output!r} is a file; name a folder")
    for place in names.values() if folder.exists() else ():
        check_writable(place, force=force)
    with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
        progress.phase("sampling")
        drawn = release.sample(parents, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        for name, place in names.items():
            with atomic_path(place, force=force) as temporary:
                drawn[name].to_csv(temporary, index=False)
    facts = {str(names[name]): len(table) for name, table in drawn.items()}
    if as_json:
        print_json({"outputs": facts})
        return
    for written, rows in facts.items():
        out.print(f"{written}: {rows:,} rows")
