"""Which values are missing together: the total variation between patterns of missing values."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd

from evaluation.fidelity.binning import CodeArray
from evaluation.fidelity.marginals import INTERVAL, Z95, mean_distance
from evaluation.inputs import Tables
from evaluation.scores import Score, Section

MAX_SHOWN = 20
NOTHING = "(nothing missing)"


def patterns(tables: list[pd.DataFrame]) -> tuple[list[CodeArray], list[str]]:
    """Each row's pattern of missing values as a number that means the same in every table.

    Args:
        tables: Conformed tables with equal columns.

    Returns:
        Pattern numbers per table, each of shape (n, 1), and a text per pattern that lists the missing columns.
    """
    gaps = [table.isna().to_numpy() for table in tables]
    distinct, numbers = np.unique(np.packbits(np.concatenate(gaps), axis=1), axis=0, return_inverse=True)
    stops = np.cumsum([len(table) for table in tables])[:-1]
    names = np.array(tables[0].columns, dtype=object)
    flags = np.unpackbits(distinct, axis=1, count=len(names)).astype(bool)
    texts = [", ".join(map(str, names[row])) if row.any() else NOTHING for row in flags]
    return [part.reshape(-1, 1).astype(np.int64) for part in np.split(numbers.reshape(-1), stops)], texts


def score_missing(tables: Tables) -> Section:
    """Total variation between the patterns of missing values.

    Args:
        tables: Conformed tables.

    Returns:
        A score and the table ``Missing patterns``; a note where no table has a missing value.
    """
    frames = [tables.real, tables.synthetic, tables.permuted]
    if tables.holdout is not None:
        frames.append(tables.holdout)
    codes, texts = patterns(frames)
    if texts == [NOTHING]:
        return Section(notes=("Patterns of missing values are left out: no value is missing in any table.",))
    sizes = np.array([len(texts)])
    found, floor, *fresh = [mean_distance(codes[0], other, sizes, [(0,)]) for other in codes[1:]]
    score = Score(
        name="missing_patterns",
        label="Patterns of missing values, total variation",
        section="fidelity",
        value=found.mean,
        low=max(0.0, found.mean - Z95 * found.se),
        high=min(1.0, found.mean + Z95 * found.se),
        better="lower",
        ceiling=fresh[0].mean if fresh else None,
        floor=floor.mean,
        unit="share of rows",
        meaning="Share of rows to change before the same columns are missing together equally often.",
        interval=INTERVAL,
        scale="Ceiling: held-out real rows. Floor: real rows with every column shuffled, so that gaps fall independently.",
    )
    shares = {what: np.bincount(part[:, 0], minlength=len(texts)) / len(part) for what, part in
              zip(("Real", "Synthetic", "Shuffled", "Holdout"), codes, strict=False)}  # fmt: skip
    table = pd.DataFrame({"Missing columns": texts, **shares}).drop(columns="Shuffled")
    table = table[table.drop(columns="Missing columns").sum(axis=1) > 0]
    table = table.sort_values("Real", ascending=False, kind="stable").head(MAX_SHOWN).reset_index(drop=True)
    return Section(scores=(score,), tables=MappingProxyType({"Missing patterns": table}))
