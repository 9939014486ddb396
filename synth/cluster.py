"""The same work on a Ray cluster: a fit in several processes by Ray Train, a sample in many files by Ray Data.

Ray starts the processes and lets them find each other; sums, noise and ledger are those of any run in several processes
(``synth.privacy.workers``). No row passes through Ray: each process reads its own part of the files. What a process tells
is public: that it is done, or one sentence.
"""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from synth.atomic import check_writable
from synth.blocks import block_sizes
from synth.config import FitConfig
from synth.constrained import custom_names
from synth.errors import InputError, SynthError, WorkerError
from synth.parallel import cores
from synth.progress import Silent
from synth.release import Release, load
from synth.runner import checkpoint_of, fit_config
from synth.writer import write_rows

NEEDED = '--engine ray needs a further package; install it with: pip install "synth-dp[ray]"'
PART = 8  # blocks of a file: about a million rows
NAMES = "part-*.parquet"


def fit_on_ray(
    config: FitConfig, target: Path, ledger: Path, workers: int | None = None, *, force: bool = False, resume: bool = False
) -> Release:
    """One fit in several processes of a cluster: one ledger, one model.

    All see the same files; the first process writes ledger and model. A process that is lost ends the run: nothing is tried
    again by itself: what was charged stays charged, and the checkpoint beside the model is there for ``resume``.

    Args:
        config: As for a fit in one process.
        target: Where the model goes.
        ledger: Where charges are recorded.
        workers: Processes; by default as many as the cluster has processors.
        force: Replace the model that is there.
        resume: Go on with the same run that was interrupted.

    Raises:
        SynthError: What ended a process.
    """
    check_writable(target, force=force)
    with cluster(workers) as size, tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as kept:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        once = FailureConfig(max_failures=0, max_preemption_failures=0, controller_failure_limit=0)
        trainer = TorchTrainer(
            partial(_fit_part, config, target.absolute(), ledger.absolute(), Path.cwd(), resume),
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=size),
            run_config=RunConfig(storage_path=os.path.abspath(kept), failure_config=once),
        )
        failure: SynthError | None = None
        try:
            trainer.fit()
        except Exception as error:  # noqa: BLE001 - Ray wraps what its workers raise in classes of its own
            failure = _first_sentence(error)
        if failure is not None:
            raise failure
    return load(target)


def _fit_part(config: FitConfig, target: Path, ledger: Path, folder: Path, resume: bool) -> None:
    """What every process runs. Only a sentence leaves it: a traceback may hold private values."""
    failure: SynthError | None = None
    try:
        from ray.train import get_context

        os.chdir(folder)  # Ray has a folder of its own; the paths are those of whoever started the run
        checkpoint = checkpoint_of(target) if config.noise_key is None or resume else None
        release = fit_config(config, ledger, Silent(), checkpoint=checkpoint, resume=resume)
        if get_context().get_world_rank() == 0:
            release.save(target)
            if checkpoint is not None:
                checkpoint.unlink(missing_ok=True)
    except Exception as error:  # noqa: BLE001 - as in the command line
        failure = _sentence(error)
    if failure is not None:  # outside of the handler: nothing is chained to it
        raise failure


def _sentence(error: Exception) -> SynthError:
    if isinstance(error, SynthError):
        return type(error)(str(error))
    where = traceback.extract_tb(error.__traceback__)[-1]
    return WorkerError(f"internal error of a worker ({type(error).__name__} at {Path(where.filename).name}:{where.lineno})")


def _first_sentence(error: BaseException) -> SynthError:
    """What a process said, or that it died without a word; that another one is gone comes last."""
    found = [inner for outer in getattr(error, "worker_failures", {}).values() if (inner := _said(outer)) is not None]
    found.sort(key=lambda e: isinstance(e, WorkerError))
    return (
        found[0] if found else WorkerError("a worker of this run is gone, and the run with it. What was charged stays charged")
    )


def _said(error: Any) -> SynthError | None:
    while error is not None and not isinstance(error, SynthError):
        error = getattr(error, "_base_exc", None) or getattr(error, "cause", None)
    return error


def sample_on_ray(
    model: Path, target: Path, num_rows: int | None = None, *, seed: int | None = None, workers: int | None = None,
    force: bool = False,
) -> tuple[int, int]:  # fmt: skip
    """Rows as ``Release.sample`` draws them, in a folder of Parquet files; each is drawn and written where Ray likes.

    Args:
        model: A ``model.synth`` that all nodes see.
        target: The folder, which all nodes see; whole or not there.
        num_rows: By default the paid row count.
        seed: Makes the rows repeatable.
        workers: Files at a time; by default one a processor.
        force: Replace an earlier folder of such files.

    Returns:
        Rows and files.

    Raises:
        InputError: Rows of this model depend on earlier ones, or the folder cannot be written.
    """
    release = load(model)
    total = release.receipt.rows if num_rows is None else num_rows
    _check_independent(release)
    if total < 0:
        raise InputError(f"the number of rows must not be negative, not {total}")
    _check_folder(target, force=force)
    root = np.random.SeedSequence(seed).entropy
    parts = -(-sum(1 for _ in block_sizes(total)) // PART) or 1
    with cluster(workers) as size, tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as made:
        import ray.data

        ray.data.DataContext.get_current().enable_progress_bars = False
        where = os.path.abspath(made)
        write = partial(_write_part, str(model.absolute()), total, root, where)
        try:
            ray.data.range(parts, override_num_blocks=parts).map(write, compute=ray.data.TaskPoolStrategy(size)).materialize()
        except Exception as error:  # noqa: BLE001 - as above
            raise (_said(error) or WorkerError(f"a task of this run failed ({type(error).__name__})")) from None
        whole = Path(made) / "whole"
        whole.mkdir()
        for file in Path(made).glob(NAMES):
            file.replace(whole / file.name)
        if target.exists():
            shutil.rmtree(target)
        whole.replace(target)
    return total, parts


def part_blocks(release: Release, total: int, root: Any, part: int) -> Iterator[Any]:
    """The rows of one file; all files together are the rows of ``Release.sample``."""
    blocks = list(itertools.islice(block_sizes(total), part * PART, (part + 1) * PART))
    return release.part_cells(blocks, np.random.SeedSequence(root), 1)


def _write_part(model: str, total: int, root: Any, folder: str, row: dict[str, Any]) -> dict[str, Any]:
    release, part = load(model), int(row["id"])
    blocks = part_blocks(release, total, root, part)
    write_rows(blocks, release, Path(folder) / f"part-{part:05d}.parquet", force=True)  # Ray may try a task again
    return row


def _check_independent(release: Release) -> None:
    again = [c.name for c in release.schema.columns if c.kind is not None and c.kind.is_regenerated]
    if release.persons is not None:
        raise InputError("rows of persons are numbered one person after the other; sample them without --engine ray")
    if again:
        raise InputError(
            f"column {again[0]!r} is made anew one row after the other, one part after the other; sample without --engine ray"
        )
    if custom_names(release.schema.constraints):
        raise InputError("rules in Python are met by drawing again, one row after the other; sample without --engine ray")


def _check_folder(target: Path, *, force: bool) -> None:
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {str(target.parent)!r}")
    if target.exists() and not force:
        raise InputError(f"{str(target)!r} exists; use --force to replace it")
    if target.exists() and (not target.is_dir() or {*target.iterdir()} != {*target.glob(NAMES)}):
        raise InputError(f"{str(target)!r} holds more than parts of an earlier sample; name another folder")


@contextmanager
def cluster(workers: int | None) -> Iterator[int]:
    """Be part of the cluster that ``RAY_ADDRESS`` names, or of one of this machine that ends with the block.

    Args:
        workers: Processes wanted; ``None`` for one a processor.

    Yields:
        How many processes there are.

    Raises:
        InputError: Ray is not installed, the cluster does not answer, or is smaller than that.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    try:
        import ray
    except ImportError:
        raise InputError(NEEDED) from None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", num_cpus=max(workers or 1, cores()), include_dashboard=False, **quiet)
    except Exception:  # noqa: BLE001 - Ray raises plain ones as well
        raise InputError("Ray does not start or answer; is RAY_ADDRESS right, or the machine very busy?") from None
    try:
        there = int(ray.cluster_resources().get("CPU", 0))
        if there < (workers or 1):
            raise InputError(f"the cluster has {there} processors, fewer than {workers or 1} workers need; take fewer workers")
        logging.disable(logging.WARNING)  # what Ray says about its plans
        yield workers or there
    finally:
        logging.disable(logging.NOTSET)
        with suppress(Exception):
            ray.shutdown()
