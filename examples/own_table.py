"""Fit a table of your own: write down what is public about it, then fit.

What the schema declares costs no privacy budget, because it is not learnt from the rows. Take bounds from how the data
came about, never from the smallest and largest value seen. Run: ``python examples/own_table.py``.
"""

import numpy as np
import pandas as pd

import synth
from synth import Column, Kind, Schema

SCHEMA = Schema(
    name="patients",
    target="smoker",
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 120), nullable=False),
        Column(name="sex", kind=Kind.CATEGORY, categories=("female", "male"), nullable=False),
        Column(name="weight", kind=Kind.DECIMAL, precision=1, bounds=(0.0, 300.0), description="Kilograms."),
        Column(name="stage", kind=Kind.ORDINAL, categories=("none", "mild", "severe"), nullable=False),
        Column(name="admitted", kind=Kind.DATETIME, bounds=("2020-01-01", "2025-12-31"), nullable=False),
        Column(name="ward", kind=Kind.CATEGORY, nullable=False),  # no categories: learnt, common ones only
        Column(name="smoker", kind=Kind.BOOLEAN, nullable=False),
    ),
)


def simulate(rows=5000, seed=0):
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 95, rows)
    male = rng.random(rows) < 0.48
    weight = rng.normal(62 + 14 * male + 0.1 * age, 11).clip(35, 220).round(1)
    return pd.DataFrame(
        {
            "age": age,
            "sex": np.where(male, "male", "female"),
            "weight": np.where(rng.random(rows) < 0.05, np.nan, weight),
            "stage": rng.choice(["none", "mild", "severe"], rows, p=[0.6, 0.3, 0.1]),
            "admitted": pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 1400, rows), unit="D"),
            "ward": rng.choice(["surgery", "cardiology", "oncology"], rows, p=[0.5, 0.3, 0.2]),
            "smoker": rng.random(rows) < 0.2,
        }
    )


def main():
    release = synth.fit(simulate(), schema=SCHEMA, epsilon=1.0, model="independent")
    print("epsilon", release.receipt.epsilon)
    print(release.sample(1000, seed=0).head())


if __name__ == "__main__":
    main()
