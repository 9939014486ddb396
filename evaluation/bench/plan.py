"""What ``synth bench`` does: check what was asked for, run what is missing, show it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.bench.cells import Cell, label_of, variants
from evaluation.bench.data import check_data
from synth.errors import InputError
from synth.registry import SYNTHESIZERS

DATASETS = ("adult", "diabetes130", "randhie")
MODELS = tuple(SYNTHESIZERS)
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for.

    Attributes:
        models: Synthesizers and peers with their defaults; empty for all synthesizers (for none beside ``peers`` or ``sets``).
        datasets: Names of data sets; empty for the cards.
        epsilons: Budgets.
        delta: Of every run.
        seeds: Runs per cell, seeds 0 and up.
        sets: Variants, ``model.option=value``.
        peers: Whether all other generators are run as well.
        results: File of records.
        only_show: Whether nothing is run.
        plot: Where to draw; ``None`` for nowhere.
        steps: Whether the cost of DP-SGD steps is measured instead.
        scale: Whether the cost of counting, fitting and sampling is measured instead, as tables grow.
        cache: Folder of the peers' environments; ``None`` for the default.
        limit: Seconds after which a fit is stopped.
        retry: Whether failed runs are run again.
    """

    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    epsilons: tuple[float, ...] = (1.0,)
    delta: float = 1e-5
    seeds: int = 5
    sets: tuple[str, ...] = ()
    peers: bool = False
    results: Path = RESULTS / "quality.jsonl"
    only_show: bool = False
    plot: Path | None = None
    steps: bool = False
    scale: bool = False
    cache: Path | None = None
    limit: float | None = None
    retry: bool = False


def default_results() -> Path:
    """The committed records in a checkout, a file of the current folder elsewhere."""
    return RESULTS / "quality.jsonl" if RESULTS.is_dir() else Path("bench.jsonl")


def cells_of(plan: Plan) -> list[Cell]:
    """The grid, seeds before models, so that an interrupted grid compares like with like.

    Raises:
        InputError: Something in the plan does not exist or makes no sense.
    """
    if not all(epsilon > 0 for epsilon in plan.epsilons) or not 0 < plan.delta < 1 or plan.seeds < 1:
        raise InputError("epsilons must be positive, delta between 0 and 1, and seeds at least 1")
    for name in plan.datasets:
        check_data(name)
    models = plan.models or (() if plan.peers or plan.sets else MODELS)
    chosen = variants(models, plan.sets, peers=plan.peers)
    return [
        Cell(dataset=dataset, model=model, options=options, epsilon=epsilon, delta=plan.delta, seed=seed)
        for dataset in plan.datasets or DATASETS
        for epsilon in plan.epsilons
        for seed in range(plan.seeds)
        for model, options in chosen
    ]


def run_plan(plan: Plan, say: Callable[[str], None]) -> None:
    """Run the plan and print the tables.

    Args:
        plan: What is asked for.
        say: Told about progress.

    Raises:
        InputError: Something in the plan does not exist, or a file cannot be read or written.
    """
    cells = cells_of(plan)
    if plan.plot is not None:
        from evaluation.bench.plot import check_plot

        check_plot(plan.plot)
    steps = plan.results.with_name("steps.jsonl")
    if plan.steps:
        from evaluation.bench.steps import measure_steps

        say("timing DP-SGD steps")
        steps.parent.mkdir(parents=True, exist_ok=True)
        steps.write_text("".join(json.dumps(r, sort_keys=True) + "\n" for r in measure_steps()), encoding="utf-8")
    elif plan.scale:
        _measure_scale(plan, say)
    elif not plan.only_show:
        say(f"{len(cells)} runs, recorded in {plan.results}")
        _run(plan, cells, say)
    _show(plan, cells, steps)


def _measure_scale(plan: Plan, say: Callable[[str], None]) -> None:
    """Costs as tables grow; rows are drawn from a model of Adult that is fitted first."""
    from evaluation.bench.data import load_data
    from evaluation.bench.grid import command, read_results
    from evaluation.bench.plot import plot_speed
    from evaluation.bench.speed import run_speed
    from synth.schema_toml import schema_to_toml

    file = plan.results.with_name("speed.jsonl")
    say(f"timing counting, sampling and fitting, recorded in {file}; a quarter of an hour")
    with tempfile.TemporaryDirectory() as folder:
        data, place = load_data("adult"), Path(folder)
        data.train.to_csv(place / "train.csv", index=False)
        (place / "schema.toml").write_text(schema_to_toml(data.schema), encoding="utf-8")
        words = [
            "fit",
            str(place / "train.csv"),
            "-s",
            str(place / "schema.toml"),
            "-e",
            "1",
            "-q",
            "-o",
            str(place / "m.synth"),
        ]
        command(words, plan.limit)
        run_speed(file, model=place / "m.synth")
    plot_speed(read_results(file), file.with_suffix(".svg"))


def _run(plan: Plan, cells: list[Cell], say: Callable[[str], None]) -> None:
    from evaluation.bench.grid import Terms, run_grid
    from evaluation.bench.peering import cache_folder

    terms = Terms(limit=plan.limit, cache=cache_folder(plan.cache), retry=plan.retry, say=say)
    for record in run_grid(cells, plan.results, terms):
        where = f"{record['dataset']} {label_of(record)} {record['seed']}"
        if "failed" in record:
            say(f"{where} failed: {record['failed']}")
        else:
            scores = {name: round(s["value"], 4) for name, s in record["scores"].items() if s["value"] is not None}
            print(where, record["fit"]["seconds"], "s", scores, flush=True)


def _show(plan: Plan, cells: list[Cell], steps: Path) -> None:
    """Tables and plot of what is recorded; of the data sets and models that were named, where some were."""
    from evaluation.bench.grid import latest, read_results
    from evaluation.bench.tables import quality_table, steps_table

    def asked(record: dict[str, Any]) -> bool:
        data = not plan.datasets or record["dataset"] in plan.datasets
        model = not (plan.models or plan.sets or plan.peers) or record["model"] in {cell.model for cell in cells}
        return data and model

    records = [record for record in latest(read_results(plan.results)) if asked(record)]
    if records:
        print(quality_table(records))
    if steps.exists() and (plan.steps or not plan.datasets):
        print(steps_table(read_results(steps)))
    speed = steps.with_name("speed.jsonl")
    if speed.exists() and (plan.scale or not plan.datasets):
        from evaluation.bench.speed import speed_table

        print(speed_table(read_results(speed)))
    if plan.plot is not None:
        from evaluation.bench.plot import plot_quality

        plot_quality(records, plan.plot)
