"""``python -m evaluation.bench``: run what is missing, then print the tables of the README."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from evaluation.bench.grid import RESULTS, Cell, read_results, run_grid
from evaluation.bench.tables import quality_table, steps_table

MODELS = ("dpvae", "dpgan", "independent")


def main(arguments: list[str]) -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.bench", description=__doc__)
    parser.add_argument("--datasets", default="adult,diabetes130,randhie", help="names of cards")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--epsilons", default="1")
    parser.add_argument("--delta", type=float, default=1e-5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS / "quality.jsonl", help="finished runs are not repeated")
    parser.add_argument("--steps", action="store_true", help="measure the cost of DP-SGD steps instead")
    parser.add_argument("--tables", action="store_true", help="only print the tables of what is recorded")
    said = parser.parse_args(arguments)
    steps = said.results.with_name("steps.jsonl")
    if said.steps:
        from evaluation.bench.steps import measure_steps

        steps.parent.mkdir(parents=True, exist_ok=True)
        steps.write_text("".join(json.dumps(r, sort_keys=True) + "\n" for r in measure_steps()), encoding="utf-8")
    elif not said.tables:
        cells = [
            Cell(dataset=dataset, model=model, epsilon=float(epsilon), delta=said.delta, seed=seed)
            for dataset in said.datasets.split(",")
            for epsilon in said.epsilons.split(",")
            for seed in range(said.seeds)
            for model in said.models.split(",")
        ]
        for record in run_grid(cells, said.results):
            scores = {name: round(s["value"], 4) for name, s in record["scores"].items() if s["value"] is not None}
            print(record["dataset"], record["model"], record["seed"], record["fit"]["seconds"], "s", scores, flush=True)
    if said.results.exists():
        print(quality_table(read_results(said.results)))
    if steps.exists():
        print(steps_table(read_results(steps)))


if __name__ == "__main__":
    main(sys.argv[1:])
