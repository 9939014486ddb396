"""Whether synthetic cells obey what the schema declares: types, bounds, precision, categories, gaps, and keys.

A key is a column of categories or whole numbers whose real values all differ (in a table of ``MIN_KEY_ROWS`` rows or
more): its synthetic values should differ as well.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.inputs import Tables
from evaluation.intervals import wilson
from evaluation.scores import Score, Section
from synth.constraints import Custom
from synth.encoding.category import OTHER
from synth.encoding.reshape import broken
from synth.encoding.values import conform, numbers, texts
from synth.schema import Column, Kind, Outside, Schema

BoolArray = npt.NDArray[np.bool_]

MIN_KEY_ROWS = 100
FAULTS = ("Unreadable", "Missing though it must not be", "Outside the domain")


def faults(raw: pd.Series, plain: pd.Series, column: Column, missing: tuple[str, ...]) -> dict[str, BoolArray]:
    """Which cells break which rule; a cell breaks one at most.

    Args:
        raw: Cells as given, shape (n,).
        plain: The same cells conformed, shape (n,).
        column: Its declared facts. What is not declared holds for every cell.
        missing: Texts that mean "missing".

    Returns:
        Flags by name in ``FAULTS``, each of shape (n,). A cell that is given but cannot be read as its kind is
        unreadable.
    """
    gaps = plain.isna().to_numpy()
    given = np.array([text is not None for text in texts(raw, missing)], dtype=bool)
    unreadable: BoolArray = gaps & given
    forbidden = gaps & ~given & (not column.nullable)
    outside = np.zeros(len(plain), dtype=bool)
    if column.kind is not None and column.kind.is_numeric:
        outside = ~(gaps | _in_numeric_domain(numbers(raw, column, missing), column))  # conforming rounds
    elif column.categories is not None:
        other = [OTHER] if column.policy is Outside.OTHER else []
        outside = ~(gaps | plain.isin([*column.categories, *other]).to_numpy())
    return dict(zip(FAULTS, (unreadable, forbidden, outside), strict=True))


def valid_cells(raw: pd.Series, plain: pd.Series, column: Column, missing: tuple[str, ...]) -> BoolArray:
    """Which cells break no rule, shape (n,); arguments as for ``faults``."""
    flags: BoolArray = ~np.any(list(faults(raw, plain, column, missing).values()), axis=0)
    return flags


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
    """Share of valid cells per column, and of each fault.

    Args:
        raw: A table as given, shape (n, d), with the schema's header.
        schema: Public facts.

    Returns:
        Columns ``Column``, ``Valid share`` and those of ``FAULTS`` (all 0 to 1), one row per column.
    """
    raw = raw[[name for name in raw.columns if str(name) in schema.names]]  # keys and names are made anew: nothing to check
    plain = conform(raw, schema)
    rows = []
    for column in schema.columns:
        found = faults(raw[column.name], plain[column.name], column, schema.missing)
        shares = {name: float(flags.mean()) for name, flags in found.items()}
        rows.append({"Column": column.name, "Valid share": 1.0 - sum(shares.values()), **shares})
    return pd.DataFrame(rows)


def score_validity(tables: Tables, raw_synthetic: pd.DataFrame, raw_holdout: pd.DataFrame | None) -> Section:
    """Share of synthetic cells inside the declared domain, and of distinct key values.

    Args:
        tables: Conformed tables.
        raw_synthetic: Synthetic rows as given, since reading them hides cells that cannot be read.
        raw_holdout: Held-out rows as given, for the ceiling.
    """
    found = validity_table(raw_synthetic, tables.schema)
    fresh = None if raw_holdout is None else validity_table(raw_holdout, tables.schema)
    if fresh is not None:
        found.insert(2, "Ceiling", fresh["Valid share"])
    share = min(1.0, float(found["Valid share"].mean()))
    limits = wilson(share * len(raw_synthetic), len(raw_synthetic))
    score = Score(
        name="valid_cells",
        label="Cells inside the declared domain",
        section="validity",
        value=share,
        low=limits.low,
        high=limits.high,
        better="higher",
        ceiling=None if fresh is None else min(1.0, float(fresh["Valid share"].mean())),
        floor=0.0,
        unit="share of cells",
        meaning="Share of synthetic cells that obey the schema's kinds, bounds, precision, categories and nullability.",
        interval="95 %, Wilson, with rows as trials, as if the cells of a row stood or fell together.",
        scale="Ceiling: held-out real rows, which may break the declared domain. Floor: 0, no cell obeys.",
    )
    keys, rules = _keys(tables), _rules(raw_synthetic, raw_holdout, tables.schema)
    shown = {"Validity": found} | ({"Constraints": rules[1]} if rules is not None else {})
    scores = (score, *keys, *((rules[0],) if rules is not None else ()))
    return Section(scores=scores, tables=MappingProxyType(shown))


def _rules(raw: pd.DataFrame, raw_holdout: pd.DataFrame | None, schema: Schema) -> tuple[Score, pd.DataFrame] | None:
    """Rows that keep all declared constraints, and how many break each; rules in Python are left out."""
    declared = replace(schema, constraints=tuple(c for c in schema.constraints if not isinstance(c, Custom)))
    if not declared.constraints:
        return None
    flags = broken(raw, declared)
    fresh = None if raw_holdout is None else broken(raw_holdout, declared)
    table = pd.DataFrame({"Constraint": list(flags), "Rows that break it": [int(f.sum()) for f in flags.values()]})
    if fresh is not None:
        table["Held-out rows that break it"] = [int(f.sum()) for f in fresh.values()]
    kept = ~np.any(list(flags.values()), axis=0)
    limits = wilson(float(kept.sum()), len(raw))
    score = Score(
        name="constraints",
        label="Rows that keep all constraints",
        section="validity",
        value=limits.value,
        low=limits.low,
        high=limits.high,
        better="higher",
        ceiling=None if fresh is None else float((~np.any(list(fresh.values()), axis=0)).mean()),
        floor=0.0,
        unit="share of rows",
        meaning="Share of synthetic rows that break none of the constraints that the schema declares.",
        interval="95 %, Wilson, over synthetic rows.",
        scale="Ceiling: held-out real rows, which may break them. Floor: 0, no row keeps all.",
    )
    return score, table


def key_columns(tables: Tables) -> list[str]:
    """Columns of categories or whole numbers whose real values are known and all differ."""
    if len(tables.real) < MIN_KEY_ROWS:
        return []
    kinds = (Kind.CATEGORY, Kind.INTEGER)
    return [c.name for c in tables.schema.columns if c.kind in kinds and tables.real[c.name].nunique() == len(tables.real)]


def _keys(tables: Tables) -> tuple[Score, ...]:
    names = key_columns(tables)
    if not names:
        return ()
    single = [~tables.synthetic[name].duplicated(keep=False) & tables.synthetic[name].notna() for name in names]
    limits = wilson(float(np.all(single, axis=0).sum()), len(tables.synthetic))
    return (
        Score(
            name="unique_keys",
            label="Keys that stay unique",
            section="validity",
            value=limits.value,
            low=limits.low,
            high=limits.high,
            better="higher",
            ceiling=1.0,
            floor=0.0,
            unit="share of rows",
            meaning=f"Share of synthetic rows whose key occurs once ({', '.join(map(repr, names))}).",
            interval="95 %, Wilson, over synthetic rows.",
            scale="Ceiling: 1, as in the real rows. Floor: 0, every key occurs twice or is missing.",
        ),
    )
