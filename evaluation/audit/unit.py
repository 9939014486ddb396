"""Who is protected: a table that declares persons with several rows must not be released as if rows were persons."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.audit.sightings import Finding
from synth.api import fit
from synth.schema import Column, Kind, Schema

ROWS = 600


def entity_is_kept(rng: np.random.Generator) -> Finding:
    """Declare an entity column: the receipt says that the entity is the unit, and the key is not learnt."""
    schema = Schema(
        columns=(
            Column(name="person", kind=Kind.CATEGORY, categories=("a", "b", "c"), nullable=False),
            Column(name="visit", kind=Kind.CATEGORY, categories=("x", "y"), nullable=False),
        ),
        entity="person",
        max_rows_per_entity=2,
        public_entities=3,
    )
    rows = pd.DataFrame({"person": rng.choice(["a", "b", "c"], ROWS), "visit": rng.choice(["x", "y"], ROWS)})
    release = fit(rows, epsilon=1.0, schema=schema, model="independent")
    kept = release.receipt.unit == "person" and "person" not in release.codec.domain.names
    how = f"released with unit {release.receipt.unit!r}, learnt: {', '.join(release.codec.domain.names)}"
    return Finding(
        check="unit", attacks="a table whose schema declares persons with several rows", contradicted=not kept,
        significance=0.0, detail=f"persons with hundreds of rows each: {how}",
    )  # fmt: skip
