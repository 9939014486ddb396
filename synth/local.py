"""Unbiased estimates from rows that were randomised cell by cell. Post-processing: it needs the rows and their record alone.

For a column told by randomized response with chances ``p`` (kept) and ``q`` (each other code), a row that tells ``y`` adds
``w_v = (1[y = v] - q) / (p - q)`` to the count of ``v``: its expectation is 1 if the row truly holds ``v``, else 0. For two
columns the product of both weights is the same for a pair of values, as cells are randomised independently of each other. The
mean over rows is unbiased, and as the true weight is 0 or 1, ``(sum of w^2 - sum of w) / n^2`` is an unbiased estimate of the
variance that randomisation brings. (Warner 1965; Kairouz et al. 2016, arXiv:1602.07387; Wang et al. 2017, arXiv:1705.04421.)

Estimates may be negative or add up to a little more or less than 1: that is what unbiased means. Standard errors are about the
rows that were randomised; for a population, add what sampling brings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.codec import category_texts
from synth.encoding.values import check_header, numbers
from synth.errors import InputError
from synth.reading.formats import open_source
from synth.reading.frames import load_source
from synth.schema import Schema, schema_from_dict

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_CELLS = 10**7


@dataclass(frozen=True, slots=True)
class Shares:
    """Estimated shares of a table of one or more columns.

    Attributes:
        names: The columns.
        labels: What each code of each column stands for; ``None`` is missing.
        shares: Unbiased, shape (codes of the first, codes of the second, ...).
        errors: Their standard errors, same shape.
    """

    names: tuple[str, ...]
    labels: tuple[tuple[str | float | None, ...], ...]
    shares: FloatArray
    errors: FloatArray


def record_path(rows: Path) -> Path:
    """Where the record of randomised rows lies: ``out.csv.local.json``."""
    return rows.with_name(rows.name + ".local.json")


@dataclass(frozen=True, slots=True)
class LocalRows:
    """Randomised rows with their record. Public, once they have left their source.

    Attributes:
        rows: A frame with the record's columns.
        record: As ``synth randomize`` wrote it.
    """

    rows: pd.DataFrame
    record: dict[str, Any]

    def shares(self, *names: str) -> Shares:
        """Shares of the values of a column, or of the combinations of values of several.

        Raises:
            InputError: A column is unknown, named twice, was given Laplace noise, or the table is too large.
        """
        if not names or len(set(names)) < len(names):
            raise InputError("name the columns of the table, each once")
        columns = [self._column(name) for name in names]
        noisy = next((c["name"] for c in columns if "labels" not in c), None)
        if noisy is not None:
            raise InputError(f"column {noisy!r} has Laplace noise, which carries its mean; for shares, randomise it with bins")
        sizes = tuple(len(c["labels"]) for c in columns)
        if math.prod(sizes) > MOST_CELLS:
            raise InputError("the table has too many cells; name fewer columns")
        places = np.ravel_multi_index([self._codes(c) for c in columns], sizes)
        counts = np.bincount(places, minlength=math.prod(sizes)).reshape(sizes).astype(np.float64)
        rows = max(len(self.rows), 1)
        weights = [_weights(c) for c in columns]
        total, squares = _applied(weights, counts), _applied([w**2 for w in weights], counts)
        errors = np.sqrt(np.maximum(squares - total, 0.0)) / rows
        return Shares(names, tuple(tuple(c["labels"]) for c in columns), total / rows, errors)

    def mean(self, name: str) -> tuple[float, float]:
        """Mean of a column with Laplace noise (of the cells that are not missing), and its standard error.

        The error is that of the mean of the population which rows were drawn from: noise and the draw of rows.

        Raises:
            InputError: No such column, or one whose values were told as labels or clamped, so that a mean would be biased.
        """
        column = self._column(name)
        if "labels" in column or column["clamped"]:
            raise InputError(f"column {name!r} carries no unbiased mean; use the shares of its values, with bins for dates")
        values = self._numbers(name)
        told = ~np.isnan(values)
        right = column["chance_of_a_right_flag"] or 1.0
        middle = column["low"] + column["step"] * (column["ticks"] // 2)
        moved = np.where(told, values - middle, 0.0) / right  # a missing cell told as there has expectation 0
        there = (told - (1 - right)) / (2 * right - 1) if right < 1 else told.astype(np.float64)
        rows, share = max(len(values), 1), float(there.mean()) if len(values) else 0.0
        if share <= 0:
            raise InputError(f"column {name!r} shows no value that is not missing")
        excess = float(moved.mean()) / share
        error = float(np.std(moved - excess * there)) / share / math.sqrt(rows)
        return middle + excess, error

    def _column(self, name: str) -> dict[str, Any]:
        found = next((c for c in self.record["columns"] if c["name"] == name), None)
        if found is None:
            raise InputError(f"the randomised rows have no column {name!r}")
        return dict(found)

    def _numbers(self, name: str) -> FloatArray:
        schema = schema_of(self.record)
        return numbers(self.rows[name], schema[name], schema.missing)

    def _codes(self, column: dict[str, Any]) -> IntArray:
        """Codes of the labels that rows tell."""
        schema, name, labels = schema_of(self.record), column["name"], column["labels"]
        kind = schema[name].kind
        if kind is not None and kind.is_numeric:
            known = np.array([label for label in labels if label is not None], dtype=np.float64)
            values = self._numbers(name)
            gone = np.isnan(values)
            nearest = np.abs(known[:, None] - np.where(gone, known[0], values)).argmin(axis=0)
            codes = np.where(gone, len(known), nearest)
        else:
            place = {label: i for i, label in enumerate(labels)}
            told = category_texts(self.rows[name], schema[name], schema.missing)
            codes = np.array([place.get(text, -1) for text in told], dtype=np.int64)
        if codes.size and not 0 <= codes.min() <= codes.max() < len(labels):
            raise InputError(f"column {name!r} holds what its record does not know; keep rows and record together")
        return codes.astype(np.int64)


def load_local(rows: str | Path, record: str | Path | None = None) -> LocalRows:
    """Read randomised rows and their record.

    Args:
        rows: What ``synth randomize`` wrote.
        record: By default the file beside it.

    Raises:
        InputError: Either cannot be read, or they do not belong together.
    """
    place = Path(record) if record is not None else record_path(Path(rows))
    try:
        facts = json.loads(place.read_text(encoding="utf-8"))
        schema = schema_of(facts)
        told = {c["name"]: c for c in facts["columns"]}
        if set(told) != set(schema.names):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{str(place)!r} is no record of randomised rows; it lies beside the rows that it is about") from None
    frame = load_source(open_source(rows)).frame
    check_header([str(name) for name in frame.columns], schema)
    return LocalRows(frame, facts)


def schema_of(record: dict[str, Any]) -> Schema:
    """The schema of the randomised rows."""
    return schema_from_dict(record["schema"], "the record")


def _weights(column: dict[str, Any]) -> FloatArray:
    """What a row that tells a code (columns) adds to the count of each value (rows)."""
    size, kept, other = len(column["labels"]), column["chance_kept"], column["chance_of_each_other"]
    if size == 1:
        return np.ones((1, 1))
    return np.asarray((np.eye(size) - other) / (kept - other))


def _applied(weights: Sequence[FloatArray], counts: FloatArray) -> FloatArray:
    """One matrix along each axis."""
    for axis, matrix in enumerate(weights):
        counts = np.moveaxis(np.tensordot(matrix, counts, axes=(1, axis)), 0, axis)
    return counts
