"""``synth randomize``: rows that are randomised at their source, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.console import Reporter, out, print_json, say
from synth.cli.fitting import Delimiter, Force, Json, Quiet, Quote, Sheet, Sql, interruptible, told_earlier
from synth.config import parse_assignments
from synth.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="randomize")(randomize)


def randomize(
    data: Annotated[str, typer.Argument(help="The table: a file, or the URL of a database.")],
    schema: Annotated[str, typer.Option("--schema", "-s", help="Public facts; here every column must be declared in full.")],
    epsilon: Annotated[float, typer.Option("--epsilon", "-e", help="Of a whole row, split over its columns. 4 is common.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where the randomised rows go; a record goes beside them.")],
    delta: Annotated[float, typer.Option("--delta", help="Always 0: the guarantee is pure.")] = 0.0,
    weight: Annotated[
        list[str] | None, typer.Option("--weight", help="Part of epsilon for a column, name=2; 1 by default; may be repeated.")
    ] = None,
    bins: Annotated[
        int | None,
        typer.Option("--bins", help="Numbers and dates as so many bins, for shares; by default Laplace noise, for means."),
    ] = None,
    ledger: Annotated[
        str | None, typer.Option("--ledger", help="The data set's ledger (default OUTPUT.ledger.jsonl); see synth budget.")
    ] = None,
    delimiter: Delimiter = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Of a text file.")] = "utf-8",
    quote: Quote = None,
    sql: Sql = None,
    sheet: Sheet = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Randomise every cell on its own, so that nobody after the source has to be trusted (local differential privacy).

    Each row stays private by itself, for a price: shares and means of many thousand rows come out, single rows say next to
    nothing, and synth fit brings far more where the owner of the table is trusted. The number and the order of rows are told.

    Example: synth randomize visits.csv --schema schema.toml --epsilon 4 --bins 8 -o randomised.csv
    """
    from synth.api import read_schema
    from synth.local import record_path
    from synth.randomize import randomize as run
    from synth.reading.source import ReadOptions

    if delta != 0:
        raise InputError("cells are randomised with a pure epsilon; leave --delta out")
    target = Path(output)
    book = Path(ledger) if ledger is not None else target.with_name(target.name + ".ledger.jsonl")
    told_earlier(book, quiet=quiet or as_json)
    with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
        record = run(
            data, target, schema=read_schema(schema), epsilon=epsilon, weights=_weights(weight or []), bins=bins, ledger=book,
            reading=ReadOptions(delimiter=delimiter, encoding=encoding, quote=quote, sql=sql, sheet=sheet),
            force=force, progress=progress,
        )  # fmt: skip
    for text in record["warnings"]:
        say(f"warning: {text}")
    facts = {"output": output, "record": str(record_path(target)), "ledger": str(book), "epsilon": epsilon, "delta": 0.0}
    if as_json:
        print_json({**facts, "left_out": record["left_out"], "warnings": record["warnings"]})
        return
    out.print(f"{output}: every row epsilon {epsilon:g} by itself (delta 0); its record is {facts['record']}")
    if record["left_out"]:
        out.print(f"left out: {', '.join(record['left_out'])}")
    out.print("told as they are: the number of rows, and their order")
    out.print(f"next, in Python: synth.local.load_local({output!r}).shares(...)")


def _weights(assignments: list[str]) -> dict[str, float]:
    found = {}
    for name, text in parse_assignments(assignments, "--weight").items():
        try:
            found[name] = float(text)
        except ValueError:
            raise InputError(f"--weight takes a column and a number, such as age=2, not {name}={text}") from None
    return found
