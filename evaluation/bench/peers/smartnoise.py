"""SmartNoise Synth (OpenDP): AIM, MST, MWEM and PATE-CTGAN, with a transformer per column that knows the public bounds.

Whole numbers of a range below 150 are categories, as its own type inference has it; other numbers get its ten bins (AIM, MST,
MWEM) or are scaled (PATE-CTGAN). It offers no way to declare categories: it takes those it sees, free of charge. It draws its
noise from numpy's global generator, so a seed is not handed over.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

GANS = ("patectgan", "dpctgan")
NO_DELTA = ("mwem",)
ORDINAL = 150  # `TypeMap.infer_column_types`
BOUNDS_SHARE = 0.1  # of the budget, where bounds are not declared


def is_ordinal(column: dict[str, Any]) -> bool:
    """Whether a column of numbers is a short list of values."""
    return bool(column["whole"] and column["low"] is not None and column["high"] - column["low"] < ORDINAL)


def transformers(columns: list[dict[str, Any]], *, gan: bool, bins: int) -> list[Any]:
    """A transformer per column in SmartNoise's classes."""
    from snsynth import transform

    found = []
    for c in columns:
        if c["number"] and not is_ordinal(c):
            facts = {"lower": c["low"], "upper": c["high"], "nullable": c["nullable"]}
            found.append(transform.MinMaxTransformer(**facts) if gan else transform.BinTransformer(bins=bins, **facts))
            continue
        label = transform.LabelTransformer(nullable=c["nullable"])
        found.append(transform.ChainTransformer([label, transform.OneHotEncoder()]) if gan else label)
    return found


def generate(
    frame: pd.DataFrame,
    columns: list[dict[str, Any]],
    *,
    epsilon: float,
    delta: float,
    seed: int,  # noqa: ARG001
    rows: int,
    options: dict[str, Any],
    target: str | None,  # noqa: ARG001
) -> pd.DataFrame:
    """Fit and sample; option ``method`` is the synthesizer, ``bins`` of numbers, the others are the synthesizer's."""
    from snsynth import Synthesizer
    from snsynth.transform import TableTransformer

    said = dict(options)
    method, bins = said.pop("method"), int(said.pop("bins", 10))
    table = TableTransformer(transformers(columns, gan=method in GANS, bins=bins))
    if method not in NO_DELTA:
        said["delta"] = delta
    free = any(c["number"] and c["low"] is None for c in columns)
    model = Synthesizer.create(method, epsilon=epsilon, **said)
    model.fit(frame, transformer=table, preprocessor_eps=epsilon * BOUNDS_SHARE if free else 0.0)
    return pd.DataFrame(model.sample(rows), columns=[c["name"] for c in columns])
