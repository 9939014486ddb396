"""Small simulated tables: numbers with a spike, categories that depend on them, dates, gaps."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation import Report, evaluate
from synth.schema import Column, Kind, Schema


def simulate(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, n_rows)
    income = np.round(np.exp(rng.normal(9.5 + age / 100, 0.6)), 2)
    gain = np.where(rng.random(n_rows) < 0.85, 0.0, np.round(rng.exponential(3000.0, n_rows)))
    job = np.array(["clerk", "nurse", "smith"])[np.clip((age - 18) // 25 + rng.integers(-1, 2, n_rows), 0, 2)]
    town = rng.choice(["north", "south", "", "NA"], n_rows, p=[0.4, 0.4, 0.1, 0.1])
    start = pd.Timestamp("2001-03-01") + pd.to_timedelta(rng.integers(0, 6000, n_rows), unit="D")
    chance = 1 / (1 + np.exp(-(age - 50) / 8 - (job == "smith")))
    return pd.DataFrame(
        {
            "age": age,
            "income": income,
            "gain": gain,
            "job": job,
            "town": town,
            "start": start.strftime("%Y-%m-%d"),
            "ill": rng.random(n_rows) < chance,
        }
    )


@pytest.fixture(scope="session")
def people() -> Callable[[int, int], pd.DataFrame]:
    """``people(rows, seed)`` draws fresh people from the same population."""
    return simulate


SCHEMA = Schema(
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 120), nullable=False),
        Column(name="income", kind=Kind.DECIMAL, bounds=(0, 1e7), precision=2),
        Column(name="gain", kind=Kind.FLOAT),
        Column(name="job", kind=Kind.ORDINAL, categories=("clerk", "nurse", "smith")),
        Column(name="town", kind=Kind.CATEGORY),
        Column(name="start", kind=Kind.DATETIME, bounds=("2000-01-01", "2030-01-01"), format="%Y-%m-%d"),
        Column(name="ill", kind=Kind.BOOLEAN),
    ),
    target="ill",
    name="people",
)


@pytest.fixture(scope="session")
def schema() -> Schema:
    return SCHEMA


@pytest.fixture(scope="session")
def real() -> pd.DataFrame:
    return simulate(1500, 1)


@pytest.fixture(scope="session")
def holdout() -> pd.DataFrame:
    return simulate(1200, 2)


@pytest.fixture(scope="session")
def fresh() -> pd.DataFrame:
    """Rows of the same population that neither the generator nor the holdout saw: a perfect generator."""
    return simulate(1500, 3)


@pytest.fixture(scope="session")
def shuffled(real: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame({name: rng.permutation(real[name].to_numpy()) for name in real.columns})


@pytest.fixture(scope="session")
def copy_report(real: pd.DataFrame, holdout: pd.DataFrame) -> Report:
    return evaluate(real, holdout, real, SCHEMA, card={"epsilon": 1.0, "delta": 1e-6, "unit": "row"})


@pytest.fixture(scope="session")
def fresh_report(real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame) -> Report:
    return evaluate(real, holdout, fresh, SCHEMA)


@pytest.fixture(scope="session")
def shuffled_report(real: pd.DataFrame, holdout: pd.DataFrame, shuffled: pd.DataFrame) -> Report:
    return evaluate(real, holdout, shuffled, SCHEMA)


@pytest.fixture(scope="session")
def adult() -> tuple[pd.DataFrame, pd.DataFrame, Schema]:
    places = [Path(os.environ.get("SYNTH_DATA_HOME", "/nowhere")), Path(__file__).parents[3] / "shared" / "data"]
    home = next((place for place in places if (place / "adult_train.csv").exists()), None)
    if home is None:
        pytest.skip("Adult is not on this machine; set SYNTH_DATA_HOME")
    train, test = (pd.read_csv(home / f"adult_{p}.csv", dtype=str, keep_default_na=False) for p in ("train", "test"))
    numbers = {"age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"}
    columns = [Column(name=c, kind=Kind.INTEGER if c in numbers else Kind.CATEGORY) for c in train.columns]
    return train, test, Schema(columns=tuple(columns), missing=("?", ""), target="income", name="adult")
