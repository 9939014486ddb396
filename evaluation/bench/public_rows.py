"""What public rows bring, and that misleading ones ruin nothing: ``python -m evaluation.bench.public_rows RESULTS.jsonl``.

A tenth of Adult's training file is set aside as the public table, the rest is private, so the two share no rows. Public
tables: none; the tenth; only the older half of its people (a shifted population); the tenth with every column shuffled by
itself (no links); the tenth with the wrong links (every column sorted); and its rows alone, resampled, without private ones.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluation.bench.data import Data, load_data
from evaluation.bench.grid import circumstances
from evaluation.fidelity.marginals import score_marginals
from evaluation.inputs import prepare
from evaluation.utility.tstr import score_utility
from synth.api import fit
from synth.schema import Schema, undeclared

OLDER = 38  # above the median
EPSILONS, MODELS, SEEDS = (0.3, 1.0), ("marginal",), (0, 1, 2)
UNDECLARED = "marginal"  # also with nothing declared
TABLES = ("none", "same", "older", "shuffled", "sorted", "alone")


def split(data: Data, seed: int) -> tuple[Data, pd.DataFrame]:
    """Private data and the public tenth."""
    order = np.random.default_rng(seed).permutation(len(data.train))
    cut = len(order) // 10
    return replace(data, train=data.train.iloc[np.sort(order[cut:])]), data.train.iloc[np.sort(order[:cut])]


def public_table(kind: str, tenth: pd.DataFrame, seed: int) -> pd.DataFrame | None:
    """The public rows of one of ``TABLES``."""
    rng = np.random.default_rng(seed)
    if kind == "older":
        return tenth[pd.to_numeric(tenth["age"]) >= OLDER]
    if kind == "shuffled":
        return pd.DataFrame({n: rng.permutation(tenth[n].to_numpy()) for n in tenth})
    if kind == "sorted":
        return pd.DataFrame({n: tenth[n].sort_values(ignore_index=True) for n in tenth})
    return None if kind == "none" else tenth


def run(kind: str, data: Data, tenth: pd.DataFrame, model: str, epsilon: float, seed: int, *, declared: bool) -> dict[str, Any]:
    """Fit, draw as many rows as there are private ones, score against held-out rows."""
    public = public_table(kind, tenth, seed)
    notes: list[str] = []
    if kind == "alone":
        drawn = tenth.sample(len(data.train), replace=True, random_state=seed)
    else:
        schema = data.schema if declared else bare(data.schema)
        release = fit(data.train, epsilon=epsilon, schema=schema, model=model, seed=seed, public=public)
        drawn, notes = release.sample(len(data.train), seed=seed), release.notes()
    tables = prepare(data.train, data.test, drawn, data.schema, seed=seed)
    scores = (*score_marginals(tables).scores, *score_utility(tables, brief=True).scores)
    return {
        "public": kind, "public_rows": 0 if public is None else len(public), "model": model, "epsilon": epsilon,
        "declared": declared, "seed": seed, "scores": {s.name: s.value for s in scores}, "notes": notes, **circumstances(),
    }  # fmt: skip


def bare(schema: Schema) -> Schema:
    """Nothing declared but the header and the target."""
    return replace(undeclared(schema.names), target=schema.target)


def main(place: Path, kinds: tuple[str, ...] = TABLES) -> None:
    """Append a record per run that is not there yet."""
    lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    names = ("public", "model", "epsilon", "declared", "seed")
    done = {tuple(json.loads(line)[n] for n in names) for line in lines}
    whole = load_data("adult")
    for seed in SEEDS:
        data, tenth = split(whole, seed)
        runs = [(kind, m, e, True) for m in MODELS for e in EPSILONS for kind in kinds]
        runs += [(kind, UNDECLARED, min(EPSILONS), False) for kind in ("none", "same")]
        for kind, model, epsilon, declared in runs:
            if (kind, model, epsilon, declared, seed) not in done:
                record = run(kind, data, tenth, model, epsilon, seed, declared=declared)
                with place.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
