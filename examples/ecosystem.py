"""The same model as users of SDV and of scikit-learn know it. Run: ``python examples/ecosystem.py``."""

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from synth.estimator import SynthEstimator
from synth.tabular import TabularSynthesizer

METADATA = {
    "METADATA_SPEC_VERSION": "SINGLE_TABLE_V1",
    "columns": {
        "start": {"sdtype": "numerical", "computer_representation": "Int64"},
        "stop": {"sdtype": "numerical", "computer_representation": "Int64"},
        "sex": {"sdtype": "categorical"},
    },
}
RULES = [
    {
        "constraint_class": "Inequality",
        "constraint_parameters": {"low_column_name": "start", "high_column_name": "stop", "strict_boundaries": False},
    }
]


def simulate(rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 80, rows)
    return pd.DataFrame({"start": start, "stop": start + rng.integers(0, 20, rows), "sex": rng.choice(["f", "m"], rows)})


def main():
    known = {"start": {"min": 0, "max": 80}, "stop": {"min": 0, "max": 120}}
    synthesizer = TabularSynthesizer(METADATA, epsilon=2.0, known_min_max_values=known, model="marginal")
    synthesizer.add_constraints(RULES)
    rows = synthesizer.fit(simulate()).sample(num_rows=1000)
    print("SDV style: epsilon", synthesizer.epsilon, "rows that break the rule:", int((rows["start"] > rows["stop"]).sum()))

    numbers = simulate()[["start", "stop"]].to_numpy(float)
    pipeline = make_pipeline(FunctionTransformer(np.log1p), SynthEstimator(epsilon=2.0, model="independent", random_state=0))
    print("scikit-learn style:", pipeline.fit(numbers)[-1].sample(3))


if __name__ == "__main__":
    main()
