"""Rows of a source, randomised cell by cell. Each block is forgotten before the next is put together.

Blocks have a public number of rows. Those that a reader cuts follow the bytes of the true cells (a block of a text file is so
many bytes), and whoever gets the randomised rows as Parquet or Arrow would see the cuts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from synth.encoding.category import closed_codec
from synth.encoding.codec import category_cells
from synth.encoding.values import check_header, numbers
from synth.privacy.geometric import two_sided_geometric
from synth.privacy.local import Choice, Grid, LocalColumn, LocalPlan, Noise
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.readers import check_names
from synth.privacy.response import responded
from synth.reading.source import BATCH_ROWS, Source
from synth.reading.times import with_plain_times
from synth.schema import Column, Outside, Schema

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Block = dict[str, npt.NDArray[Any]]


def check_source(source: Source, schema: Schema) -> None:
    """Compare the header with the schema; reads no row.

    Raises:
        InputError: They do not match.
    """
    if not source.typed:
        check_names(list(source.header.names), Path(source.name))
    check_header(list(source.header.names), schema)


def randomized_blocks(source: Source, plan: LocalPlan, entropy: Entropy = os_entropy) -> Iterator[Block]:
    """Cells of all rows in the order of the source, after randomisation; ``BATCH_ROWS`` at a time, but for the last ones.

    Args:
        source: With the columns of the plan, and possibly others, which are not looked at. Private.
        plan: What was charged.
        entropy: Source of secret bytes.
    """
    for table in _even(source, [c.column.name for c in plan.columns]):
        frame = with_plain_times(table).to_pandas(ignore_metadata=True, integer_object_nulls=True)
        yield {c.column.name: randomized_cells(frame[c.column.name], c, plan.missing, entropy) for c in plan.columns}


def _even(source: Source, names: list[str]) -> Iterator[pa.Table]:
    """Some columns in tables of ``BATCH_ROWS`` rows, however the source cuts them. Private."""
    kept: list[pa.Table] = []
    for batch in source.batches():
        kept.append(pa.Table.from_batches([batch]).select(names))
        if sum(part.num_rows for part in kept) >= BATCH_ROWS:
            whole = pa.concat_tables(kept)
            full = whole.num_rows - whole.num_rows % BATCH_ROWS
            yield from (whole.slice(start, BATCH_ROWS) for start in range(0, full, BATCH_ROWS))
            kept = [whole.slice(full)]
    rest = pa.concat_tables(kept) if kept else None
    if rest is not None and rest.num_rows:
        yield rest


def randomized_cells(cells: pd.Series, local: LocalColumn, missing: tuple[str, ...], entropy: Entropy) -> npt.NDArray[Any]:
    """One column's cells, each on its own: numbers (NaN where missing) or texts (``None``), shape (n,)."""
    column, how = local.column, local.cells
    if isinstance(how, Noise):
        return _with_noise(_ticks(numbers(cells, column, missing), column, how.grid), how, entropy)
    codes = responded(_codes(cells, column, how, missing), how.response, entropy)
    if how.grid is None:
        return np.array(how.labels, dtype=object)[codes]
    return np.array([np.nan if label is None else label for label in how.labels], dtype=np.float64)[codes]


def _codes(cells: pd.Series, column: Column, how: Choice, missing: tuple[str, ...]) -> IntArray:
    """Private."""
    if how.grid is not None:
        bins = how.response.size - column.nullable
        exact_ticks = _ticks(numbers(cells, column, missing), column, how.grid)
        exact_bins = exact_ticks * bins // (how.grid.ticks + 1)
        return np.where(exact_ticks < 0, bins if column.nullable else 0, exact_bins)
    found, place = category_cells(cells, column, missing)
    return closed_codec(column).encode(np.array([*found, None], dtype=object))[place]  # a place of -1 means missing


def _ticks(values: FloatArray, column: Column, grid: Grid) -> IntArray:
    """Steps from the lowest value, clamped; -1 where missing (a column without gaps has its lowest value there). Private."""
    high = grid.low + grid.step * grid.ticks
    with np.errstate(invalid="ignore"):
        outside = (values < grid.low) | (values > high)
    gone = np.isnan(values) | (outside & (column.policy is Outside.NULL))
    exact_ticks = np.rint((np.clip(np.where(gone, grid.low, values), grid.low, high) - grid.low) / grid.step)
    return np.where(gone, -1 if column.nullable else 0, np.clip(exact_ticks, 0, grid.ticks)).astype(np.int64)


def _with_noise(exact_ticks: IntArray, how: Noise, entropy: Entropy) -> FloatArray:
    gone = exact_ticks < 0
    noisy = np.where(gone, how.grid.ticks // 2, exact_ticks) + two_sided_geometric(len(exact_ticks), how.scale, entropy)
    low, high = how.within if how.within is not None else (-np.inf, np.inf)
    values = np.asarray(np.clip(how.grid.low + noisy * how.grid.step, low, high), dtype=np.float64)
    if how.flag is None:
        return values
    told_gone = responded(gone.astype(np.int64), how.flag, entropy)
    return np.where(told_gone == 1, np.nan, values)
