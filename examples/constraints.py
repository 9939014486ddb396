"""Rules between columns, declared as public facts: every released row keeps them, and no budget is spent on learning them.

Run: ``python examples/constraints.py``. In a schema file each rule is a ``[[constraints]]`` table, such as
``kind = "inequality"``, ``low = "admitted"``, ``high = "discharged"``.
"""

import numpy as np
import pandas as pd

import synth
from synth import Column, Kind, Schema
from synth.conditions import Condition
from synth.constraints import Custom, FunctionalDependency, Inequality, Sum, register
from synth.encoding.reshape import broken

CHAPTERS = {"250": "endocrine", "401": "circulatory", "410": "circulatory", "486": "respiratory"}
DAYS = ("2020-01-01", "2021-12-31")
SCHEMA = Schema(
    target="room",
    columns=(
        Column(name="icd", kind=Kind.CATEGORY, categories=tuple(CHAPTERS), nullable=False),
        Column(name="chapter", kind=Kind.CATEGORY, categories=tuple(sorted(set(CHAPTERS.values()))), nullable=False),
        Column(name="admitted", kind=Kind.DATETIME, bounds=DAYS, nullable=False),
        Column(name="discharged", kind=Kind.DATETIME, bounds=DAYS),
        Column(name="room", kind=Kind.INTEGER, bounds=(0, 5000), nullable=False),
        Column(name="drugs", kind=Kind.INTEGER, bounds=(0, 5000), nullable=False),
        Column(name="total", kind=Kind.INTEGER, bounds=(0, 10000), nullable=False),
    ),
    constraints=(
        FunctionalDependency(column="icd", to="chapter", mapping=CHAPTERS),
        Inequality(low="admitted", high="discharged"),
        Sum(total="total", parts=("room", "drugs")),
        Custom(name="bill above ten"),
    ),
)


def simulate(rows=4000, seed=0):
    rng = np.random.default_rng(seed)
    icd = rng.choice(list(CHAPTERS), rows)
    admitted = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 600, rows), unit="D")
    stay = rng.geometric(0.2, rows) - 1
    room, drugs = 90 * stay, rng.integers(0, 900, rows)
    return pd.DataFrame(
        {
            "icd": icd,
            "chapter": [CHAPTERS[code] for code in icd],
            "admitted": admitted,
            "discharged": pd.Series(admitted + pd.to_timedelta(stay, unit="D")).where(rng.random(rows) > 0.03),
            "room": room,
            "drugs": drugs,
            "total": room + drugs,
        }
    )


def main():
    register("bill above ten", lambda rows: rows["total"] > 10)
    release = synth.fit(simulate(), schema=SCHEMA, epsilon=3.0, model="marginal")
    print("epsilon", release.receipt.epsilon)
    rows = release.sample(1000, seed=0)
    print(rows.head())
    print("rows that break a rule:", {rule: int(flags.sum()) for rule, flags in broken(rows, SCHEMA).items()})

    heart = Condition(num_rows=200, where=("chapter=circulatory", "discharged<2021-01-01", "total>=500"))
    print(release.sample_from_conditions([heart], seed=0).head())


if __name__ == "__main__":
    main()
