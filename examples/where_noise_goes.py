"""Five places for the noise, at one epsilon: in each cell, in tables, in gradients, in votes, in trained weights.

Run: ``python examples/where_noise_goes.py``. What is compared is how far tables of one column with the target are from those
of the real rows (mean total variation), what has to be trusted, and what it costs. What each is for: docs/techniques.md.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import synth
from synth import Column, Kind, Schema
from synth.local import load_local
from synth.randomize import randomize
from synth.registry import SYNTHESIZERS

EPSILON, ROWS, BINS = 2.0, 8000, 6
WARDS = ("north", "east", "south", "west")
SCHEMA = Schema(
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(18, 89), nullable=False),
        Column(name="ward", kind=Kind.CATEGORY, categories=WARDS, nullable=False),
        Column(name="smoker", kind=Kind.CATEGORY, categories=("no", "yes"), nullable=False),
        Column(name="ill", kind=Kind.CATEGORY, categories=("no", "yes"), nullable=False),
    ),
    target="ill",
    public_rows=ROWS,
)
SIZES = {"age": BINS, "ward": len(WARDS), "smoker": 2}
OWNER, NOBODY = "the owner's machine", "nobody after the source"
MODELS = (
    ("measured tables", "marginal", {}),
    ("gradients (DP-SGD)", "dpvae", {"steps": 60, "warm_start": False}),
    ("votes (PATE)", "pate", {}),
    ("trained weights", "perturbed", {"features": "independent"}),
)


def simulate(seed=0):
    rng = np.random.default_rng(seed)
    age, ward, smoker = rng.integers(18, 90, ROWS), rng.choice(4, ROWS, p=[0.4, 0.3, 0.2, 0.1]), rng.random(ROWS) < 0.3
    risk = 1 / (1 + np.exp(4 - 0.05 * age - 1.2 * smoker - 0.5 * (ward == 2)))
    ill = rng.random(ROWS) < risk
    words = np.array(["no", "yes"])
    return pd.DataFrame(
        {"age": age, "ward": np.array(WARDS)[ward], "smoker": words[smoker.astype(int)], "ill": words[ill.astype(int)]}
    )


def table(rows, name):
    """Shares of one column with the target, ages in bins."""
    codes = {
        "age": (rows["age"].to_numpy() - 18) * BINS // 72,
        "ward": pd.Categorical(rows["ward"], WARDS).codes,
        "smoker": pd.Categorical(rows["smoker"], ("no", "yes")).codes,
    }[name].astype(int)
    counts = np.zeros((SIZES[name], 2))
    np.add.at(counts, (codes, (rows["ill"] == "yes").to_numpy().astype(int)), 1)
    return counts / len(rows)


def error(estimate, real):
    """Mean total variation of the three tables."""
    return np.mean([0.5 * np.abs(estimate(name) - table(real, name)).sum() for name in SIZES])


def by_cells(real):
    """Every cell is randomised; what leaves are rows that say little one by one, and estimates from them."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "real.csv", Path(folder) / "randomised.csv"
        real.to_csv(source, index=False)
        randomize(source, out, schema=SCHEMA, epsilon=EPSILON, bins=BINS)
        told = load_local(out)
        found = told.shares("ward", "ill")
        print(f"share of the ill in the north, from randomised cells: {found.shares[0, 1]:.3f} +- {found.errors[0, 1]:.3f}")
        return error(lambda name: told.shares(name, "ill").shares, real)


def by_model(real, model, options):
    release = synth.fit(real, schema=SCHEMA, epsilon=EPSILON, model=model, options=options, seed=0)
    rows = release.sample(20_000, seed=0)
    return error(lambda name: table(rows, name), real)


def main():
    real = simulate()
    print(f"epsilon {EPSILON:g} for each; errors are mean total variations of tables of two columns")
    lines = []
    ways = [("each cell", NOBODY, lambda: by_cells(real))]
    for where, model, options in MODELS:
        if model in SYNTHESIZERS:
            ways.append((f"{where}: {model}", OWNER, lambda m=model, o=options: by_model(real, m, o)))
    for where, trusted, run in ways:
        started = time.process_time()
        found = run()
        lines.append(f"{where:32} {found:8.4f} {time.process_time() - started:8.1f}  {trusted}")
    print(f"{'where the noise goes':32} {'error':>8} {'CPU s':>8}  trusted with the rows")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
