"""Categories, ordinals and booleans: texts to codes and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.encoding.coded import Coded
from synth.encoding.values import TextArray
from synth.schema import Column, Kind, Outside

IntArray = npt.NDArray[np.int64]

OTHER = "__OTHER__"
BOOLEAN_TEXTS = ("False", "True")


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCodec:
    """Texts to codes and back. Public.

    Codes follow ``categories``, then "other" and "missing" where the column has them.

    Attributes:
        column: Facts in force (declared or learnt).
        categories: The domain: declared, or named by partition selection.
        other: Whether there is a code for everything else.
        missing: Whether there is a missing code.
    """

    column: Column
    categories: tuple[str, ...]
    other: bool
    missing: bool

    @property
    def size(self) -> int:
        """Number of codes, at least 1."""
        return max(len(self.categories) + self.other + self.missing, 1)

    @property
    def ordered(self) -> bool:
        """Whether the order of codes has a meaning."""
        return self.column.kind is not Kind.CATEGORY

    def encode(self, values: TextArray) -> IntArray:
        """Codes of texts (``None`` where missing), shape (n,). Each row on its own; never fails."""
        positions = {text: i for i, text in enumerate(self.categories)}
        n = len(self.categories)
        gone = n + self.other if self.missing else 0
        unknown = n if self.other else gone
        codes = (gone if text is None else positions.get(text, unknown) for text in values)
        return np.fromiter(codes, dtype=np.int64, count=len(values))

    def decode(self, codes: IntArray, rng: np.random.Generator) -> TextArray:
        """Texts of codes, ``None`` where missing, ``__OTHER__`` for the "other" code."""
        return self.coded(codes, rng).cells()

    def coded(self, codes: IntArray, rng: np.random.Generator) -> Coded:  # noqa: ARG002 - one signature for all codecs
        """The same by place."""
        names = [*self.categories, *([OTHER] if self.other else []), None]
        return Coded(codes, np.array(names, dtype=object))

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {"codec": "category", "categories": list(self.categories), "other": self.other, "missing": self.missing}

    @staticmethod
    def from_dict(column: Column, facts: dict[str, Any]) -> CategoryCodec:
        """The inverse of ``to_dict``."""
        return CategoryCodec(
            column=column,
            categories=tuple(facts["categories"]),
            other=bool(facts["other"]),
            missing=bool(facts["missing"]),
        )


def closed_codec(column: Column) -> CategoryCodec:
    """Codec of a boolean, an ordinal or a closed category."""
    categories = BOOLEAN_TEXTS if column.kind is Kind.BOOLEAN else (column.categories or ())  # however they are spelled
    return CategoryCodec(column=column, categories=categories, other=column.policy is Outside.OTHER, missing=column.nullable)


def open_codec(column: Column, named: tuple[str, ...]) -> CategoryCodec:
    """Codec of an open category whose values were named by partition selection."""
    return CategoryCodec(column=column, categories=named, other=column.policy is Outside.OTHER, missing=column.nullable)
