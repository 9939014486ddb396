"""The object that users of SDV expect: ``fit(data)``, ``sample(num_rows)``, ``save``, ``load``: ``synth.fit`` as an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from synth.api import fit, read_schema
from synth.conditions import Condition
from synth.errors import InputError
from synth.registry import DEFAULT
from synth.release import Release, load
from synth.schema import Column, Schema
from synth.sdv_constraints import with_sdv_constraints
from synth.sdv_metadata import schema_from_sdv


class TabularSynthesizer:
    """Learns one table once, under one (epsilon, delta).

    Args:
        metadata: SDV metadata (a dict, a path, or an object with ``to_dict``), a ``Schema``, a ``schema.toml``, or ``None``.
        epsilon: The whole budget.
        delta: As in ``synth.fit``.
        known_min_max_values: Public bounds by column: ``{"age": {"min": 0, "max": 120}}`` or ``{"age": (0, 120)}``.
        model: Synthesizer; see ``synth.registry``.
        options: Of the synthesizer.
        seed: For initial weights only.
        ledger: As in ``synth.fit``.
    """

    def __init__(
        self,
        metadata: Any = None,
        *,
        epsilon: float,
        delta: float | None = None,
        known_min_max_values: Mapping[str, Any] | None = None,
        model: str = DEFAULT,
        options: dict[str, Any] | None = None,
        seed: int | None = None,
        ledger: str | Path | None = None,
    ) -> None:
        """Nothing is read before ``fit``."""
        self.schema = _schema(metadata)
        if known_min_max_values is not None:
            if self.schema is None:
                raise InputError("known_min_max_values needs metadata, which says what the columns are")
            self.schema = with_bounds(self.schema, known_min_max_values)
        self.epsilon, self.delta, self.model, self.options = epsilon, delta, model, options
        self.seed, self.ledger = seed, ledger
        self._release: Release | None = None

    @property
    def release(self) -> Release:
        """What ``fit`` left behind.

        Raises:
            InputError: Nothing is fitted yet.
        """
        if self._release is None:
            raise InputError("this synthesizer is not fitted yet; call fit(data) first")
        return self._release

    def add_constraints(self, constraints: Sequence[Mapping[str, Any]]) -> None:
        """SDV's list of ``constraint_class`` and ``constraint_parameters``.

        Raises:
            SchemaError: A class that is not read, or a contradiction.
        """
        if self.schema is None:
            raise InputError("constraints need metadata, which says what the columns are")
        self.schema = with_sdv_constraints(self.schema, list(constraints))

    def fit(self, data: Any) -> TabularSynthesizer:
        """Learn from a frame or a file. A second fit of the same rows spends the budget again.

        Raises:
            InputError: Data or options cannot be used.
            RefusedError: The budget does not carry the request.
        """
        self._release = fit(
            data, epsilon=self.epsilon, delta=self.delta, schema=self.schema, model=self.model, options=self.options,
            seed=self.seed, ledger=self.ledger,
        )  # fmt: skip
        return self

    def sample(self, num_rows: int | None = None, *, seed: int | None = None) -> pd.DataFrame:
        """Synthetic rows; by default about as many as were fitted."""
        return self.release.sample(num_rows, seed=seed)

    def sample_from_conditions(self, conditions: Sequence[Condition], *, seed: int | None = None) -> pd.DataFrame:
        """Rows that meet conditions; see ``Release.sample_from_conditions``."""
        return self.release.sample_from_conditions(conditions, seed=seed)

    def sample_remaining_columns(self, known_columns: pd.DataFrame, *, seed: int | None = None) -> pd.DataFrame:
        """The rest of given rows; see ``Release.sample_remaining_columns``."""
        return self.release.sample_remaining_columns(known_columns, seed=seed)

    def save(self, filepath: str | Path) -> None:
        """Write ``model.synth``, which holds no code."""
        self.release.save(filepath)

    @classmethod
    def load(cls, filepath: str | Path) -> TabularSynthesizer:
        """Read a saved one; what it was fitted with comes along."""
        release = load(filepath)
        found = cls(
            release.schema, epsilon=release.receipt.epsilon, delta=release.receipt.delta, model=release.model,
            options=release.options,
        )  # fmt: skip
        found._release = release
        return found

    def get_metadata(self) -> Schema | None:
        """The schema: completed once fitted."""
        return self.schema if self._release is None else self._release.schema

    def _repr_html_(self) -> str | None:
        return None if self._release is None else self._release._repr_html_()


def _schema(metadata: Any) -> Schema | None:
    if metadata is None or isinstance(metadata, Schema):
        return metadata
    if isinstance(metadata, str | Path):
        return read_schema(metadata)
    facts = metadata.to_dict() if hasattr(metadata, "to_dict") else metadata
    if not isinstance(facts, dict):
        raise InputError("metadata must be SDV metadata, a Schema, a path, or None")
    return schema_from_sdv(facts)


def with_bounds(schema: Schema, known: Mapping[str, Any]) -> Schema:
    """A schema with public bounds filled in.

    Raises:
        InputError: An unknown column, or no pair of bounds.
        SchemaError: Bounds that do not fit the column.
    """
    bounds: dict[str, tuple[Any, Any]] = {}
    for name, value in known.items():
        if name not in schema.names:
            raise InputError(f"known_min_max_values names the column {name!r}, which the metadata does not have")
        pair = (value.get("min"), value.get("max")) if isinstance(value, Mapping) else value
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2 or any(v is None for v in pair):
            raise InputError(f"known_min_max_values of column {name!r} must be a minimum and a maximum")
        low, high = (v.isoformat() if hasattr(v, "isoformat") else v for v in pair)
        bounds[name] = (low, high)
    return schema.with_columns(tuple(_bounded(c, bounds.get(c.name)) for c in schema.columns))


def _bounded(column: Column, bounds: tuple[Any, Any] | None) -> Column:
    return column if bounds is None else replace(column, bounds=bounds)
