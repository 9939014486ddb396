"""How far the defaults are from the best of a grid: ``python -m evaluation.bench.defaults RESULTS.jsonl [--tables]``.

Variants of ``hybrid`` on two real tables and two simulators; records as those of ``synth bench``, so that it goes on where it
was stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.bench.cells import Cell, label
from evaluation.bench.grid import Terms, latest, read_results, run_grid

DATASETS = ("adult", "randhie", "copula", "houses")
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"table_share": 0.2},
    {"table_share": 0.5},
    {"private_training": False},
    {"steps": 400},
    {"learning_rate": 0.5},
)
SEEDS, EPSILON, DELTA = (0, 1), 1.0, 1e-5
FIDELITY, UTILITY = "tv_2way", ("tstr_auc", "tstr_r2")


def cells(seeds: Sequence[int] = SEEDS) -> list[Cell]:
    """The grid, seeds before variants."""
    return [
        Cell(dataset=name, model="hybrid", options=dict(options), epsilon=EPSILON, delta=DELTA, seed=seed)
        for name in DATASETS
        for seed in seeds
        for options in VARIANTS
    ]


def loss_of(record: dict[str, Any]) -> float:
    """Total variation of pairs, and what models trained on the rows lack to those trained on real ones."""
    scores = record["scores"]
    aims = [scores[name] for name in UTILITY if scores.get(name, {}).get("value") is not None]
    lacks = max(aims[0]["ceiling"] - aims[0]["value"], 0.0) if aims else 0.0
    return float(scores[FIDELITY]["value"] + lacks)


def table(records: Sequence[dict[str, Any]]) -> str:
    """Per data set: the loss of the defaults, the best variant and its loss, in Markdown."""
    lines = ["| data set | loss of the defaults | best of the grid | its loss | the defaults lose |", "|---|---|---|---|---|"]
    for name in DATASETS:
        losses: dict[str, list[float]] = {}
        for r in records:
            if r["dataset"] == name and "failed" not in r:
                losses.setdefault(label(r["model"], r.get("options", {})), []).append(loss_of(r))
        if "hybrid" not in losses:
            continue
        means = {variant: float(np.mean(found)) for variant, found in losses.items()}
        best = min(means, key=lambda variant: means[variant])
        own = means["hybrid"]
        lines.append(f"| {name} | {own:.4f} | {best} | {means[best]:.4f} | {own - means[best]:.4f} |")
    return "\n".join(lines)


def main(place: Path, *, only_show: bool = False) -> None:
    """Run what is missing, and print the table."""
    if not only_show:
        for _ in run_grid(cells(), place, Terms(say=lambda text: print(text, flush=True))):
            pass
    print(table(latest(read_results(place))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), only_show="--tables" in sys.argv)
