"""Do noise-aware intervals hold the truth? Tables drawn from a known law, fitted, asked, and asked again.

A trial draws a table, fits it, infers (``evaluation.inference``), and compares with the law's own answers. Beside it stands the
rule for synthesis without privacy on the same releases, and what a reader gets who takes synthetic rows for real ones.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.inference.rules import infer, without_noise
from evaluation.inference.statistics import Question, coefficients_of, mean_of, proportion_of
from evaluation.intervals import Interval, wilson
from synth.api import fit
from synth.release import Release, dataset_seeds
from synth.schema import Column, Kind, Schema

FloatArray = npt.NDArray[np.float64]

LAW_ROWS = 2_000_000
RESAMPLES = 100
SCHEMA = Schema(
    columns=(
        Column(name="x", kind=Kind.FLOAT, bounds=(-4, 4), nullable=False),
        Column(name="g", kind=Kind.CATEGORY, categories=("a", "b", "c"), nullable=False),
        Column(name="y", kind=Kind.CATEGORY, categories=("no", "yes"), nullable=False),
    ),
    target="y",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one kind of trial fits and asks.

    Attributes:
        model: Synthesizer.
        epsilon: Of every fit.
        delta: Of every fit.
        rows: Of every table.
        datasets: Synthetic tables per release.
        refits: Repetitions per inference.
    """

    model: str
    epsilon: float = 1.0
    delta: float = 1e-5
    rows: int = 2000
    datasets: int = 5
    refits: int = 20


def draw(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Rows of the law: a clipped normal number, a category, and an outcome that depends on both."""
    x = rng.normal(size=rows).clip(-4, 4)
    g = rng.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2])
    chance = 1 / (1 + np.exp(-(x + 0.8 * (g == "b"))))
    return pd.DataFrame({"x": x, "g": g, "y": np.where(rng.random(rows) < chance, "yes", "no")})


def questions(release: Release) -> list[Question]:
    """What is asked: a mean, proportions and, of models that know relations, two regressions."""
    asked: list[Question] = [mean_of(release, "x"), proportion_of(release, "y", "yes"), proportion_of(release, "g", "c")]
    if release.model != "independent":
        asked += [coefficients_of(release, "y ~ x + g"), coefficients_of(release, "x ~ y + g")]
    return asked


def names_of(asked: list[Question]) -> list[str]:
    """Names of all estimates; those of a regression with its target."""
    return [f"{name} (of {q.target})" if hasattr(q, "target") else name for q in asked for name in q.names]


def answers(asked: list[Question], table: pd.DataFrame) -> FloatArray:
    """All estimates on one table, shape (k,)."""
    return np.concatenate([q.ask(table) for q in asked])


def run_trial(trial: Trial, number: int, truth: FloatArray) -> dict[str, Any]:
    """One table, its release, three sorts of intervals.

    Args:
        trial: What to fit.
        number: Seed of the table.
        truth: Answers of the law, shape (k,).
    """
    rng = np.random.default_rng([71_003, number])
    table = draw(trial.rows, rng)
    release = fit(table, epsilon=trial.epsilon, delta=trial.delta, schema=SCHEMA, model=trial.model)
    asked = questions(release)
    found = infer(release, asked, datasets=trial.datasets, repeats=trial.refits, seed=number)
    tables = [release.sample(trial.rows, seed=s) for s in dataset_seeds(trial.datasets, number)]
    each = np.stack([answers(asked, one) for one in tables])
    variances = np.stack([_variance(asked, one, rng) for one in tables[:1]])
    low, high = without_noise(each, variances)
    plain = 1.96 * np.sqrt(variances[0])
    return {
        "held": [bool(e.low <= t <= e.high) for e, t in zip(found, truth, strict=True)],
        "width": [e.high - e.low for e in found],
        "held_without_noise": ((low <= truth) & (truth <= high)).tolist(),
        "width_without_noise": (high - low).tolist(),
        "held_as_real": (np.abs(each[0] - truth) <= plain).tolist(),
        "width_as_real": (2 * plain).tolist(),
    }


def _variance(asked: list[Question], table: pd.DataFrame, rng: np.random.Generator) -> FloatArray:
    """Usual sampling variances by the bootstrap of rows, shape (k,)."""
    drawn = [answers(asked, table.iloc[rng.integers(len(table), size=len(table))]) for _ in range(RESAMPLES)]
    return np.asarray(np.var(np.stack(drawn), axis=0, ddof=1), dtype=np.float64)


def run_coverage(trial: Trial, times: int, file: Path) -> dict[str, Any]:
    """All trials, kept one JSON line each, so that a run goes on where it stopped; and their summary.

    Args:
        trial: What to fit and ask.
        times: Tables.
        file: JSON lines.
    """
    rng = np.random.default_rng(71_002)
    probe = fit(draw(trial.rows, rng), epsilon=trial.epsilon, delta=trial.delta, schema=SCHEMA, model=trial.model)
    asked = questions(probe)
    truth = answers(asked, draw(LAW_ROWS, rng))
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    done = [json.loads(line) for line in lines]
    for number in range(len(done), times):
        done.append(run_trial(trial, number, truth))
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(done[-1]) + "\n")
    return summary(trial, names_of(asked), done)


def summary(trial: Trial, names: list[str], done: list[dict[str, Any]]) -> dict[str, Any]:
    """Coverage with Wilson's interval and mean width by estimate and sort of interval."""
    table: dict[str, dict[str, Any]] = defaultdict(dict)
    for kind in ("", "_without_noise", "_as_real"):
        for j, name in enumerate(names):
            held: Interval = wilson(sum(one[f"held{kind}"][j] for one in done), len(done))
            width = float(np.mean([one[f"width{kind}"][j] for one in done]))
            table[name][kind.removeprefix("_") or "noise_aware"] = {
                "coverage": round(held.value, 4), "low": round(held.low, 4), "high": round(held.high, 4),
                "width": round(width, 4),
            }  # fmt: skip
    return {
        "model": trial.model, "epsilon": trial.epsilon, "delta": trial.delta, "rows": trial.rows, "tables": len(done),
        "datasets": trial.datasets, "refits": trial.refits, "estimates": dict(table),
    }  # fmt: skip
