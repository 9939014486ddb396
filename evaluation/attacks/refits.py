"""The fits of a shadow attack: processes side by side, one JSON line each, resumed where they stopped.

The file holds what releases say about chosen real people: it is private, like every evaluation. The fits are private as
well; their releases are never kept, and so no ledger is charged.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.attacks.shadow import FEATURES, Targets, membership_plan, target_features
from evaluation.inputs import as_texts, row_hashes
from synth.encoding.values import conform
from synth.errors import InputError
from synth.schema import Schema

FloatArray = npt.NDArray[np.float64]

MAX_KNOWN = 5_000  # rows that set ranks and cells


class Generator(Protocol):
    """What is attacked: rows to synthetic rows. It must survive being sent to another process."""

    def __call__(self, rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
        """Fit anew and return about as many synthetic rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesizer:
    """A model of the registry as a generator.

    Attributes:
        model: Name in the registry.
        options: Of the model.
        epsilon: Of every fit.
        delta: Of every fit; ``None`` derives it from the row count, as ``fit`` does.
        declared: Schema that the fits get; what it leaves open is learnt by each.
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    epsilon: float
    delta: float | None = None
    declared: Schema | None = None

    def __call__(self, rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
        """Fit with secret noise and sample."""
        from synth.api import fit

        del schema
        release = fit(
            as_texts(rows), epsilon=self.epsilon, delta=self.delta, schema=self.declared, model=self.model, options=self.options
        )
        return release.sample()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything the fits share.

    Attributes:
        rows: Raw rows of the fitted table, as the generator takes them, shape (n, d).
        schema: Every kind declared; for looking at the releases.
        targets: Whom it is about.
        fits: How many; even.
        seed: Of who is in which fit.
        generator: What is attacked.
    """

    rows: pd.DataFrame
    schema: Schema
    targets: Targets
    fits: int
    seed: int
    generator: Generator

    def key(self) -> str:
        """Tells records of this job from those of any other: data, targets, seed and generator, but not how many fits."""
        digest = hashlib.sha256(row_hashes(self.rows.astype(str)).tobytes())
        digest.update(self.targets.rows.tobytes())
        digest.update(repr((self.seed, self.generator)).encode())
        return digest.hexdigest()[:16]


def run_fit(job: Job, number: int) -> FloatArray:
    """One fit: leave out the targets whose coin says so, fit, and look at the release; shape (targets, features)."""
    inside = membership_plan(job.fits, len(job.targets.rows), job.seed)[number]
    kept = np.ones(len(job.rows), dtype=bool)
    kept[job.targets.rows[~inside]] = False
    release = job.generator(job.rows[kept].reset_index(drop=True), job.schema)
    targets, known = (
        conform(job.rows.iloc[rows].reset_index(drop=True), job.schema, "the table")
        for rows in (job.targets.rows, slice(0, MAX_KNOWN))
    )
    return target_features(conform(release, job.schema, "the release"), targets, known, job.schema)


def run_fits(job: Job, file: Path | None, workers: int = 1, advance: Callable[[int], None] | None = None) -> FloatArray:
    """All fits that are not on file yet.

    Args:
        job: What to do.
        file: JSON lines to read finished fits from and append to; ``None`` keeps nothing.
        workers: Processes; 1 stays in this one.
        advance: Told how many fits were done.

    Returns:
        Features, shape (fits, targets, f).

    Raises:
        InputError: The file cannot be read or written, or is of something else.
    """
    found = np.full((job.fits, len(job.targets.rows), FEATURES), np.nan)
    done = _read(file, job) if file is not None else {}
    for number, features in done.items():
        found[number] = features
    left = [number for number in range(job.fits) if number not in done]
    if advance is not None:
        advance(len(done))
    for number, features in _run(job, left, workers):
        if file is not None:
            _append(file, {"key": job.key(), "fit": number, "features": features.tolist()})
        found[number] = features
        if advance is not None:
            advance(1)
    return found


_JOB: list[Job] = []


def _start(job: Job) -> None:
    """Keep the job in a worker process, so that the table is sent once."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _JOB[:] = [job]


def _one(number: int) -> tuple[int, FloatArray]:
    return number, run_fit(_JOB[0], number)


def _run(job: Job, numbers: list[int], workers: int) -> Iterator[tuple[int, FloatArray]]:
    if workers <= 1 or len(numbers) <= 1:
        for number in numbers:
            yield number, run_fit(job, number)
        return
    pool = ProcessPoolExecutor(min(workers, len(numbers)), get_context("spawn"), _start, (job,))
    try:
        for future in as_completed([pool.submit(_one, number) for number in numbers]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _append(file: Path, record: dict[str, Any]) -> None:
    try:
        with file.open("a+b") as lines:
            end = lines.seek(0, os.SEEK_END)
            if end:
                lines.seek(end - 1)
            torn = end > 0 and lines.read(1) != b"\n"  # a crash cut the last line off
            lines.write(b"\n" * torn + json.dumps(record).encode() + b"\n")
            lines.flush()
            os.fsync(lines.fileno())
    except OSError as error:
        raise InputError(f"cannot write the record of shadow fits {str(file)!r}: {error.strerror}") from None


def _read(file: Path, job: Job) -> dict[int, FloatArray]:
    """Finished fits of this job; lines of other jobs and a line cut off by a crash are passed over."""
    if not file.exists():
        return {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the record of shadow fits {str(file)!r}: {type(error).__name__}") from None
    key, shape, found = job.key(), (len(job.targets.rows), FEATURES), {}
    for line in lines:
        try:
            record = json.loads(line)
            if record["key"] == key and 0 <= record["fit"] < job.fits:
                features = np.array(record["features"], dtype=np.float64)
                if features.shape == shape:
                    found[int(record["fit"])] = features
        except (ValueError, KeyError, TypeError):
            continue
    return found
