"""Estimate from a release with intervals that hold: synthetic rows taken as real ones promise too much.

The fit is repeated on rows drawn from the release, with noise of the same size, so nothing private is read and no budget is
spent. Run: ``python examples/valid_intervals.py``.
"""

import numpy as np
import pandas as pd

import synth
from evaluation.inference.rules import infer
from evaluation.inference.statistics import coefficients_of, mean_of, proportion_of
from synth import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="dose", kind=Kind.FLOAT, bounds=(0, 10), nullable=False),
        Column(name="arm", kind=Kind.CATEGORY, categories=("placebo", "drug"), nullable=False),
        Column(name="well", kind=Kind.BOOLEAN, nullable=False),
    ),
    target="well",
)


def simulate(rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    dose, drug = rng.uniform(0, 10, rows), rng.random(rows) < 0.5
    well = rng.random(rows) < 1 / (1 + np.exp(-(-1 + 0.1 * dose + 1.0 * drug)))
    return pd.DataFrame({"dose": dose, "arm": np.where(drug, "drug", "placebo"), "well": well})


def main():
    release = synth.fit(simulate(), schema=SCHEMA, epsilon=1.0, model="marginal")
    questions = [
        mean_of(release, "dose"),  # 5 in the population
        proportion_of(release, "well", "True"),
        coefficients_of(release, "well ~ dose + arm"),  # -1, 0.1 and 1 in the population
    ]
    print("epsilon", release.receipt.epsilon)
    for one in infer(release, questions, repeats=12):
        print(f"{one.name:20} {one.value:7.3f}  {one.low:7.3f} to {one.high:7.3f}")


if __name__ == "__main__":
    main()
