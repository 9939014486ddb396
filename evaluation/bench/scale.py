"""How a fit grows with the rows: time, rows a second and peak memory of ``synth fit`` on a generated lake of Parquet files.

``python -m evaluation.bench.scale ROWS ... --folder TMP`` appends one JSON line a size to
``evaluation/bench/results/scale.jsonl``. The rows are made up, so nothing here is private.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from evaluation.bench.grid import circumstances
from evaluation.bench.process import weighed
from synth.schema import Column, Kind, Schema
from synth.schema_toml import schema_to_toml

RESULTS = Path(__file__).parent / "results" / "scale.jsonl"
CHUNK = 1 << 19  # rows of a file
CATEGORIES = (2, 2, 3, 4, 5, 7, 8, 12, 16, 24)


def columns() -> tuple[Column, ...]:
    """Twenty columns: ten categories, five whole numbers, two decimals, a float, a date and a boolean."""
    found = [
        Column(name=f"k{i}", kind=Kind.CATEGORY, categories=tuple(f"v{c}" for c in range(size)), nullable=False)
        for i, size in enumerate(CATEGORIES)
    ]
    found += [Column(name=f"n{i}", kind=Kind.INTEGER, bounds=(0, 10 ** (i + 1))) for i in range(5)]
    found += [Column(name=f"d{i}", kind=Kind.DECIMAL, precision=2, bounds=(0.0, 1000.0)) for i in range(2)]
    found.append(Column(name="f", kind=Kind.FLOAT, bounds=(-10.0, 10.0)))
    found.append(Column(name="day", kind=Kind.DATETIME, bounds=("2015-01-01", "2024-12-31")))
    found.append(Column(name="b", kind=Kind.BOOLEAN))
    return tuple(found)


def chunk(rows: int, rng: np.random.Generator) -> pa.Table:
    """Rows that share a hidden number, so that columns depend on each other."""
    hidden = rng.normal(size=rows)
    made: dict[str, pa.Array] = {}
    for i, size in enumerate(CATEGORIES):
        codes = np.clip((hidden * (1 - i / 20) + rng.normal(size=rows) + 3) / 6 * size, 0, size - 1).astype(np.int32)
        made[f"k{i}"] = pa.DictionaryArray.from_arrays(codes, [f"v{c}" for c in range(size)])
    for i in range(5):
        most = 10.0 ** (i + 1)
        made[f"n{i}"] = pa.array(np.clip(most * np.exp(hidden - 2 + rng.normal(size=rows) / 2), 0, most).astype(np.int32))
    for i in range(2):
        made[f"d{i}"] = pa.array(np.round(np.clip(100 * np.exp(hidden * i + rng.normal(size=rows)), 0, 1000), 2))
    made["f"] = pa.array(hidden + rng.normal(size=rows))
    made["day"] = pa.array((16_436 + rng.integers(0, 3650, rows)).astype(np.int32), pa.date32())
    made["b"] = pa.array(hidden + rng.normal(size=rows) > 0)
    return pa.table(made)


def write_lake(folder: Path, rows: int) -> None:
    """``rows`` rows in files of at most ``CHUNK``."""
    for k, start in enumerate(range(0, rows, CHUNK)):
        table = chunk(min(CHUNK, rows - start), np.random.default_rng(k))
        pyarrow.parquet.write_table(table, folder / f"part-{k:05d}.parquet")


def measure(rows: int, model: str, folder: Path | None) -> dict[str, object]:
    """Make a lake, fit it, weigh the fit; the lake is removed again."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        lake, schema = Path(made) / "lake", Path(made) / "schema.toml"
        lake.mkdir()
        write_lake(lake, rows)
        schema.write_text(schema_to_toml(Schema(columns=columns(), target="b")), encoding="utf-8")
        cost = weighed(
            [sys.executable, "-m", "synth", "fit", f"{lake}/*.parquet", "-s", str(schema), "-e", "1", "-m", model, "-q",
             "-o", str(Path(made) / "m.synth")],
            f"fit of {rows} rows", environment={"TMPDIR": made},
        )  # fmt: skip
        size = sum(p.stat().st_size for p in lake.iterdir())
    return {"bench": "scale", "rows": rows, "columns": len(columns()), "model": model, "lake_mib": size >> 20,
            **cost, "rows_per_cpu_second": round(rows / cost["cpu_seconds"]), **circumstances()}  # fmt: skip


def main() -> None:
    """Measure the sizes named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="+")
    parser.add_argument("--model", default="hybrid")
    parser.add_argument("--folder", type=Path, help="where the lake and the store go")
    parser.add_argument("--results", type=Path, default=RESULTS)
    said = parser.parse_args()
    for rows in said.rows:
        record = measure(rows, said.model, said.folder)
        with said.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        print(record)


if __name__ == "__main__":
    main()
