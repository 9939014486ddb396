"""``synth schema draft|check`` and ``synth datasets list|show|path``."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.console import out, print_json, say
from synth.cli.fitting import Delimiter, Force, Json, Quote, Sheet, Sql

Encoding = Annotated[str, typer.Option("--encoding", help="Of a text file.")]

schemas = typer.Typer(no_args_is_help=True, help="Public facts about a table: propose them, check them.")
datasets = typer.Typer(no_args_is_help=True, help="Data sets with a card: licence, origin, public schema.")


def register(app: typer.Typer) -> None:
    """Add the groups."""
    app.add_typer(schemas, name="schema")
    app.add_typer(datasets, name="datasets")


@schemas.command("draft")
def draft(
    data: Annotated[str, typer.Argument(help="The table.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where the proposal goes.")] = "schema.toml",
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    quote: Quote = None,
    sql: Sql = None,
    sheet: Sheet = None,
    force: Force = False,
) -> None:
    """Propose a schema for you to read, widen and confirm. Confirmed facts become public."""
    from synth.privacy.draft import DRAFT_HEADER, draft_remarks, draft_schema
    from synth.privacy.ingest import load_table
    from synth.reading.database import shown
    from synth.reading.source import ReadOptions
    from synth.release import atomic_path, check_writable
    from synth.schema_toml import schema_to_toml

    target = Path(output)
    check_writable(target, force=force)
    options = ReadOptions(delimiter=delimiter, encoding=encoding, quote=quote, sql=sql, sheet=sheet)
    rows = load_table(data, options)
    proposal = draft_schema(rows)
    with atomic_path(target, force=force) as temporary:
        temporary.write_text(schema_to_toml(proposal, DRAFT_HEADER), encoding="utf-8")
    say("CAREFUL: the proposal was drawn from private rows. What you leave in it becomes PUBLIC when you fit with it:")
    say("widen bounds to what is possible, list categories that can occur, delete what you would rather pay for.")
    for remark in draft_remarks(rows, proposal):
        say(f"note: {remark}")
    read_as = {"delimiter": delimiter, "encoding": None if encoding == "utf-8" else encoding, "quote": quote, "sql": sql,
               "sheet": sheet}  # fmt: skip
    options_again = [word for name, value in read_as.items() if value is not None for word in (f"--{name}", value)]
    following = ["synth", "fit", shown(data), "--schema", str(target), *options_again, "--epsilon", "1"]
    out.print(f"{target}: {len(proposal.columns)} columns; read it, then: {shlex.join(following)}", markup=False)


@schemas.command("check")
def check(
    data: Annotated[str, typer.Argument(help="The table.")],
    schema: Annotated[str, typer.Option("--schema", "-s", help="Schema file.")],
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    quote: Quote = None,
    sql: Sql = None,
    sheet: Sheet = None,
    as_json: Json = False,
) -> None:
    """Compare a table with a schema, column by column, without printing a value. The answer is about private rows."""
    from rich import box
    from rich.table import Table

    from synth.api import read_schema
    from synth.encoding.values import check_header
    from synth.privacy.draft import check_constraints, check_schema
    from synth.privacy.ingest import load_table
    from synth.reading.source import ReadOptions

    declared = read_schema(schema)
    options = ReadOptions(delimiter=delimiter, encoding=encoding, quote=quote, sql=sql, sheet=sheet)
    frame = load_table(data, options).frame
    check_header([str(c) for c in frame.columns], declared)
    findings = check_schema(frame, declared)
    rules = check_constraints(frame, declared)
    if as_json:
        print_json([*(dataclasses.asdict(f) for f in findings), *({"constraint": r, "broken": s} for r, s in rules.items())])
        return
    table = Table("column", "outside the domain", "missing though not nullable", box=box.SIMPLE)
    for f in findings:
        if f.outside or f.missing:
            table.add_row(f.column, f"{100 * f.outside:.2g} %", f"{100 * f.missing:.2g} %")
    say("computed on private rows, for your eyes only: do not publish")
    if table.row_count:
        out.print(table)
        out.print("such cells are clipped, nulled or set to 'other' as the schema says; fit does not fail because of them")
    else:
        out.print(f"all {len(findings)} columns lie inside their declared domains")
    for rule, share in rules.items():
        out.print(f"{rule}: {100 * share:.2g} % of the rows break it" if share else f"{rule}: kept by all rows", markup=False)


@schemas.command("export")
def export(
    schema: Annotated[str, typer.Argument(help="Schema file.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where SDV metadata goes.")] = "metadata.json",
    single: Annotated[bool, typer.Option("--single", help="SINGLE_TABLE_V1 instead of V1.")] = False,
    constraints: Annotated[str | None, typer.Option("--constraints", help="Write SDV's list of constraints as well.")] = None,
    force: Force = False,
) -> None:
    """Write a schema as SDV metadata. What that cannot hold (bounds, closed domains, policies) stays in the schema only.

    Example: synth schema export schema.toml -o metadata.json
    """
    from synth.api import read_schema
    from synth.release import atomic_path, check_writable
    from synth.sdv_constraints import sdv_constraints
    from synth.sdv_metadata import schema_to_sdv

    declared = read_schema(schema)
    written: dict[str, Any] = {output: schema_to_sdv(declared, single=single)}
    if constraints is not None:
        written[constraints] = sdv_constraints(declared)
    for name in written:
        check_writable(Path(name), force=force)
    for name, facts in written.items():
        with atomic_path(Path(name), force=force) as temporary:
            temporary.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    out.print(f"{' and '.join(written)}: keep {schema} beside it, which holds more", markup=False)


@schemas.command("import")
def import_sdv(
    metadata: Annotated[str, typer.Argument(help="SDV metadata (JSON, V1 or SINGLE_TABLE_V1).")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where the schema goes.")] = "schema.toml",
    constraints: Annotated[str | None, typer.Option("--constraints", help="SDV's list of constraints (JSON).")] = None,
    force: Force = False,
) -> None:
    """Turn SDV metadata into a schema file, to which you can add bounds and domains.

    Example: synth schema import metadata.json --constraints constraints.json -o schema.toml
    """
    from synth.release import atomic_path
    from synth.schema_toml import schema_to_toml
    from synth.sdv_constraints import read_sdv_constraints
    from synth.sdv_metadata import read_sdv_metadata

    declared = read_sdv_metadata(Path(metadata))
    if constraints is not None:
        declared = read_sdv_constraints(Path(constraints), declared)
    with atomic_path(Path(output), force=force) as temporary:
        temporary.write_text(schema_to_toml(declared), encoding="utf-8")
    out.print(f"{output}: {len(declared.columns)} columns; add bounds and domains that are public", markup=False)


@datasets.command("list")
def list_datasets(as_json: Json = False) -> None:
    """Data sets that have a card."""
    from rich import box
    from rich.table import Table

    from synth.catalog import cards

    found = cards()
    if as_json:
        print_json([{"name": c.name, "title": c.title, "license": c.license, "columns": len(c.schema.columns)} for c in found])
        return
    table = Table("name", "columns", "licence", "title", box=box.SIMPLE)
    for c in found:
        table.add_row(c.name, str(len(c.schema.columns)), c.license, c.title)
    out.print(table)


@datasets.command("show")
def show_dataset(
    name: Annotated[str, typer.Argument(help="Name of a card.")],
    as_json: Json = False,
    schema: Annotated[bool, typer.Option("--schema", help="Only the public schema, as TOML.")] = False,
) -> None:
    """A card: origin, licence and public schema."""
    from synth.catalog import card
    from synth.schema import schema_to_dict
    from synth.schema_toml import schema_to_toml

    found = card(name)
    if as_json:
        print_json({"name": found.name, "title": found.title, "license": found.license, "url": found.url,
                    "description": found.description, "schema": schema_to_dict(found.schema)})  # fmt: skip
        return
    if not schema:
        out.print(f"{found.title}\nlicence: {found.license}\norigin:  {found.url}\n\n{found.description}\n")
    out.print(schema_to_toml(found.schema))


@datasets.command("path")
def dataset_file(
    name: Annotated[str, typer.Argument(help="Name of a card.")],
    part: Annotated[str, typer.Option("--part", help="train or test, where the set has parts.")] = "train",
) -> None:
    """Where the table lies, after fetching it if need be (SYNTH_DATA_HOME names a folder of local copies)."""
    from synth.catalog import dataset_path

    typer.echo(str(dataset_path(name, part)))
