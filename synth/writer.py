"""Synthetic rows to a file, block by block, in constant memory; whole or not there."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from synth.errors import InputError
from synth.release import Release, atomic_path

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")


def write_rows(blocks: Iterable[pd.DataFrame], release: Release, target: Path, *, force: bool) -> None:
    """Stream blocks into one file; its suffix says the format.

    Raises:
        InputError: Unknown suffix, or a place that cannot be written.
    """
    suffix = next((s for s in sorted(SUFFIXES, key=len, reverse=True) if target.name.lower().endswith(s)), None)
    if suffix is None:
        raise InputError(f"cannot tell the format of {target.name!r}; use one of {', '.join(SUFFIXES)}")
    empty = release.sample(0)
    with atomic_path(target, force=force) as temporary:
        if suffix in (".parquet", ".pq"):
            _parquet(blocks, empty, temporary)
        else:
            _text(blocks, empty, temporary, "," if ".csv" in suffix else "\t")


def numbered(target: Path, number: int) -> Path:
    """The name of one of several files: ``out.csv.gz`` and 3 give ``out_3.csv.gz``."""
    stem, dot, rest = target.name.partition(".")
    return target.with_name(f"{stem}_{number}{dot}{rest}")


def _parquet(blocks: Iterable[pd.DataFrame], empty: pd.DataFrame, path: Path) -> None:
    fields = []
    for name, series in empty.items():
        plain = series.dtype == object
        fields.append(pa.field(str(name), pa.string() if plain else pa.array(series, from_pandas=True).type))
    schema = pa.schema(fields)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for block in blocks:
            writer.write_table(pa.Table.from_pandas(block, schema=schema, preserve_index=False))


def _text(blocks: Iterable[pd.DataFrame], empty: pd.DataFrame, path: Path, separator: str) -> None:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        empty.to_csv(file, sep=separator, index=False)
        for block in blocks:
            block.to_csv(file, sep=separator, index=False, header=False)
