"""``synth sweep``: the privacy-utility curve of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.console import Reporter, out, print_json, say
from synth.cli.evaluating import read_facts
from synth.cli.fitting import MODEL_HELP, Force, Json, Quiet, interruptible
from synth.errors import InputError
from synth.registry import DEFAULT

EXIT_INTERRUPTED = 4


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="sweep")(sweep)


def sweep(
    data: Annotated[str | None, typer.Argument(help="The rows to fit; or --simulated.")] = None,
    holdout: Annotated[
        str | None, typer.Option("--holdout", help="Rows that are not fitted; public rows are split without it.")
    ] = None,
    simulated: Annotated[
        str | None, typer.Option("--simulated", help="A simulated table: parity, parity_off, copula, heavy, wide60, houses.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public-data", help="I declare that all these rows are public: nothing is charged.")
    ] = False,
    epsilons: Annotated[str, typer.Option("--epsilons", "-e", help="Increasing, with commas.")] = "0.1,0.3,1,3,10",
    delta: Annotated[float, typer.Option("--delta", help="Of every fit.")] = 1e-5,
    schema: Annotated[str | None, typer.Option("--schema", "-s", help="Public facts, as for synth fit.")] = None,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP)] = DEFAULT,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Column to predict.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", help="Fits per epsilon.")] = 1,
    baseline: Annotated[str, typer.Option("--baseline", help="Generator without noise (NOT PRIVATE).")] = "trees",
    max_rows: Annotated[int, typer.Option("--max-rows", help="Rows of each table to score.")] = 10_000,
    output: Annotated[str, typer.Option("--output", "-o", help="The page; OUTPUT.jsonl keeps finished fits.")] = "sweep.html",
    ledger: Annotated[str | None, typer.Option("--ledger", help="Of the data set (default OUTPUT.ledger.jsonl).")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="The total cost is accepted; for scripts.")] = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fit a table at several epsilons and draw utility, fidelity, attack and guarantee, with the knee named.

    On public or simulated rows this is free. On private rows every fit is charged to the ledger: the composed total is shown
    first and has to be confirmed. Stop it whenever you like: the same command goes on where it stopped.

    Example: synth sweep --simulated parity --epsilons 0.1,0.3,1,3 --model marginal -o sweep.html
    """
    from evaluation.sweep.page import summary, sweep_html
    from evaluation.sweep.runs import Sweep, key_of, missing_cells, read_records, run_sweep
    from synth.registry import make_synthesizer, require_installed
    from synth.release import atomic_path, check_writable

    plan = Sweep(
        epsilons=_numbers(epsilons), delta=delta, model=model, seeds=seeds, baseline=baseline, max_rows=max_rows, target=target
    )
    make_synthesizer(model)
    require_installed(model)
    place = Path(output)
    check_writable(place, force=force)
    free = public or simulated is not None
    name, material = material_of(data, holdout, simulated, schema, public=free)
    file = place.with_name(place.name + ".jsonl")
    book = None if free else Path(ledger) if ledger is not None else place.with_name(place.name + ".ledger.jsonl")
    missing = missing_cells(plan, read_records(file, key_of(plan, material)))
    charged = "Public or simulated rows: nothing was charged." if book is None else _confirm(plan, missing, book, yes=yes)
    try:
        with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
            for _ in run_sweep(plan, material, file, book, progress.phase):
                progress.advance()
    except KeyboardInterrupt:
        say(f"error: interrupted; finished fits are kept in {file}, and the same command goes on from there")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    kept = {None, *plan.cells()}
    records = [
        r for r in read_records(file, key_of(plan, material))
        if (None if r["epsilon"] is None else (r["epsilon"], r["seed"])) in kept
    ]  # fmt: skip
    facts = {"name": name, "model": model, "delta": delta, "rows": len(material.train), "seeds": seeds, "public": free,
             "baseline": baseline, "charged": charged}  # fmt: skip
    with atomic_path(place, force=force) as temporary:
        temporary.write_text(sweep_html(records, facts), encoding="utf-8")
    whole = summary(records, facts)
    if as_json:
        print_json(whole)
        return
    _show(whole)
    out.print(f"page: {output}" + ("" if free else "  (contains private information: do not publish)"))


def _confirm(plan: Any, missing: list[tuple[float, int]], book: Path, *, yes: bool) -> str:
    """Show what the missing fits cost in all, and go on only where that is accepted."""
    from evaluation.sweep.runs import cost_of

    cost = cost_of(plan, missing, book)
    total = f"epsilon {cost.epsilon:.3g} at delta {cost.delta:.3g} (epsilon {cost.plain:g} by plain addition)"
    text = f"{cost.fits} fit(s) will be charged to {book}; with its {cost.before} earlier run(s) that makes {total}"
    if cost.fits and not yes:
        say(text)
        agreed = sys.stdin.isatty() and typer.confirm("spend this?", err=True)
        if not agreed:
            raise InputError("the cost of the sweep was not accepted, so nothing was run; --yes accepts it in scripts")
    return f"All runs of the ledger after this sweep: {total}."


def material_of(data: str | None, holdout: str | None, simulated: str | None, schema: str | None, *, public: bool) -> Any:
    """Name and rows of what is fitted and scored; also for ``synth tune``."""
    from evaluation.bench.data import HOLDOUT_SHARE, load_data
    from evaluation.bench.simulators import SIMULATORS
    from evaluation.sweep.runs import Material
    from synth.api import read_schema
    from synth.privacy.ingest import read_table

    if (data is None) == (simulated is None):
        raise InputError("name a table, or a simulated one with --simulated, and not both")
    if simulated is not None:
        if simulated not in SIMULATORS:
            raise InputError(f"there is no simulated table {simulated!r}; choose one of {', '.join(SIMULATORS)}")
        found = load_data(simulated)
        return simulated, Material(train=found.train, test=found.test, declared=found.schema, facts=found.schema)
    if holdout is None and not public:
        raise InputError("give held-out rows with --holdout: a split of private rows in here would depend on their order")
    rows = read_table(Path(str(data)))
    declared = read_schema(schema) if schema is not None else None
    facts = read_facts(None, schema, rows)
    if holdout is not None:
        return Path(str(data)).name, Material(train=rows, test=read_table(Path(holdout)), declared=declared, facts=facts)
    import numpy as np

    held = np.random.default_rng(0).random(len(rows)) < HOLDOUT_SHARE
    parts = (rows[mask].reset_index(drop=True) for mask in (~held, held))
    return Path(str(data)).name, Material(train=next(parts), test=next(parts), declared=declared, facts=facts)


def _show(whole: dict[str, Any]) -> None:
    for name, curve in whole["curves"].items():
        pairs = zip(curve["epsilons"], curve["values"], strict=True)
        shown = ", ".join(f"{epsilon:g}: {value:.3f}" for epsilon, value in pairs)
        more = f"; baseline {curve['baseline']:.3f} (NOT PRIVATE)" if curve["baseline"] is not None else ""
        out.print(f"{name} by epsilon: {shown}{more}")
    for failure in whole["failed"]:
        out.print(f"epsilon {failure['epsilon']:g} was refused: {failure['reason']}")
    out.print(whole["knee"]["sentence"])
    out.print(whole["facts"]["charged"])


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--epsilons takes numbers with commas between them, not {text!r}") from None
