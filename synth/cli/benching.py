"""``synth bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.console import say
from synth.cli.fitting import Quiet, interruptible
from synth.errors import InputError

EXIT_INTERRUPTED = 4


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="bench")(bench)


def bench(
    models: Annotated[str, typer.Option("--models", "-m", help="Models or peers, with commas; all models by default.")] = "",
    datasets: Annotated[
        str,
        typer.Option("--datasets", help="Cards, adult2000, parity, parity_off, copula, heavy, wide60, houses; with commas."),
    ] = "",
    epsilons: Annotated[str, typer.Option("--epsilons", "-e", help="Privacy budgets, with commas.")] = "1",
    delta: Annotated[float, typer.Option("--delta", help="Of every run.")] = 1e-5,
    seeds: Annotated[int, typer.Option("--seeds", help="Runs per cell.")] = 5,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="A variant, model.option=value[,option=value]; may be repeated.")
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Run other generators too, in environments of their own.")] = False,
    results: Annotated[str | None, typer.Option("--results", help="File of records; finished runs are not repeated.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Run nothing; print the tables of what is recorded.")] = False,
    plot: Annotated[str | None, typer.Option("--plot", help="Draw quality against cost into this .svg file.")] = None,
    steps: Annotated[bool, typer.Option("--steps", help="Measure the cost of DP-SGD steps instead.")] = False,
    scale: Annotated[
        bool, typer.Option("--scale", help="Measure the cost of counting, fitting and sampling as tables grow instead.")
    ] = False,
    cache: Annotated[
        str | None,
        typer.Option("--cache", help="Folder of the peers' environments (default $SYNTH_BENCH_CACHE, ~/.cache/synth-bench)."),
    ] = None,
    limit: Annotated[float | None, typer.Option("--limit", help="Seconds after which a fit is stopped.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run what failed before again.")] = False,
    quiet: Quiet = False,
) -> None:
    """Compare models: fit, sample and score data sets x epsilons x models x seeds, one JSON line a run.

    Stop it whenever you like: the same command goes on where it stopped.

    Example: synth bench --models independent --datasets parity --seeds 2 --results bench.jsonl
    """
    from evaluation.bench.plan import Plan, default_results, run_plan

    file = Path(results) if results else default_results()
    plan = Plan(
        models=_names(models), datasets=_names(datasets), epsilons=_numbers(epsilons), delta=delta, seeds=seeds,
        sets=tuple(sets or ()), peers=peers, results=file, only_show=tables, plot=Path(plot) if plot else None, steps=steps,
        scale=scale,
        cache=Path(cache) if cache else None, limit=limit, retry=retry,
    )  # fmt: skip
    try:
        with interruptible():
            run_plan(plan, lambda text: say(text, quiet=quiet))
    except KeyboardInterrupt:
        say(f"error: interrupted; finished runs are kept in {file}, and the same command goes on from there")
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--epsilons takes numbers with commas between them, not {text!r}") from None
