"""Tables of persons with several rows: how many rows they have, and whether constants are constant. Others know no entity."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd

from evaluation.scores import Score, Section
from synth.encoding.values import texts
from synth.entity import cap_of
from synth.schema import Schema

KEY = "key "  # before the key of a person; no other text in its place starts like that


def score_persons(real: pd.DataFrame, holdout: pd.DataFrame | None, synthetic: pd.DataFrame, schema: Schema) -> Section:
    """Total variation between the numbers of rows per person, in whole tables.

    Args:
        real: Raw fitted rows.
        holdout: Raw fresh rows, or ``None``.
        synthetic: Raw synthetic rows.
        schema: Declares the entity; nothing is scored where it does not.
    """
    if schema.entity is None:
        return Section()
    keys = [_keys(frame, schema) for frame in (real, synthetic, holdout) if frame is not None]
    counts = [np.minimum(k.value_counts().to_numpy(), cap_of(schema)) for k in keys]
    shares = [np.bincount(c, minlength=cap_of(schema) + 1)[1:] / max(len(c), 1) for c in counts]
    notes = [f"The unit is one {schema.entity}; other scores look at rows and leave it out."]
    if holdout is not None and (shared := sum(key.startswith(KEY) for key in set(keys[0]) & set(keys[2]))):
        notes.append(
            f"{shared} held-out {schema.entity} have fitted rows as well: ceilings and attacks are only sound where rows are "
            "held out by person."
        )
    score = Score(
        name="rows_per_entity",
        label=f"Rows per {schema.entity}, total variation",
        section="fidelity",
        value=float(np.abs(shares[0] - shares[1]).sum() / 2),
        better="lower",
        ceiling=None if holdout is None else float(np.abs(shares[0] - shares[2]).sum() / 2),
        floor=float(1 - shares[0][0]),
        meaning=f"How far the shares of persons with 1, 2, ... rows are apart, {cap_of(schema)} standing for more as well.",
        interval="none: a figure of whole tables",
        scale="Ceiling: held-out persons. Floor: a table with one row for each.",
    )
    facts = {
        "Table": ["real", "synthetic", "held-out"][: len(keys)],
        "Persons": [len(c) for c in counts],
        "Rows per person": [float(c.mean()) if len(c) else 0.0 for c in counts],
    }
    for column in schema.columns:
        if column.constant_per_entity:
            frames = [frame for frame in (real, synthetic, holdout) if frame is not None]
            facts[f"One value of {column.name}"] = [
                _constant(frame[column.name], k, schema) for frame, k in zip(frames, keys, strict=True)
            ]
    return Section(scores=(score,), notes=tuple(notes), tables=MappingProxyType({"Persons": pd.DataFrame(facts)}))


def _keys(frame: pd.DataFrame, schema: Schema) -> pd.Series:
    """The person of each row; a row without a key is a person of its own."""
    found = texts(frame[str(schema.entity)], schema.missing)
    return pd.Series([f"row {i}" if key is None else KEY + key for i, key in enumerate(found)], dtype=object)


def _constant(cells: pd.Series, keys: pd.Series, schema: Schema) -> float:
    """Share of persons whose rows hold one value."""
    plain = pd.Series(texts(cells, schema.missing), dtype=object).fillna("")
    values = plain.groupby(keys).nunique()
    return float((values == 1).mean()) if len(values) else 1.0
