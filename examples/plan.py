"""See what a fit would bring before anything is spent: from public facts alone. Run: ``python examples/plan.py``.

On the command line: ``synth plan schema.toml --rows 20000 --epsilon 1``.
"""

from synth import Column, Kind, Schema
from synth.plan import make_plan

SCHEMA = Schema(
    target="readmitted",
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 120), nullable=False),
        Column(name="ward", kind=Kind.CATEGORY),
        Column(name="icd", kind=Kind.CATEGORY, categories=tuple(f"{i:03d}" for i in range(1000))),
        Column(name="readmitted", kind=Kind.BOOLEAN, nullable=False),
    ),
)


def main():
    for epsilon in (0.3, 1.0, 3.0):
        plan = make_plan(SCHEMA, rows=20_000, epsilon=epsilon)
        print(f"epsilon {epsilon:g}: about {plan.cpu_seconds:.0f} CPU seconds, DP-SGD {plan.private_training}")
        for column in plan.columns:
            print(f"  {column.name}: {column.codes} codes, noise {column.sigma:.0f} rows, error {column.error:.3f}")
        for note in plan.notes():
            print("  note:", note)


if __name__ == "__main__":
    main()
