"""``synth fit``, ``synth sample``, ``synth inspect``."""

from __future__ import annotations

import contextlib
import shlex
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from synth.cli.clustering import fit_engine, sample_engine
from synth.cli.console import Reporter, out, print_json, say
from synth.cli.options import Aim, MaxColumns, ProtectGroups, names_of
from synth.config import FitConfig, parse_assignments, read_config
from synth.errors import InputError
from synth.parallel import cores
from synth.processes import leads
from synth.registry import DEFAULT, SYNTHESIZERS

MODEL_HELP = f"One of {', '.join(SYNTHESIZERS)}; {DEFAULT} by default."

MAX_DATASETS = 10_000

Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Of a text file.")]
Quote = Annotated[str | None, typer.Option("--quote", help="Around texts of a text file; '' for none.")]
Sql = Annotated[str | None, typer.Option("--sql", help="Query, where the table is the URL of a database.")]
Sheet = Annotated[str | None, typer.Option("--sheet", help="Of a workbook.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress (a bar on a terminal, JSON lines elsewhere).")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout, JSON progress on stderr.")]
Engine = Annotated[
    str | None, typer.Option("--engine", help="ray: in processes of a Ray cluster (RAY_ADDRESS, or this machine).")
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite an existing output.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="fit")(fit)
    app.command(name="noise-key")(make_noise_key)
    app.command(name="sample")(sample)
    app.command(name="inspect")(inspect)


def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    """A signal handler that stops like Ctrl-C."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that a scheduler's stop is recorded as well."""
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def fit(
    data: Annotated[
        str | None,
        typer.Argument(
            help="The table: a file (.csv, .parquet, .jsonl, .xlsx, ...), a folder, 'lake/*.parquet', db.duckdb::table, a URL."
        ),
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option("--epsilon", "-e", help="The whole privacy budget. 1 is a common choice.")
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option("--schema", "-s", help="Public facts (TOML, or SDV metadata JSON); the rest is learnt."),
    ] = None,
    public: Annotated[
        str | None,
        typer.Option("--public", help="A table of the same columns that is no secret (another year): facts and a prior, free."),
    ] = None,
    purpose: Aim = None,
    max_columns: MaxColumns = None,
    protect_groups: ProtectGroups = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Where the model goes (default model.synth).")] = None,
    delta: Annotated[
        float | None, typer.Option("--delta", help="Default: 1 / (10 n^1.1) of the noisy row count, at most 1e-5.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help=MODEL_HELP)] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the model, key=value; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="For initial weights; never reaches the noise.")] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger", help="File that records every charge of a data set (default OUTPUT.ledger.jsonl); see synth budget."
        ),
    ] = None,
    noise_key: Annotated[
        str | None, typer.Option("--noise-key", help="Secret file that makes the fit repeatable for you; see synth noise-key.")
    ] = None,
    config: Annotated[str | None, typer.Option("--config", "-c", help="Run file (TOML) with these options.")] = None,
    delimiter: Delimiter = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of a text file (default utf-8).")] = None,
    quote: Quote = None,
    sql: Sql = None,
    sheet: Sheet = None,
    engine: Engine = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="With --engine ray: processes (default: one a processor).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the same command that was interrupted; nothing is spent twice.")
    ] = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Learn a release of a table under one (epsilon, delta).

    Everything that is learnt from the rows is paid for from that one budget: row count, kinds, bounds, categories, bins,
    training. Declaring public facts in a schema leaves more of it for the data.

    Example: synth fit patients.csv --schema schema.toml --epsilon 1 -o model.synth
    Example: synth fit sqlite:///clinic.db --sql "select age, ward from patients" --epsilon 1
    """
    base = read_config(Path(config)) if config is not None else FitConfig()
    said = base.overridden(
        data=data, epsilon=epsilon, schema=schema, public=public, purpose=purpose, max_columns=max_columns, output=output,
        delta=delta, model=model, seed=seed, ledger=ledger, noise_key=noise_key, delimiter=delimiter, encoding=encoding,
        protect_groups=None if protect_groups is None else names_of(protect_groups),
        quote=quote, sql=sql, sheet=sheet,
        options=parse_assignments(assignments or []),
    )  # fmt: skip
    if said.data is None:
        raise InputError("name the table to fit, for example: synth fit patients.csv --epsilon 1")
    if said.epsilon is None:
        raise InputError("give the privacy budget with --epsilon; 1 is a common choice, smaller is more private")
    target = Path(said.output or "model.synth")
    started = time.monotonic()
    if engine is None and workers is not None:
        raise InputError("--workers goes with --engine ray; torchrun says itself how many processes there are")
    if engine is None:
        release, book = run_fit(said, target, force=force, quiet=quiet, as_json=as_json, resume=resume)
    else:
        release, book = fit_engine(engine, said, target, workers, force=force, quiet=quiet, as_json=as_json, resume=resume)
    if not leads():
        return
    facts = {
        "model": str(target),
        "ledger": str(book),
        "synthesizer": release.model,
        "epsilon": release.receipt.epsilon,
        "delta": release.receipt.delta,
        "rows": release.receipt.rows,
        "unit": release.receipt.unit,
        "seconds": round(time.monotonic() - started, 1),
        "notes": release.notes(),
    }
    for note in release.notes():
        say(f"note: {note}", quiet=quiet or as_json)
    if as_json:
        print_json(facts)
        return
    out.print(f"{target}: {release.model}, epsilon {facts['epsilon']:g}, delta {facts['delta']:g}, {facts['seconds']} s")
    number = f" -n {facts['rows']}" if release.persons is None else ""
    out.print(f"next: synth sample {shlex.quote(str(target))}{number} -o synthetic.csv")


def run_fit(
    said: FitConfig, target: Path, *, force: bool, quiet: bool, as_json: bool, resume: bool = False
) -> tuple[Any, Path]:
    """Fit and save with progress; also what ``synth demo`` does."""
    quiet, as_json = (quiet, as_json) if leads() else (True, False)
    with interruptible(), Reporter(quiet=quiet, as_json=as_json, epsilon=said.epsilon) as progress:
        progress.phase("starting")
        from synth.release import check_writable
        from synth.runner import checkpoint_of, fit_config

        if leads():
            check_writable(target, force=force)
        book = Path(said.ledger) if said.ledger else target.with_name(target.name + ".ledger.jsonl")
        checkpoint = checkpoint_of(target) if said.noise_key is None or resume else None
        if not resume:
            told_earlier(book, quiet=quiet or as_json)
        release = fit_config(said, book, progress, checkpoint=checkpoint, resume=resume)
        if leads():
            release.save(target, force=force)
    if checkpoint is not None and leads():
        checkpoint.unlink(missing_ok=True)
    return release, book


def told_earlier(book: Path, *, quiet: bool) -> None:
    """Say where a ledger holds other runs."""
    from synth.privacy.chain import read_ledger

    earlier = sum(record["record"] == "run" for record in read_ledger(book))
    if earlier:
        say(f"note: {book} already records {earlier} run(s); guarantees of releases of the same rows add up", quiet=quiet)


def make_noise_key(path: Annotated[str, typer.Argument(help="The file to make; only you may read it.")]) -> None:
    """Make a secret with which you can repeat a fit bit for bit: fit ... --noise-key FILE.

    Whoever has the file and the release can take the noise off: keep it as safe as the table, or lose it.

    Example: synth noise-key noise.key
    """
    from synth.privacy.keyed import write_noise_key

    write_noise_key(Path(path))
    out.print(f"{path}: keep it as safe as the table itself; whoever has it can take the noise off a release")


def sample(
    model: Annotated[str, typer.Argument(help="A model.synth.")],
    rows: Annotated[int | None, typer.Option("--rows", "-n", help="How many; by default about as many as were fitted.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="A file (.csv, .parquet, ...) or a URL.")] = "synthetic.csv",
    table: Annotated[str | None, typer.Option("--table", help="In a database (default synthetic).")] = None,
    entities: Annotated[
        int | None,
        typer.Option("--entities", help="How many persons, all rows of each, where the schema named an entity."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Makes the rows repeatable.")] = None,
    conditions: Annotated[
        list[str] | None,
        typer.Option("--condition", "-c", help="Only rows that meet it, such as 'age>=65'; all of several have to hold."),
    ] = None,
    balance: Annotated[str | None, typer.Option("--balance", help="As many rows of every class of this column.")] = None,
    datasets: Annotated[
        int | None,
        typer.Option("--datasets", help="So many tables, independent given the model: OUTPUT_1, OUTPUT_2, ..."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Threads (default: one a core); the rows do not depend on it.")
    ] = None,
    engine: Engine = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw synthetic rows from a model. Costs no further privacy, however many.

    Conditions: column=value, column!=value, column<value (<=, >, >=), "column in a,b", "column in 20..29", "column is missing".

    Example: synth sample model.synth -n 10000 -o synthetic.parquet --seed 7

    Example: synth sample model.synth -n 500 -c "sex=Female" -c "age>=65" -o older.csv

    Example: synth sample model.synth -o sqlite:///clinic.db --table synthetic

    Example: synth sample model.synth --datasets 5 --seed 7 -o synthetic.csv

    Example: synth sample model.synth --engine ray -n 100000000 -o folder_of_parquet
    """
    if engine is not None:
        plain = not (table or entities or conditions or balance or datasets)
        sample_engine(
            engine, Path(model), Path(output), rows, seed, workers, plain=plain, force=force, quiet=quiet, as_json=as_json
        )
        return
    if datasets is not None and not 1 <= datasets <= MAX_DATASETS:
        raise InputError(f"--datasets takes a number from 1 to {MAX_DATASETS}, not {datasets}")
    if entities is not None and (conditions or balance):
        raise InputError("--entities goes without conditions and --balance, which are about rows")
    threads = cores() if workers is None else workers
    if threads < 1:
        raise InputError(f"--workers takes a number of threads, at least 1, not {threads}")
    started = time.monotonic()
    worth: list[float] = []
    lengths: list[int] = []
    with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
        progress.phase("starting")
        from synth.reading.database import shown as shown_place
        from synth.release import BLOCK, dataset_seeds, load

        release = load(model)
        total = release.receipt.rows if rows is None else rows
        seeds: list[int | None] = [seed] if datasets is None else [*dataset_seeds(datasets, seed)]
        progress.phase("sampling", total * len(seeds))
        asked = rows if release.persons is not None or entities is not None else total
        drawn = [_drawn(release, asked, one, conditions or (), balance, entities, threads) for one in seeds]
        tables = [_counted(blocks, progress, worth, lengths) for blocks in drawn]
        written = _write_tables(tables, release, output, table, apart=datasets is not None, force=force, workers=threads)
    total = sum(lengths) // len(seeds)
    output = shown_place(output)
    facts = {"output": output, "rows": total, "block": BLOCK, "seconds": round(time.monotonic() - started, 2)}
    if datasets is not None:
        facts["outputs"] = [str(path) for path in written]
    if conditions or balance:
        facts["effective_rows"] = round(sum(worth))
    if as_json:
        print_json(facts)
        return
    shown = output if datasets is None else f"{written[0]} to {written[-1].name}"
    out.print(f"{shown}: {total:,} rows{' each' if datasets is not None else ''}, {facts['seconds']} s")
    if sum(worth) < 0.9 * total * len(seeds) and (conditions or balance):
        out.print(f"the model supports this little: the rows say about as much as {sum(worth):,.0f} independent ones")


def _drawn(
    release: Any,
    total: int | None,
    seed: int | None,
    conditions: Sequence[str],
    balance: str | None,
    entities: int | None,
    workers: int,
) -> Iterator[Any]:
    """Blocks of one table."""
    from synth.conditions import Condition

    if not conditions and balance is None:
        yield from release.cell_blocks(total, seed=seed, num_entities=entities, workers=workers)
        return
    total = release.receipt.rows if total is None else total
    asked = [Condition(num_rows=total, where=tuple(conditions))]
    if balance is not None:
        asked = release.balanced(balance, total, conditions)
    yield from release.condition_blocks(asked, seed=seed, mixed=True)


def _write_tables(
    tables: Sequence[Iterator[Any]], release: Any, output: str, table: str | None, *, apart: bool, force: bool, workers: int
) -> list[Path]:
    """All tables or none: several are written beside their places and moved there at the end."""
    from synth.reading.database import is_url
    from synth.release import check_writable
    from synth.writer import numbered, write_rows

    target = Path(output)
    if not apart:
        write_rows(tables[0], release, output, force=force, table=table, workers=workers)
        return [target]
    if table is not None or is_url(output):
        raise InputError("--datasets writes files; name one with --output")
    places = [numbered(target, number) for number in range(1, len(tables) + 1)]
    for place in places:
        check_writable(place, force=force)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        for rows, place in zip(tables, places, strict=True):
            write_rows(rows, release, Path(folder) / place.name, force=False, workers=workers)
        for place in places:
            (Path(folder) / place.name).replace(place)
    return places


def _counted(blocks: Iterator[Any], progress: Reporter, worth: list[float], lengths: list[int]) -> Iterator[Any]:
    from synth.conditional import EFFECTIVE

    for block in blocks:
        framed = hasattr(block, "attrs")
        worth.append(block.attrs.pop(EFFECTIVE, 0.0) if framed else 0.0)
        lengths.append(len(block) if framed else len(next(iter(block.values()))))
        yield block
        progress.advance(lengths[-1])


def inspect(
    model: Annotated[str, typer.Argument(help="A model.synth.")],
    html: Annotated[str | None, typer.Option("--html", help="Write the release card as a page.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Show the release card: what was promised, what was spent, how it was checked, what it does not cover."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from synth.audited import audit_lines
    from synth.card import card_html, sections, share_text, spending
    from synth.release import atomic_path, load
    from synth.schema import schema_to_dict

    release = load(model)
    told = (release.receipt, release.schema, audit := audit_lines(Path(model)), release.options, release.notes())
    if html is not None:
        with atomic_path(Path(html), force=force) as temporary:
            temporary.write_text(card_html(*told), encoding="utf-8")
    if as_json:
        print_json({"model": release.model, "options": release.options, "notes": release.notes(), **release.receipt.to_dict(),
                    "schema": schema_to_dict(release.schema), "audit": dict(audit)})  # fmt: skip
        return
    for title, lines in sections(*told).items():
        table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=box.SIMPLE)
        for what, value in lines:
            table.add_row(Text(what), Text(value))
        out.print(table)
    title = "Where the budget went (share of the part for counts)"
    table = Table("purpose", "mechanism", "noise", "times", "share", title=title, box=box.SIMPLE, title_justify="left")
    for row in spending(release.receipt):
        table.add_row(
            Text(row["what"]), Text(row["mechanism"]), Text(row["noise"]), str(row["times"]), share_text(row["share"])
        )
    out.print(table)
    if html is not None:
        out.print(f"card: {html}")
