"""Whether synthetic cells obey what the schema declares: bounds, precision, categories, and who may be missing."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.inputs import Tables
from evaluation.scores import Score, Section
from synth.encoding.category import OTHER
from synth.encoding.values import conform, numbers, texts
from synth.schema import Column, Kind, Outside, Schema

BoolArray = npt.NDArray[np.bool_]


def valid_cells(raw: pd.Series, plain: pd.Series, column: Column, missing: tuple[str, ...]) -> BoolArray:
    """Which cells lie inside the declared domain.

    Args:
        raw: Cells as given, shape (n,).
        plain: The same cells conformed, shape (n,).
        column: Its declared facts. What is not declared holds for every cell.
        missing: Texts that mean "missing".

    Returns:
        Flags, shape (n,). A cell that is given but cannot be read as its kind is invalid.
    """
    gaps = plain.isna().to_numpy()
    given = np.array([text is not None for text in texts(raw, missing)], dtype=bool)
    valid: BoolArray = ~(gaps & given)
    if not column.nullable:
        valid &= ~gaps
    if column.kind is not None and column.kind.is_numeric:
        return valid & (gaps | _in_numeric_domain(numbers(raw, column, missing), column))  # conforming rounds
    if column.categories is not None:
        other = [OTHER] if column.policy is Outside.OTHER else []
        valid &= gaps | plain.isin([*column.categories, *other]).to_numpy()
    return valid


def _in_numeric_domain(values: npt.NDArray[np.float64], column: Column) -> BoolArray:
    inside: BoolArray = np.ones(len(values), dtype=bool)
    if column.bounds is not None:
        low, high = column.numeric_bounds()
        inside &= (values >= low) & (values <= high)
    digits = 0 if column.kind is Kind.INTEGER else column.precision
    if digits is not None:
        known = np.nan_to_num(values)
        inside &= np.abs(known - np.round(known, digits)) <= 1e-9 * np.maximum(1.0, np.abs(known))
    return inside


def validity_table(raw: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Share of valid cells per column.

    Args:
        raw: A table as given, shape (n, d), with the schema's header.
        schema: Public facts.

    Returns:
        Columns ``Column`` and ``Valid share`` (0 to 1), one row per column.
    """
    plain = conform(raw, schema)
    shares = [float(valid_cells(raw[c.name], plain[c.name], c, schema.missing).mean()) for c in schema.columns]
    return pd.DataFrame({"Column": schema.names, "Valid share": shares})


def score_validity(tables: Tables, raw_synthetic: pd.DataFrame, raw_holdout: pd.DataFrame | None) -> Section:
    """Share of synthetic cells inside the declared domain.

    Args:
        tables: Conformed tables.
        raw_synthetic: Synthetic rows as given, since reading them hides cells that cannot be read.
        raw_holdout: Held-out rows as given, for the ceiling.
    """
    found = validity_table(raw_synthetic, tables.schema)
    fresh = None if raw_holdout is None else validity_table(raw_holdout, tables.schema)
    if fresh is not None:
        found["Ceiling"] = fresh["Valid share"]
    score = Score(
        name="valid_cells",
        label="Cells inside the declared domain",
        section="validity",
        value=float(found["Valid share"].mean()),
        better="higher",
        ceiling=None if fresh is None else float(fresh["Valid share"].mean()),
        floor=0.0,
        unit="share of cells",
        meaning="Share of synthetic cells that obey the schema's kinds, bounds, precision, categories and nullability.",
        interval="None: every cell is counted, nothing is sampled.",
        scale="Ceiling: held-out real rows, which may break the declared domain. Floor: 0, no cell obeys.",
    )
    return Section(scores=(score,), tables=MappingProxyType({"Validity": found}))
