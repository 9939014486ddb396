"""Which rows of a table a worker keeps, where several read the same files: each row lies at one, with all rows of its entity.

Rows are cut by their place, entities by a digest of their name, which is the same in all processes. Rows that name no entity
are entities of their own, and cut by their place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from synth.encoding.values import texts
from synth.privacy.lake import Lake
from synth.reading.times import with_plain_times
from synth.schema import Schema

ENDS = 1 << 16  # bytes at either end of a file that are compared
Part = tuple[int, int]  # a worker, from 0, of how many


def exact_place(keys: npt.NDArray[np.object_], first: int, of: int) -> npt.NDArray[np.uint64]:
    """Which of ``of`` workers keeps each row; the same for all rows of an entity. Private.

    Args:
        keys: Names of entities, ``None`` where missing, shape (n,).
        first: Number of the first row in the whole table.
        of: Workers.
    """
    place = (first + np.arange(len(keys), dtype=np.uint64)) % np.uint64(of)
    known = pd.notna(keys)
    place[known] = pd.util.hash_array(keys[known]) % np.uint64(of)
    return place


def frame_part(frame: pd.DataFrame, schema: Schema | None, part: Part) -> pd.DataFrame:
    """What a worker keeps of a table that it has read whole."""
    rank, of = part
    if schema is not None and schema.entity is not None:
        place = exact_place(texts(frame[schema.entity], schema.missing), 0, of)
        return frame.iloc[np.flatnonzero(place == rank)]
    return frame.iloc[_border(len(frame), rank, of) : _border(len(frame), rank + 1, of)]


def lake_part(lake: Lake, schema: Schema | None, part: Part) -> Lake:
    """What a worker keeps of every chunk."""
    rank, of = part

    def chunks() -> Iterator[pa.Table]:
        first = 0
        for chunk in lake.chunks():
            rows = chunk.num_rows
            if schema is not None and schema.entity is not None:
                cells = with_plain_times(chunk.select([schema.entity])).to_pandas(
                    ignore_metadata=True, integer_object_nulls=True
                )
                place = exact_place(texts(cells[schema.entity], schema.missing), first, of)
                yield chunk.filter(pa.array(place == rank))
            else:
                start = _border(rows, rank, of)
                yield chunk.slice(start, _border(rows, rank + 1, of) - start)
            first += rows

    return Lake(lake.names, chunks)


def _border(rows: int, rank: int, of: int) -> int:
    return rows * rank // of


def exact_fingerprint(files: Sequence[Path]) -> bytes:
    """What files of the same rows have in common: names, sizes and both ends, in order. Private.

    A file that cannot be read has a fingerprint, too: reading it will say why.
    """
    whole = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                ends = file.read(ENDS)
                file.seek(max(size - ENDS, 0))
                ends += file.read(ENDS)
        except OSError:
            size, ends = -1, b""
        whole.update(repr((path.name, size, hashlib.sha256(ends).digest())).encode())
    return whole.digest()
