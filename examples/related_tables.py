"""A parent table and two children under one guarantee: about one customer with all orders and all calls.

Run: ``python examples/related_tables.py``. On the command line: ``synth tables fit relations.toml --epsilon 2``.
"""

import numpy as np
import pandas as pd

from synth import Column, Kind, Schema
from synth.relations import Related, Relations
from synth.tables import fit_tables

CITIES = ("Aix", "Bonn", "Cork")


def word(name, *values):
    return Column(name=name, kind=Kind.CATEGORY, categories=values, nullable=False)


def number(name, low, high):
    return Column(name=name, kind=Kind.INTEGER, bounds=(low, high), nullable=False)


RELATIONS = Relations(
    parent=Related(
        name="customers",
        key="customer",
        schema=Schema(columns=(Column(name="customer", kind=Kind.INTEGER), word("city", *CITIES), number("age", 0, 110))),
    ),
    children=(
        Related(
            name="orders",
            key="order",
            parent_key="buyer",
            cap=6,
            schema=Schema(
                columns=(
                    Column(name="order", kind=Kind.IDENTIFIER, pattern="O-[0-9]{6}"),
                    Column(name="buyer", kind=Kind.INTEGER),
                    word("item", "book", "lamp", "toy"),
                    number("price", 1, 200),
                )
            ),
        ),
        Related(
            name="calls",
            parent_key="customer",
            cap=3,
            schema=Schema(columns=(Column(name="customer", kind=Kind.INTEGER), word("reason", "praise", "complaint"))),
        ),
    ),
)


def simulate(customers=3000, seed=0):
    rng = np.random.default_rng(seed)
    city, age = rng.choice(CITIES, customers), rng.integers(18, 90, customers)
    names = 10_000 + rng.permutation(customers)
    buyer = np.repeat(np.arange(customers), rng.poisson(np.where(city == "Bonn", 2.5, 0.8)))
    item = np.where(rng.random(len(buyer)) < age[buyer] / 100, "book", rng.choice(["lamp", "toy"], len(buyer)))
    caller = np.repeat(np.arange(customers), rng.binomial(2, np.where(city == "Cork", 0.5, 0.1)))
    reason = np.where((age[caller] > 60) & (rng.random(len(caller)) < 0.9), "complaint", "praise")
    return {
        "customers": pd.DataFrame({"customer": names, "city": city, "age": age}),
        "orders": pd.DataFrame(
            {
                "order": [f"O-{i:06d}" for i in range(len(buyer))],
                "buyer": names[buyer],
                "item": item,
                "price": rng.integers(1, 120, len(buyer)),
            }
        ),
        "calls": pd.DataFrame({"customer": names[caller], "reason": reason}),
    }


def main():
    real = simulate()
    release = fit_tables(real, relations=RELATIONS, epsilon=4.0, model="marginal", seed=1)
    print(f"epsilon {release.epsilon:g}, delta {release.delta:g} protect one {release.unit}")
    drawn = release.sample(seed=2)
    for name, tables in (("real", real), ("synthetic", drawn)):
        customers, orders, calls = tables["customers"].set_index("customer"), tables["orders"], tables["calls"]
        bought = orders.groupby("buyer").size().reindex(customers.index, fill_value=0)
        old = customers["age"][calls["customer"]].to_numpy() > 60
        print(
            f"{name:9}: {len(customers):,} customers, {len(orders):,} orders, {len(calls):,} calls; orders each in Bonn "
            f"{bought[customers['city'] == 'Bonn'].mean():.2f}, elsewhere {bought[customers['city'] != 'Bonn'].mean():.2f}; "
            f"complaints of old callers {(calls['reason'][old] == 'complaint').mean():.2f}, "
            f"of others {(calls['reason'][~old] == 'complaint').mean():.2f}; "
            f"every order has its customer: {orders['buyer'].isin(customers.index).all()}"
        )
    print(drawn["orders"].head(4).to_string(index=False))


if __name__ == "__main__":
    main()
