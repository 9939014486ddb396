"""What counting, fitting and sampling cost as tables grow: ``synth bench --scale``. Rows are made up, or drawn from a model.

Processor seconds are measured, as the machine may have other work. *Counting* is one pass over the codes of all columns for the
tables of all pairs, on one thread, beside a plain copy of memory. *Fits* are whole commands. *Sampling* is a release of Adult's
columns into a file, beside the library that writes the file given the same table in memory.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from evaluation.bench.data import load_data
from evaluation.bench.grid import circumstances
from evaluation.bench.process import weighed
from evaluation.bench.scale import chunk, columns
from evaluation.bench.steps import SIZES
from evaluation.fidelity.marginals import score_marginals
from evaluation.inputs import prepare
from synth.column import Column
from synth.privacy.codes import Codes
from synth.privacy.tally import Tally
from synth.release import Release, load
from synth.schema import Schema
from synth.schema_toml import schema_to_toml
from synth.writer import write_rows

Record = dict[str, Any]
MODEL = "marginal"
COPY_BYTES = 1 << 28
FORMATS: dict[str, Callable[[pa.Table, str], Any]] = {
    "parquet": pyarrow.parquet.write_table,
    "feather": pyarrow.feather.write_feather,
    "csv": pyarrow.csv.write_csv,
}
TV = ("tv_1way", "tv_2way", "tv_3way")
START = 65_536  # rows that are drawn with care, and slower; see ``synth.blocks``


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What is measured.

    Attributes:
        rows: Numbers of rows, at ``width`` columns.
        widths: Numbers of columns, at ``length`` rows.
        fit_rows: The same for whole fits.
        fit_widths: The same for whole fits.
        sample: Rows that are drawn.
        compared: Rows of a sample whose error is compared with that of its first ones.
        many: Rows of one very large sample, by a command of its own.
        width: Columns while rows grow.
        length: Rows while columns grow.
    """

    rows: tuple[int, ...] = (10**4, 10**5, 10**6, 10**7)
    widths: tuple[int, ...] = (10, 25, 50, 100, 200)
    fit_rows: tuple[int, ...] = (10**4, 10**5, 10**6, 10**7)
    fit_widths: tuple[int, ...] = (10, 25, 50, 100)
    sample: int = 1_000_000
    compared: int = 200_000
    many: int = 20_000_000
    width: int = 15
    length: int = 10**5


def processor_seconds(work: Callable[[], Any], least: float = 0.2) -> float:
    """Processor seconds of a call: the smallest of several, as whatever else runs only adds to it."""
    found: list[float] = []
    while len(found) < 2 or (sum(found) < least and len(found) < 50):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return max(min(found), 1e-9)


def copy_speed() -> float:
    """Bytes a second that one thread reads and writes when it copies memory, both counted."""
    source, target = np.ones(COPY_BYTES, dtype=np.uint8), np.empty(COPY_BYTES, dtype=np.uint8)
    return 2 * COPY_BYTES / processor_seconds(lambda: np.copyto(target, source))


def counting(rows: int, width: int, copied: float) -> Record:
    """Tables of all pairs of columns, in one pass over their codes; the plan is made before."""
    sizes = list(itertools.islice(itertools.cycle(SIZES), width))
    rng = np.random.default_rng(0)
    codes = Codes(sizes, rows)
    for j, size in enumerate(sizes):
        codes.write(j, 0, rng.integers(0, size, rows, dtype=np.int32))
    tally = Tally(list(itertools.combinations(range(width), 2)), sizes)

    def count() -> None:
        for block in codes.blocks(tally.columns):
            tally.add(block)

    seconds = processor_seconds(count)
    moved = rows * tally.plan.bytes_a_row()
    return {
        "bench": "counting", "rows": rows, "columns": width, "pairs": width * (width - 1) // 2, "counts": len(tally.plan.hosts),
        "cpu_seconds": round(seconds, 5), "ns_a_row": round(1e9 * seconds / rows, 1), "mib_moved": round(moved / 2**20, 1),
        "gib_per_second": round(moved / seconds / 2**30, 2), "copy_gib_per_second": round(copied / 2**30, 2),
        "share_of_copy": round(moved / seconds / copied, 3),
    }  # fmt: skip


def wide_columns(width: int) -> tuple[Column, ...]:
    """The columns of ``scale``, as often as it takes."""
    pool = columns()
    return tuple(replace(pool[k % len(pool)], name=f"{pool[k % len(pool)].name}_{k}") for k in range(width))


def wide_chunk(rows: int, width: int, rng: np.random.Generator) -> pa.Table:
    """Rows for ``wide_columns``: every twenty columns share a hidden number."""
    parts = [chunk(rows, rng) for _ in range(-(-width // len(columns())))]
    arrays = [part.column(c.name) for part in parts for c in columns()][:width]
    return pa.table(dict(zip((c.name for c in wide_columns(width)), arrays, strict=True)))


def fitting(rows: int, width: int, folder: Path | None) -> Record:
    """A whole ``synth fit`` of a generated lake, start-up included."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        place = Path(made)
        for k, start in enumerate(range(0, rows, 1 << 19)):
            table = wide_chunk(min(1 << 19, rows - start), width, np.random.default_rng(k))
            pyarrow.parquet.write_table(table, place / f"part-{k:05d}.parquet")
        schema = place / "schema.toml"
        schema.write_text(schema_to_toml(Schema(columns=wide_columns(width))), encoding="utf-8")
        cost = weighed(
            [sys.executable, "-m", "synth", "fit", f"{made}/*.parquet", "-s", str(schema), "-e", "1", "-m", MODEL,
             "-q", "-o", str(place / "m.synth")],
            f"fit of {rows} rows and {width} columns", environment={"TMPDIR": made},
        )  # fmt: skip
    return {"bench": "fit", "rows": rows, "columns": width, "model": MODEL, **cost}


def sampling(release: Release, rows: int, form: str, folder: Path | None) -> Record:
    """Rows into a file by two threads, those after the first 65,536 by themselves; and the writer alone."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        path, alone = Path(made) / f"rows.{form}", str(Path(made) / f"alone.{form}")

        def draw(number: int) -> tuple[float, float]:
            wall, processor = time.perf_counter(), time.process_time()
            write_rows(release.cell_blocks(number, seed=1, workers=2), release, path, force=True, workers=2)
            return time.perf_counter() - wall, time.process_time() - processor

        draw(1000)
        first, whole = draw(START), draw(START + rows)
        table = pyarrow.csv.read_csv(path) if form == "csv" else pyarrow.feather.read_table(path) if form == "feather" else (
            pyarrow.parquet.read_table(path)
        )  # fmt: skip
        writing = processor_seconds(lambda: FORMATS[form](table, alone)) * rows / (rows + START)
    seconds = max(whole[1] - first[1], 1e-9)
    return {
        "bench": "sampling", "format": form, "model": release.model, "rows": rows, "seconds": round(whole[0] - first[0], 2),
        "first_cpu_seconds": round(first[1], 2), "cpu_seconds": round(seconds, 2), "us_a_row": round(1e6 * seconds / rows, 2),
        "rows_per_second_on_2": round(2 * rows / seconds), "writer_us_a_row": round(1e6 * writing / rows, 2),
        "writer_share": round(writing / seconds, 3),
    }  # fmt: skip


def large_samples(release: Release, rows: int) -> Iterator[Record]:
    """How far rows are from the training rows of Adult: as many as these, as many of the later ones, and all ``rows``."""
    data = load_data("adult")
    drawn, few = release.sample(rows, seed=1), len(data.train)
    parts = {
        f"the first {few:,}": drawn.iloc[:few],
        f"{few:,} after the first {START:,}": drawn.iloc[START : START + few],
        f"all {rows:,}": drawn,
    }
    for which, part in parts.items():
        tables = prepare(data.train, data.test, part.reset_index(drop=True), data.schema, seed=0)
        scores = {s.name: round(s.value, 4) for s in score_marginals(tables).scores if s.name in TV and s.value is not None}
        yield {"bench": "large samples", "which": which, "rows": len(part), "model": release.model, **scores}


def very_large(model: Path, rows: int, folder: Path | None) -> Record:
    """Many rows into one Parquet file, as a command of its own; the file is removed again."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        path = Path(made) / "rows.parquet"
        cost = weighed(
            [sys.executable, "-m", "synth", "sample", str(model), "-n", str(rows), "-o", str(path), "--seed", "1", "-q"],
            f"sample of {rows} rows",
        )
        return {"bench": "very large sample", "rows": rows, "format": "parquet", "file_mib": path.stat().st_size >> 20, **cost}


def measure(sizes: Sizes, model: Path | None = None, folder: Path | None = None) -> Iterator[Record]:
    """All records.

    Args:
        sizes: What is measured.
        model: A ``model.synth`` to sample from; without one nothing is sampled.
        folder: For tables.
    """
    around = circumstances()
    copied = copy_speed()
    counted = [(rows, sizes.width) for rows in sizes.rows] + [(sizes.length, width) for width in sizes.widths]
    for rows, width in counted:
        yield counting(rows, width, copied) | around
    if model is not None:
        release = load(model)
        for form in FORMATS:
            yield sampling(release, sizes.sample, form, folder) | around
        for record in large_samples(release, sizes.compared):
            yield record | around
        yield very_large(model, sizes.many, folder) | around
    for rows, width in [(r, sizes.width) for r in sizes.fit_rows] + [(sizes.length, w) for w in sizes.fit_widths]:
        yield fitting(rows, width, folder) | around


def speed_table(records: Sequence[Record]) -> str:
    """Markdown: one table a kind of record."""
    shown = {
        "counting": ("rows", "columns", "pairs", "counts", "cpu_seconds", "ns_a_row", "mib_moved", "gib_per_second",
                     "copy_gib_per_second", "share_of_copy"),
        "fit": ("rows", "columns", "model", "cpu_seconds", "seconds", "peak_mib"),
        "sampling": ("format", "model", "rows", "us_a_row", "rows_per_second_on_2", "writer_us_a_row", "writer_share"),
        "large samples": ("which", "model", *TV),
        "very large sample": ("rows", "format", "cpu_seconds", "seconds", "peak_mib", "file_mib"),
    }  # fmt: skip
    tables = []
    for kind, names in shown.items():
        found = [r for r in records if r["bench"] == kind]
        if found:
            lines = ["| " + " | ".join(name.replace("_", " ") for name in names) + " |", "|---" * len(names) + "|"]
            lines += ["| " + " | ".join(_cell(r.get(name)) for name in names) + " |" for r in found]
            tables.append(f"{kind.capitalize()}:\n\n" + "\n".join(lines))
    return "\n\n".join(tables)


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def run_speed(results: Path, sizes: Sizes | None = None, model: Path | None = None) -> None:
    """Measure and write the records, one JSON line each, as they come; then the plot beside them."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("w", encoding="utf-8") as file:
        for record in measure(sizes or Sizes(), model):
            file.write(json.dumps(record, sort_keys=True) + "\n")
            file.flush()
