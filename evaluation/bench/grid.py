"""Models x data sets x epsilons x seeds through the real commands, one JSON line a run; finished runs are not repeated."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation.bench.cells import Cell, key, label
from evaluation.bench.data import Data, load_data
from evaluation.bench.peering import PEERS, cache_folder, interpreter, run_peer
from evaluation.bench.process import weighed
from evaluation.fidelity.detection import score_detection
from evaluation.fidelity.marginals import score_marginals
from evaluation.inputs import prepare
from evaluation.utility.tstr import score_utility
from synth.errors import InputError, SynthError
from synth.privacy.ingest import read_table
from synth.schema_toml import schema_to_toml

RESULTS = Path(__file__).parent / "results"
MANY = 100_000


def silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How runs are done, whatever the cell.

    Attributes:
        limit: Seconds after which a command is stopped; ``None`` for no limit.
        cache: Folder of the peers' environments.
        retry: Whether runs that failed before are run again.
        say: Told what is about to take long.
    """

    limit: float | None = None
    cache: Path = field(default_factory=cache_folder)
    retry: bool = False
    say: Callable[[str], None] = silent


def command(arguments: list[str], limit: float | None = None) -> dict[str, float]:
    """Run ``synth`` as a process of its own; see ``weighed``."""
    return weighed([sys.executable, "-m", "synth", *arguments], f"synth {arguments[0]}", limit=limit)


def run_cell(cell: Cell, data: Data, terms: Terms) -> dict[str, Any]:
    """Fit, sample and score; a plain record.

    Raises:
        SynthError: The model could not be run on these rows.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        costs = _peer(cell, data, terms, place) if cell.model in PEERS else _own(cell, data, terms, place)
        made = next(place.glob("synthetic.*"))
        scores = score(data, read_table(made), cell.seed)
    return {**named(cell), **costs, "scores": scores, **circumstances()}


def _own(cell: Cell, data: Data, terms: Terms, place: Path) -> dict[str, Any]:
    data.train.to_csv(place / "train.csv", index=False)
    (place / "schema.toml").write_text(schema_to_toml(data.schema), encoding="utf-8")
    options = [word for name, value in cell.options.items() for word in ("--set", f"{name}={value}")]
    fit = command(
        ["fit", str(place / "train.csv"), "--schema", str(place / "schema.toml"), "--epsilon", str(cell.epsilon),
         "--delta", str(cell.delta), "--model", cell.model, "--seed", str(cell.seed), *options,
         "-o", str(place / "m.synth"), "-q"],
        terms.limit,
    )  # fmt: skip
    draw = ["sample", str(place / "m.synth"), "--seed", str(cell.seed), "-q"]
    command([*draw, "-n", str(len(data.train)), "-o", str(place / "synthetic.parquet")], terms.limit)
    return {"fit": fit, "sample_100k": command([*draw, "-n", str(MANY), "-o", str(place / "many.parquet")], terms.limit)}


def _peer(cell: Cell, data: Data, terms: Terms, place: Path) -> dict[str, Any]:
    peer = PEERS[cell.model]
    python = interpreter(peer, terms.cache, terms.say)
    fit = run_peer(
        peer, cell.options, data.train, data.schema, place,
        epsilon=cell.epsilon, delta=cell.delta, seed=cell.seed, python=python, limit=terms.limit,
    )  # fmt: skip
    return {"fit": fit, "peer": peer.library}


def score(data: Data, synthetic: pd.DataFrame, seed: int) -> dict[str, dict[str, float | None]]:
    """Fidelity, utility and detection of synthetic rows: value, interval over rows, ceiling and floor by name."""
    tables = prepare(data.train, data.test, synthetic, data.schema, seed=seed)
    sections = (score_marginals(tables), score_utility(tables, brief=True), score_detection(tables))
    facts = ("value", "low", "high", "ceiling", "floor")
    return {s.name: {fact: getattr(s, fact) for fact in facts} for section in sections for s in section.scores}


def named(cell: Cell) -> dict[str, Any]:
    """The part of a record that says which run it is."""
    return {**asdict(cell), "variant": label(cell.model, cell.options)}


def circumstances() -> dict[str, Any]:
    """Date, machine, versions and commit of a record."""
    revision = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
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
    """All records of a results file; none where there is no file.

    Raises:
        InputError: A line is no record.
    """
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            records += [json.loads(line)] if line else []
        except json.JSONDecodeError:
            raise InputError(f"line {number} of {str(path)!r} is damaged; remove it to run that cell again") from None
    return records


def latest(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last record of every run: a failure that was run again gives way."""
    return list({key(record): record for record in records}.values())


def run_grid(cells: Iterable[Cell], path: Path, terms: Terms | None = None) -> Iterator[dict[str, Any]]:
    """Run what ``path`` does not hold yet, append each record, and yield it.

    A model that cannot be run gives a record with the reason under ``failed``, and the grid goes on.
    """
    terms = terms or Terms()
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {key(r) for r in latest(read_results(path)) if not (terms.retry and "failed" in r)}
    missing = [cell for cell in cells if key(asdict(cell)) not in done]
    loaded: dict[str, Data] = {}
    for number, cell in enumerate(missing, start=1):
        where = f"{cell.dataset}, epsilon {cell.epsilon:g}, {label(cell.model, cell.options)}, seed {cell.seed}"
        terms.say(f"[{number}/{len(missing)}] {where}")
        if cell.dataset not in loaded:
            loaded[cell.dataset] = load_data(cell.dataset)
        try:
            record = run_cell(cell, loaded[cell.dataset], terms)
        except SynthError as error:
            record = {**named(cell), "failed": " ".join(str(error).split()), **circumstances()}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, sort_keys=True) + "\n")
        yield record
