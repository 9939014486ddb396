"""Synthetic rows to a file or a database, block by block, in constant memory; whole or not there."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from synth.errors import InputError
from synth.parallel import in_order
from synth.reading.database import is_url
from synth.release import Release, atomic_path
from synth.writing.cells import Block, block_cells
from synth.writing.databases import write_table
from synth.writing.files import SHOWN, writer_of

DEFAULT_TABLE = "synthetic"


def write_rows(
    blocks: Iterable[pd.DataFrame | Block],
    release: Release,
    target: Path | str,
    *,
    force: bool,
    table: str | None = None,
    workers: int = 1,
) -> None:
    """Stream blocks into one file, whose suffix says the format, or into a table of a database.

    Args:
        blocks: Of the release: ``sample_blocks``, or ``cell_blocks``, which is faster.
        release: Its schema says types and spellings.
        target: A file, or the URL of a database.
        force: Replace what is there.
        table: In a database; ``synthetic`` by default.
        workers: Threads that turn blocks into cells.

    Raises:
        InputError: Unknown suffix, or a place that cannot be written.
    """
    schema = release.schema

    def made(block: pd.DataFrame | Block) -> Block:
        return block_cells(_columns(block, schema.index_columns), schema) if isinstance(block, pd.DataFrame) else block

    cells = in_order((partial(made, block) for block in blocks), workers)
    if is_url(str(target)):
        write_table(cells, schema, str(target), table or DEFAULT_TABLE, force=force)
        return
    if table is not None:
        raise InputError("--table goes with the URL of a database, such as sqlite:///x.db")
    path = Path(target)
    write = writer_of(path.name)
    if write is None:
        raise InputError(f"cannot tell the format of {path.name!r}; use one of {SHOWN}, or the URL of a database")
    with atomic_path(path, force=force) as temporary:
        write(cells, schema, temporary)


def _columns(block: pd.DataFrame, index: tuple[str, ...]) -> pd.DataFrame:
    return block.reset_index() if index and block.index.names == list(index) else block


def numbered(target: Path, number: int) -> Path:
    """The name of one of several files: ``out.csv.gz`` and 3 give ``out_3.csv.gz``."""
    stem, dot, rest = target.name.partition(".")
    return target.with_name(f"{stem}_{number}{dot}{rest}")
