"""Fit a public data set, sample from the release, save it and load it again.

Needs ``pip install "synth-dp[demo]"``, whose statsmodels ships the data. Run: ``python examples/fit_and_sample.py``.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import synth
from synth.catalog import card, dataset_path


def main():
    release = synth.fit(dataset_path("randhie"), schema=card("randhie").schema, epsilon=1.0, model="independent")
    table = release.sample(1000, seed=0)

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.synth"
        release.save(path)
        again = synth.load(path).sample(1000, seed=0)

    print(f"epsilon {release.receipt.epsilon:g}, delta {release.receipt.delta:.2g}")
    print(table.head())
    print("the loaded release gives the same rows:", table.equals(again))


if __name__ == "__main__":
    main()
