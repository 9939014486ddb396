"""Columns of many kinds, in and out of files and databases: types, spellings and keys come back.

What a schema declares costs no budget: here that some columns are identifiers or personal data (never read, made anew), and
how dates and numbers are written. Run: ``python examples/kinds_and_formats.py``.
"""

import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import synth
from synth import Column, Kind, Schema
from synth.writer import write_rows

SCHEMA = Schema(
    name="visits",
    columns=(
        Column(name="patient", kind=Kind.IDENTIFIER, pattern=r"P\d{6}", unique=True),
        Column(name="name", kind=Kind.PII, faker="name", locale="de_DE"),
        Column(name="admitted", kind=Kind.DATETIME, format="%d/%m/%Y", bounds=("2020-01-01", "2025-12-31"), nullable=False),
        Column(name="at", kind=Kind.TIME, granularity="minute"),
        Column(name="stay", kind=Kind.DURATION, bounds=(0, 60 * 86_400), granularity="hour"),
        Column(name="cost", kind=Kind.DECIMAL, precision=2, decimal_mark=",", bounds=(0, 100_000), nullable=False),
        Column(name="postcode", kind=Kind.CATEGORY, categories=("01067", "04109", "89073")),
        Column(name="urgent", kind=Kind.BOOLEAN, categories=("nein", "ja"), nullable=False),
    ),
)


def simulate(rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    days = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 1400, rows), unit="D")
    return pd.DataFrame(
        {
            "patient": [f"P{i:06d}" for i in rng.permutation(10**6)[:rows]],
            "name": "Ada Lovelace",
            "admitted": pd.Series(days).dt.strftime("%d/%m/%Y"),
            "at": [f"{h:02d}:{m:02d}" for h, m in zip(rng.integers(6, 20, rows), rng.integers(0, 60, rows), strict=True)],
            "stay": [f"{d} days 06:00:00" for d in rng.poisson(4, rows)],
            "cost": [f"{v:.2f}".replace(".", ",") for v in rng.lognormal(7, 1, rows).clip(0, 99_999)],
            "postcode": rng.choice(["01067", "04109", "89073", None], rows),
            "urgent": rng.choice(["ja", "nein"], rows, p=[0.2, 0.8]),
        }
    )


def main():
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "clinic.db"
        with sqlite3.connect(database) as file:
            simulate().to_sql("visits", file, index=False)
        file.close()
        release = synth.fit(
            f"sqlite:///{database}", sql="select * from visits", schema=SCHEMA, epsilon=1.0, model="independent"
        )
        print("epsilon", release.receipt.epsilon)
        for name in ("visits.csv", "visits.jsonl.gz", "visits.parquet", "visits.feather"):
            write_rows(release.sample_blocks(200, seed=0), release, Path(folder) / name, force=False)
        write_rows(release.sample_blocks(200, seed=0), release, f"sqlite:///{database}", force=False, table="synthetic")
        print(*(Path(folder) / "visits.csv").read_text().splitlines()[:4], sep="\n")
        print(pd.read_parquet(Path(folder) / "visits.parquet").dtypes)


if __name__ == "__main__":
    main()
