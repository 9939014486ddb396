"""Rows of a table with constraints, seen as the columns that are learnt. Private; every row is carried over by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.reshape import canonical, forward, sources
from synth.privacy.rows import Rows
from synth.privacy.scratch import Scratch
from synth.privacy.sealed import Sealed
from synth.schema import Column, Schema


class ReshapedRows(Sealed):
    """Other rows under a schema with constraints: columns that a constraint writes are computed chunk by chunk."""

    __slots__ = ("__rows", "__schema", "__sources", "names")

    def __init__(self, rows: Rows, schema: Schema) -> None:
        """``rows`` hold the table's own columns."""
        self.__rows, self.__schema = rows, schema
        self.names = tuple(c.name for c in schema.modelled)
        own = {c.name: c for c in schema.columns}
        self.__sources = {c.name: sources(schema, c.name) for c in schema.modelled if own[c.name] is not c}

    @property
    def scratch(self) -> Scratch | None:
        """That of the rows behind."""
        return self.__rows.scratch

    def exact_sizes(self) -> tuple[int, ...]:
        """Rows of each chunk. Private."""
        return self.__rows.exact_sizes()

    def cells(self, name: str) -> Iterator[pd.Series]:
        """Cells of a learnt column, chunk by chunk. Private."""
        if name not in self.__sources:
            yield from self.__rows.cells(name)
            return
        for values in self._written(name):
            yield pd.Series(values)

    def numbers(self, column: Column, missing: tuple[str, ...]) -> Iterator[npt.NDArray[np.float64]]:
        """The same as numbers. Private."""
        if column.name not in self.__sources:
            yield from self.__rows.numbers(column, missing)
            return
        yield from self._written(column.name)

    def _written(self, name: str) -> Iterator[npt.NDArray[Any]]:
        parts = self.__sources[name]
        for chunk in zip(*(self._canonical(part) for part in parts), strict=True):
            yield forward(self.__schema, name, dict(zip(parts, chunk, strict=True)))

    def _canonical(self, name: str) -> Iterator[npt.NDArray[Any]]:
        column, missing = self.__schema[name], self.__schema.missing
        if column.kind is not None and column.kind.is_numeric:
            yield from self.__rows.numbers(column, missing)
            return
        for series in self.__rows.cells(name):
            yield canonical(series, column, missing)
