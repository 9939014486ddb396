"""Draw rows that meet conditions, complete given rows, and balance classes: from a release, at no further privacy cost.

Conditions are exact, whatever the model; the work is bounded, and ``attrs["effective_rows"]`` says how many independent rows a
conditional sample is worth. Run: ``python examples/conditions.py``.
"""

import numpy as np
import pandas as pd

import synth
from synth import Column, Kind, Schema
from synth.conditions import Condition

SCHEMA = Schema(
    target="smoker",
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 120), nullable=False),
        Column(name="sex", kind=Kind.CATEGORY, categories=("female", "male"), nullable=False),
        Column(name="smoker", kind=Kind.BOOLEAN, nullable=False),
    ),
)


def simulate(rows=5000, seed=0):
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 95, rows)
    male = rng.random(rows) < 0.48
    smoker = rng.random(rows) < 0.1 + 0.2 * male
    return pd.DataFrame({"age": age, "sex": np.where(male, "male", "female"), "smoker": smoker})


def main():
    release = synth.fit(simulate(), schema=SCHEMA, epsilon=3.0, model="marginal")
    print("epsilon", release.receipt.epsilon)

    older = Condition(num_rows=500, column_values={"sex": "female"}, where=("age>=65", "age!=70"))
    rows = release.sample_from_conditions([older], seed=0)
    print(rows.describe(), "worth", round(rows.attrs["effective_rows"]), "rows")

    known = pd.DataFrame({"age": [30, 80], "sex": ["male", None]})
    print(release.sample_remaining_columns(known, seed=0))

    balanced = release.sample_from_conditions(release.balanced("smoker", 1000), seed=0)
    print(balanced["smoker"].value_counts())


if __name__ == "__main__":
    main()
