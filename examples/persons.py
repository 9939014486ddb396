"""Several rows per person: the guarantee is about whole persons, and synthetic persons have several rows as well.

Run: ``python examples/persons.py``. In a schema file: ``entity = "patient"``, ``max_rows_per_entity = 5``, and
``constant_per_entity = true`` for a column that all rows of a person share.
"""

import numpy as np
import pandas as pd

import synth
from synth import Column, Kind, Schema

SCHEMA = Schema(
    entity="patient",
    max_rows_per_entity=5,
    columns=(
        Column(name="patient", kind=Kind.IDENTIFIER, pattern="P[0-9]{6}"),
        Column(name="sex", kind=Kind.CATEGORY, categories=("f", "m"), nullable=False, constant_per_entity=True),
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 110), nullable=False, constant_per_entity=True),
        Column(name="ward", kind=Kind.CATEGORY, categories=("surgery", "medicine", "birth"), nullable=False),
        Column(name="nights", kind=Kind.INTEGER, bounds=(0, 60), nullable=False),
    ),
)


def simulate(patients=3000, seed=0):
    rng = np.random.default_rng(seed)
    sex, age = rng.choice(["f", "m"], patients), rng.integers(18, 95, patients)
    stays = 1 + rng.binomial(6, age / 300)
    who = np.repeat(np.arange(patients), stays)
    birth = (sex[who] == "f") & (age[who] < 45) & (rng.random(len(who)) < 0.6)
    ward = np.where(birth, "birth", rng.choice(["surgery", "medicine"], len(who)))
    return pd.DataFrame(
        {
            "patient": [f"P{i:06d}" for i in 7 * who + 1000],
            "sex": sex[who],
            "age": age[who],
            "ward": ward,
            "nights": rng.poisson(age[who] / 15),
        }
    )


def main():
    rows = simulate()
    release = synth.fit(rows, epsilon=2.0, schema=SCHEMA, model="marginal", seed=1)
    receipt = release.receipt
    print(f"epsilon {receipt.epsilon:g} protects one {receipt.unit}: neighbours {receipt.adjacency}")
    drawn = release.sample(seed=2)
    for name, table in (("real", rows), ("synthetic", drawn)):
        persons = table.groupby("patient")
        print(
            f"{name:9}: {len(table):,} rows of {persons.ngroups:,} patients, "
            f"{100 * (persons.size() > 1).mean():.0f} % with several; "
            f"at most {persons['sex'].nunique().max()} sex and {persons['age'].nunique().max()} age each; "
            f"births by age 45: {(table.loc[table['ward'] == 'birth', 'age'] < 46).mean():.2f}"
        )
    print(drawn.head(6).to_string(index=False))


if __name__ == "__main__":
    main()
