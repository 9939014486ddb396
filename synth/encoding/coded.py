"""Cells of a column that holds few different ones, by place among these: no text or number is made for each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from synth.encoding.present import Cells, arrow_array, arrow_type, as_texts, cast_texts
from synth.schema import Column, Kind
from synth.storage import Family


@dataclass(frozen=True, slots=True)
class Coded:
    """Cells by place.

    Attributes:
        places: Of each row's cell among the values, shape (n,).
        values: Numbers or texts, as their kind has them, shape (k,); some may occur in no row.
    """

    places: npt.NDArray[np.integer[Any]]
    values: Cells

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.places)

    def first(self, rows: int | None) -> Coded:
        """The first rows; all by default."""
        return Coded(self.places[:rows], self.values)

    def cells(self) -> Cells:
        """One cell a row."""
        return np.take(self.values, self.places, mode="clip")

    def occurring(self, column: Column) -> list[str]:
        """Texts that occur, in the order of the values."""
        found = np.bincount(self.places, minlength=len(self.values)) > 0
        return [text for text in as_texts(self.values[found], column) if text is not None]


def by_place(cells: Cells) -> Coded:
    """Cells by place among those that are there."""
    places, found = pd.factorize(cells)
    values: Cells = np.append(found, np.array([None if cells.dtype == object else np.nan], dtype=cells.dtype))
    return Coded(np.where(places < 0, len(found), places), values)


AnyCells = Cells | Coded


def spelled(cells: AnyCells, column: Column, gap: str | None = None) -> Cells:
    """Cells as a text file has them, ``gap`` where missing; shape (n,)."""
    return by_value(cells, lambda values: _filled(as_texts(values, column), gap))


def by_value(cells: AnyCells, made: Callable[[Cells], Cells]) -> Cells:
    """What a function makes of each cell, computed once for each value where these are known; shape (n,)."""
    return np.take(made(cells.values), cells.places, mode="clip") if isinstance(cells, Coded) else made(cells)


def _filled(texts: Cells, gap: str | None) -> Cells:
    return texts if gap is None else np.where(np.equal(texts, None), gap, texts)  # type: ignore[call-overload]


def in_arrow(cells: AnyCells, column: Column) -> pa.Array:
    """Cells as an Arrow array of ``arrow_type``."""
    return (
        arrow_array(cells.values, column).take(pa.array(cells.places))
        if isinstance(cells, Coded)
        else arrow_array(cells, column)
    )


class Growing:
    """The dictionary of a column over all its blocks: values that are new go behind those that were there before."""

    def __init__(self, column: Column) -> None:
        """Begin with the declared categories."""
        self._column, target = column, arrow_type(column)
        self._places: dict[str, int | None] = {}
        self._values = pa.array([], type=target.value_type)
        self._add(column.categories or ())

    def of(self, cells: Coded) -> pa.DictionaryArray:
        """A block by place in the dictionary as it is by now."""
        self._add(cells.occurring(self._column))
        known = pa.array([self._places.get(text) for text in as_texts(cells.values, self._column)], type=pa.int32())
        return pa.DictionaryArray.from_arrays(known.take(pa.array(cells.places)), self._values)

    def _add(self, texts: Sequence[str]) -> None:
        new = [text for text in dict.fromkeys(texts) if text not in self._places]
        if not new:
            return
        values = cast_texts(np.array(new, dtype=object), self._values.type)
        usable = np.asarray(values.is_valid())
        places = len(self._values) + np.cumsum(usable) - 1
        self._places |= {text: int(at) if ok else None for text, at, ok in zip(new, places, usable, strict=True)}
        self._values = pa.concat_arrays([self._values, values.drop_null()])


def as_dictionary(cells: Coded, column: Column) -> pa.DictionaryArray:
    """Texts as a dictionary with places of 32 bits."""
    known = arrow_array(cells.values, column).dictionary_encode()
    return pa.DictionaryArray.from_arrays(known.indices.take(pa.array(cells.places)), known.dictionary)


def passes_unchanged(column: Column) -> bool:
    """Whether a decoded cell is what a table with the column's type holds, with no digits or values lost on the way."""
    storage, kind = column.storage, column.kind
    if kind is not None and (kind.is_temporal or kind.is_regenerated):
        return False
    if storage is None:
        return True
    if storage.family is Family.INTEGER:
        return kind is Kind.INTEGER and column.bounds is not None  # which the type holds
    if storage.family is Family.FLOAT:
        return storage.bits == 64
    if storage.family is Family.BOOLEAN:
        return kind is Kind.BOOLEAN
    return storage.family in (Family.TEXT, Family.CATEGORY) and storage.inner is None
