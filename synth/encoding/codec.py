"""A table's codec: one column codec each, rows to codes and codes to a typed frame. Pure and public."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.category import OTHER, CategoryCodec
from synth.encoding.coded import AnyCells, Coded
from synth.encoding.numeric import NumericCodec
from synth.encoding.present import Cells, typed
from synth.encoding.reshape import backward
from synth.encoding.values import TextArray, booleans, distinct, numbers, texts
from synth.encoding.within import Within
from synth.errors import ArtifactError
from synth.schema import Column, Kind, Schema
from synth.table import CodeArray, Domain


def _each(cells: AnyCells) -> Cells:
    return cells.cells() if isinstance(cells, Coded) else cells


ColumnCodec = NumericCodec | CategoryCodec
_CODECS: dict[str, Callable[[Column, dict[str, Any]], ColumnCodec]] = {
    "numeric": NumericCodec.from_dict,
    "category": CategoryCodec.from_dict,
}


@dataclass(frozen=True, slots=True)
class Codec:
    """Codecs of the columns that are learnt, in schema order."""

    schema: Schema
    columns: tuple[ColumnCodec, ...]

    @property
    def domain(self) -> Domain:
        """Names and code counts."""
        return Domain(
            names=tuple(c.column.name for c in self.columns),
            sizes=tuple(c.size for c in self.columns),
            target=self.schema.only_modelled().target,
            in_order=tuple(_in_order(c) for c in self.columns),
        )

    def of(self, name: str) -> ColumnCodec:
        """Codec of a column that is learnt."""
        return next(c for c in self.columns if c.column.name == name)

    def decode(
        self,
        codes: CodeArray,
        rng: np.random.Generator,
        fresh: Mapping[str, npt.NDArray[np.object_]] | None = None,
        keep: int | None = None,
        within: Sequence[Within | None] | None = None,
        known: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> pd.DataFrame:
        """Codes, shape (n, d), to a frame with the dtypes of the schema.

        Args:
            codes: Of the columns that are learnt.
            rng: For values inside bins.
            fresh: Values of the columns that are made anew, each of shape (keep,).
            keep: Rows of the frame, which are the same whatever their number; all by default.
            within: What values of each learnt column are drawn inside, where there are conditions.
            known: Cells of learnt columns that are not drawn; missing where they are.
        """
        cells = self.cells(codes, rng, keep, within, known)
        learnt = pd.DataFrame({n: typed(_each(values), self.schema[n], self.named(n)) for n, values in cells.items()})
        return self.with_fresh(learnt, fresh or {})

    def cells(
        self,
        codes: CodeArray,
        rng: np.random.Generator,
        keep: int | None = None,
        within: Sequence[Within | None] | None = None,
        known: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> dict[str, AnyCells]:
        """The same as numbers or texts of the columns that are learnt, or of what constraints make of them."""
        found: dict[str, AnyCells] = {}
        for j, (codec, asked) in enumerate(zip(self.columns, within or [None] * len(self.columns), strict=True)):
            mine, name = codes[:, j].astype(np.int64), codec.column.name
            drawn = codec.coded(mine, rng) if asked is None else asked.decode(mine, rng)
            found[name] = drawn.first(keep) if isinstance(drawn, Coded) else drawn[:keep]
        for name, given in (known or {}).items():
            found[name] = np.where(pd.isna(given), _each(found[name]), given)
        if not self.schema.constraints:
            return found
        return {**backward(self.schema, {name: _each(values) for name, values in found.items()})}

    def with_fresh(self, rows: pd.DataFrame, fresh: Mapping[str, npt.NDArray[np.object_]]) -> pd.DataFrame:
        """Rows of learnt columns with values made anew put in, columns in schema order."""
        made = {name: typed(values, self.schema[name]) for name, values in fresh.items()}
        names = [n for n in self.schema.names if n in made or n in rows]
        if not made and names == list(rows.columns):
            return rows
        return pd.DataFrame({n: made[n] if n in made else rows[n] for n in names})

    def named(self, name: str) -> tuple[str, ...]:
        """All texts that a column may hold, where they are few."""
        codec = next((c for c in self.columns if c.column.name == name), None)
        return (*codec.categories, *([OTHER] if codec.other else [])) if isinstance(codec, CategoryCodec) else ()

    def to_list(self) -> list[dict[str, Any]]:
        """Plain types."""
        return [c.to_dict() for c in self.columns]

    @staticmethod
    def from_list(schema: Schema, facts: list[dict[str, Any]]) -> Codec:
        """The inverse of ``to_list``.

        Raises:
            ArtifactError: Unknown codec, or not one per column.
        """
        columns = schema.modelled
        if len(facts) != len(columns) or any(f.get("codec") not in _CODECS for f in facts):
            raise ArtifactError("the model's encoders do not match its schema")
        pairs = zip(columns, facts, strict=True)
        return Codec(schema, tuple(_CODECS[f["codec"]](column, f) for column, f in pairs))


def _in_order(codec: ColumnCodec) -> int:
    if not codec.ordered:
        return 0
    return len(codec.starts) if isinstance(codec, NumericCodec) else len(codec.categories)


def encode_column(series: pd.Series, codec: ColumnCodec, missing: tuple[str, ...]) -> CodeArray:
    """Codes of raw cells, shape (n,)."""
    if isinstance(codec, NumericCodec):
        return codec.encode(numbers(series, codec.column, missing)).astype(np.int32)
    found, place = category_cells(series, codec.column, missing)
    codes = codec.encode(np.array([*found, None], dtype=object)).astype(np.int32)  # a place of -1 means missing
    return codes[place]


def category_cells(series: pd.Series, column: Column, missing: tuple[str, ...]) -> tuple[TextArray, npt.NDArray[np.int64]]:
    """Texts of a categorical column that occur, and the place of each row's among them; -1 where missing."""
    found, place = distinct(series)
    return category_texts(found, column, missing), place


def category_texts(series: pd.Series, column: Column, missing: tuple[str, ...]) -> Any:
    """Texts of a categorical column; booleans become ``"True"`` and ``"False"``."""
    if column.kind is Kind.BOOLEAN:
        flags = booleans(series, missing, column.categories)
        return np.array([None if f != f else ("True" if f else "False") for f in flags], dtype=object)
    return texts(series, missing)
