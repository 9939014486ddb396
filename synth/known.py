"""Given parts of rows whose rest is to be drawn: cells and codes of the columns that are learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.constraints import columns_of, single_steps, written_by
from synth.encoding.category import CategoryCodec
from synth.encoding.codec import Codec
from synth.encoding.reshape import canonical, forward
from synth.encoding.values import check_header, texts
from synth.errors import InputError
from synth.schema import Schema

BoolArray = npt.NDArray[np.bool_]
Cells = dict[str, npt.NDArray[Any]]


def known_cells(known: pd.DataFrame, schema: Schema) -> Cells:
    """Given cells of learnt columns, as numbers or texts, missing where they are to be drawn.

    Raises:
        InputError: Unknown or repeated columns, nothing given, cells that cannot be read, or half of what a constraint joins.
    """
    names = [str(name) for name in known.columns]
    check_header(names, schema, "the table of known columns", partly=True)
    if not names:
        raise InputError("give at least one column of the schema, or draw whole rows")
    cells: Cells = {}
    for column in schema.read_columns:
        if column.name in names:
            series = known.iloc[:, names.index(column.name)].reset_index(drop=True)
            cells[column.name] = canonical(series, column, schema.missing)
            spelled = np.array([text is not None for text in texts(series, schema.missing)], dtype=bool)
            _refuse_first(pd.isna(cells[column.name]) & spelled, column.name, "holds what its domain does not have")
    found, learnt = dict(cells), {c.name: c for c in schema.modelled}
    for one in single_steps(schema.constraints):
        parts, written = columns_of(one), [name for name in written_by(one) if name in cells]
        if not written:
            continue
        for part in parts:
            if part not in cells:
                raise InputError(f"the columns {', '.join(parts)} hang together by a constraint: give {part!r} as well")
            for name in written:
                gap = pd.isna(cells[part]) & ~pd.isna(cells[name])
                _refuse_first(gap, part, f"is missing, and a constraint joins it with {name!r}")
        for name in set(written) & set(learnt):
            found[name] = forward(schema, name, cells)
    return {name: found[name] for name in learnt if name in found}


def _refuse_first(lost: BoolArray, column: str, what: str) -> None:
    if lost.any():
        raise InputError(f"row {int(np.flatnonzero(lost)[0]) + 1} of the known column {column!r} {what}")


def known_codes(cells: Mapping[str, npt.NDArray[Any]], codec: Codec, n_rows: int) -> npt.NDArray[np.int64]:
    """Codes of given cells, -1 where a cell is to be drawn; shape (rows, columns).

    Raises:
        InputError: A value that a closed domain does not have.
    """
    codes = np.full((n_rows, len(codec.columns)), -1, dtype=np.int64)
    for j, one in enumerate(codec.columns):
        if one.column.name in cells:
            mine = cells[one.column.name]
            given = ~pd.isna(mine)
            if isinstance(one, CategoryCodec) and not one.other:
                unknown = given & ~np.isin(mine.astype(str), one.categories)
                _refuse_first(unknown, one.column.name, "holds what its domain does not have")
            codes[given, j] = one.encode(mine)[given]
    return codes
