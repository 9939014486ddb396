"""dpmm (SAS): AIM, MST and PrivBayes on columns that it cuts into bins with a tenth of the budget, its default share."""

from __future__ import annotations

from typing import Any

import pandas as pd

BINNING = 0.1  # dpmm adds `proc_epsilon` to `epsilon`; its own default is 0.1 beside 1


def domain(columns: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The public facts in dpmm's form."""
    found: dict[str, dict[str, Any]] = {}
    for c in columns:
        if c["number"]:
            found[c["name"]] = {} if c["low"] is None else {"lower": c["low"], "upper": c["high"]}
        elif c["categories"] is not None:
            found[c["name"]] = {"categories": list(c["categories"])}
    return found


def generate(
    frame: pd.DataFrame,
    columns: list[dict[str, Any]],
    *,
    epsilon: float,
    delta: float,
    seed: int,
    rows: int,
    options: dict[str, Any],
    target: str | None,  # noqa: ARG001
) -> pd.DataFrame:
    """Fit and sample; option ``method`` is aim, mst or privbayes, the others are dpmm's."""
    from dpmm import pipelines

    said = dict(options)
    kind = {"aim": "AIMPipeline", "mst": "MSTPipeline", "privbayes": "PrivBayesPipeline"}[said.pop("method")]
    share = BINNING / (1 + BINNING)
    numbers = any(c["number"] for c in columns)
    budget = {"epsilon": epsilon * (1 - share), "proc_epsilon": epsilon * share} if numbers else {"epsilon": epsilon}
    model = getattr(pipelines, kind)(delta=delta, n_jobs=1, **budget, **said)  # one process, so that its time counts
    model.fit(frame, domain(columns), random_state=seed)
    made: pd.DataFrame = model.generate(n_records=rows, random_state=seed)
    return made
