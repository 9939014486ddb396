"""``--engine ray`` of ``synth fit`` and ``synth sample``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from synth.cli.console import Reporter, out, print_json
from synth.config import FitConfig
from synth.errors import InputError


def _check(engine: str, workers: int | None) -> None:
    if engine != "ray":
        raise InputError(f"--engine knows ray, not {engine!r}; leave it out to work on this machine alone")
    if workers is not None and workers < 1:
        raise InputError(f"--workers takes a number of processes, at least 1, not {workers}")


def fit_engine(
    engine: str,
    said: FitConfig,
    target: Path,
    workers: int | None,
    *,
    force: bool,
    quiet: bool,
    as_json: bool,
    resume: bool,
) -> tuple[Any, Path]:
    """Fit on a cluster; what comes out is that of ``synth fit``.

    Raises:
        InputError: No such engine, or an option that it does not go with.
    """
    _check(engine, workers)
    book = Path(said.ledger) if said.ledger else target.with_name(target.name + ".ledger.jsonl")
    with Reporter(quiet=quiet, as_json=as_json) as progress:
        progress.phase("fitting on a Ray cluster")
        from synth.cluster import fit_on_ray

        return fit_on_ray(said, target, book, workers, force=force, resume=resume), book


def sample_engine(
    engine: str,
    model: Path,
    target: Path,
    rows: int | None,
    seed: int | None,
    workers: int | None,
    *,
    plain: bool,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Sample on a cluster, into a folder of Parquet files.

    Args:
        engine: Its name.
        model: A ``model.synth``.
        target: The folder.
        rows: How many; by default the paid row count.
        seed: Makes them repeatable.
        workers: Files at a time.
        plain: Whether nothing but rows was asked for.
        force: Replace an earlier folder.
        quiet: No progress.
        as_json: Facts on stdout.

    Raises:
        InputError: No such engine, or an option that it does not go with.
    """
    _check(engine, workers)
    if not plain:
        raise InputError(
            "--engine ray draws rows of one table, without conditions, --balance, --entities, --datasets or --table"
        )
    if target.suffix:
        raise InputError(f"--engine ray writes a folder of Parquet files; name a folder with --output, not {target.name!r}")
    started = time.monotonic()
    with Reporter(quiet=quiet, as_json=as_json) as progress:
        progress.phase("sampling on a Ray cluster")
        from synth.cluster import sample_on_ray

        total, files = sample_on_ray(model, target, rows, seed=seed, workers=workers, force=force)
    facts = {"output": str(target), "rows": total, "files": files, "seconds": round(time.monotonic() - started, 2)}
    if as_json:
        print_json(facts)
    else:
        out.print(f"{target}: {total:,} rows in {files} files, {facts['seconds']} s")
