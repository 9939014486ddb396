"""Models x data sets x epsilons x seeds through the real commands, one JSON line a run; finished runs are not repeated."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.fidelity.detection import score_detection
from evaluation.fidelity.marginals import score_marginals
from evaluation.inputs import prepare
from evaluation.utility.tstr import score_utility
from synth.catalog import card, dataset_path
from synth.errors import SynthError
from synth.privacy.ingest import read_table
from synth.schema_toml import schema_to_toml

RESULTS = Path(__file__).parent / "results"
HOLDOUT_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of the grid.

    Attributes:
        dataset: Name of a card; its schema is the only public knowledge.
        model: Synthesizer.
        epsilon: Whole budget.
        delta: Whole delta.
        seed: Of initial weights and sampling (noise cannot be seeded).
    """

    dataset: str
    model: str
    epsilon: float
    delta: float
    seed: int


def split(dataset: str) -> tuple[Any, Any]:
    """Training and held-out rows: the published parts, or a fixed quarter held out."""
    train = read_table(dataset_path(dataset))
    if len(card(dataset).parts) > 1:
        return train, read_table(dataset_path(dataset, "test"))
    held = np.random.default_rng(0).random(len(train)) < HOLDOUT_SHARE
    return train[~held].reset_index(drop=True), train[held].reset_index(drop=True)


def command(arguments: list[str]) -> dict[str, float]:
    """Run ``synth`` as a process of its own.

    Returns:
        Wall seconds, CPU seconds, and peak resident memory in MiB, start-up included.

    Raises:
        SynthError: It failed; the text is its own.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen([sys.executable, "-m", "synth", *arguments], stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            raise SynthError(f"synth {arguments[0]} failed: {errors.read().decode(errors='replace').strip()[-300:]}")
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


def run_cell(cell: Cell, train: Any, holdout: Any) -> dict[str, Any]:
    """Fit, sample and score; a plain record."""
    facts = card(cell.dataset).schema
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        train.to_csv(place / "train.csv", index=False)
        (place / "schema.toml").write_text(schema_to_toml(facts), encoding="utf-8")
        fit = command(
            ["fit", str(place / "train.csv"), "--schema", str(place / "schema.toml"), "--epsilon", str(cell.epsilon),
             "--delta", str(cell.delta), "--model", cell.model, "--seed", str(cell.seed), "-o", str(place / "m.synth"), "-q"]
        )  # fmt: skip
        draw = ["sample", str(place / "m.synth"), "--seed", str(cell.seed), "-q"]
        command([*draw, "-n", str(len(train)), "-o", str(place / "synthetic.parquet")])
        sample = command([*draw, "-n", "100000", "-o", str(place / "many.parquet")])
        tables = prepare(train, holdout, read_table(place / "synthetic.parquet"), facts, seed=cell.seed)
    sections = (score_marginals(tables), score_utility(tables), score_detection(tables))
    scores = {s.name: {"value": s.value, "ceiling": s.ceiling, "floor": s.floor} for part in sections for s in part.scores}
    return {**asdict(cell), "fit": fit, "sample_100k": sample, "scores": scores, **circumstances()}


def circumstances() -> dict[str, Any]:
    """Date, machine, versions and commit of a record."""
    revision = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    packages = ("torch", "opacus", "dp-accounting", "numpy", "pandas", "scikit-learn")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "commit": revision.stdout.strip() or "none",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def read_results(path: Path) -> list[dict[str, Any]]:
    """All records of a results file; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def run_grid(cells: Iterable[Cell], path: Path) -> Iterator[dict[str, Any]]:
    """Run what ``path`` does not hold yet, append each record, and yield it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = [f for f in Cell.__slots__]
    done = {tuple(record[key] for key in keys) for record in read_results(path)}
    parts: dict[str, tuple[Any, Any]] = {}
    for cell in cells:
        if tuple(asdict(cell)[key] for key in keys) in done:
            continue
        if cell.dataset not in parts:
            parts[cell.dataset] = split(cell.dataset)
        record = run_cell(cell, *parts[cell.dataset])
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, sort_keys=True) + "\n")
        yield record
