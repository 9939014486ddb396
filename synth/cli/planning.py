"""``synth plan``: what a fit would cost and bring, from public facts alone."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from synth.cli.console import out, print_json, say
from synth.cli.fitting import Json
from synth.cli.options import Aim, MaxColumns, ProtectGroups, names_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="plan")(plan)


def plan(
    schema: Annotated[str, typer.Argument(help="Schema file: public facts.")],
    epsilon: Annotated[float, typer.Option("--epsilon", "-e", help="The whole privacy budget.")],
    rows: Annotated[
        int | None, typer.Option("--rows", "-n", help="About how many rows there are (default: the schema's public_rows).")
    ] = None,
    delta: Annotated[float | None, typer.Option("--delta", help="Default: as in synth fit.")] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="hybrid, marginal or independent.")] = "hybrid",
    purpose: Aim = None,
    max_columns: MaxColumns = None,
    protect_groups: ProtectGroups = None,
    as_json: Json = False,
) -> None:
    """Predict noise, errors, time and memory of a fit. Reads no row and spends nothing.

    Example: synth plan schema.toml --rows 20000 --epsilon 1
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from synth.api import read_schema
    from synth.plan import make_plan

    found = make_plan(
        read_schema(schema), rows=rows, epsilon=epsilon, delta=delta, model=model, purpose=purpose, max_columns=max_columns,
        protect_groups=names_of(protect_groups),
    )  # fmt: skip
    if as_json:
        print_json(dataclasses.asdict(found) | {"notes": found.notes()})
        return
    out.print(
        f"{found.model}, epsilon {found.epsilon:g}, delta {found.delta:g}, {found.rows:,} rows: about {found.cpu_seconds:.0f} "
        f"CPU seconds (within a factor of 3) and {found.mebibytes:,.0f} MiB"
    )
    table = Table("phase", "share of the budget", title="What is paid for", title_justify="left", box=box.SIMPLE)
    for what, share in found.shares.items():
        table.add_row(what, f"{100 * share:.1f} %")
    out.print(table)
    title = "One-way tables: expected error of the noise alone"
    table = Table("column", "codes", "noise (rows)", "error (TV)", "", title=title, title_justify="left", box=box.SIMPLE)
    for c in found.columns:
        table.add_row(Text(c.name), str(c.codes), f"{c.sigma:.1f}", f"{c.error:.3f}", "too wide" if c.wide else "")
    out.print(table)
    if found.pairs:
        worst = sorted(found.pairs, key=lambda p: -p.error)
        title = f"Tables of pairs: {len(worst)}, median error {worst[len(worst) // 2].error:.3f}; the worst"
        table = Table("columns", "cells", "noise (rows)", "error (TV)", title=title, title_justify="left", box=box.SIMPLE)
        for p in worst[:10]:
            table.add_row(Text(", ".join(p.columns)), str(p.cells), f"{p.sigma:.1f}", f"{p.error:.3f}")
        out.print(table)
        out.print("a model fitted to all tables at once leaves far less than this: about a tenth on Adult at epsilon 1")
    for note in found.notes():
        say(f"note: {note}")
