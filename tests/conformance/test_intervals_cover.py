"""Do the report's 95 % intervals hold? 200 evaluations of a generator whose truth is known.

Real rows are drawn from one law and synthetic rows from another, anew each time. For fidelity the truth is the score's
expectation at these table sizes (plug-in scores depend on them; so do ceiling and floor), taken as the mean over the
evaluations. For utility the interval is about the trained model, so the truth is that model's score on 20,000 fresh
rows. All seeds are fixed: a run gives the same counts every time.
"""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from evaluation.fidelity.dependence import score_dependence
from evaluation.fidelity.detection import score_detection
from evaluation.fidelity.marginals import score_marginals
from evaluation.fidelity.missing import score_missing
from evaluation.fidelity.validity import score_validity
from evaluation.fidelity.workload import score_workload
from evaluation.inputs import prepare
from evaluation.utility.metrics import intervals
from evaluation.utility.models import LEARNERS
from evaluation.utility.task import define_task
from evaluation.utility.trial import SYNTHETIC, measure, run_trial
from synth.schema import Column, Kind, Schema

TIMES = 200
WANTED = 0.93
ROWS = 400
SCHEMA = Schema(
    columns=(
        Column(name="x", kind=Kind.FLOAT, bounds=(-2.5, 2.5)),
        Column(name="z", kind=Kind.FLOAT),
        Column(name="b", kind=Kind.CATEGORY),
        Column(name="y", kind=Kind.BOOLEAN),
    ),
    target="y",
)
pytestmark = [pytest.mark.slow, pytest.mark.statistical]


def draw(n_rows, seed, off):
    """Rows of the population (``off`` 0) or of a generator that keeps a share of each relation."""
    rng = np.random.default_rng(seed)
    x, b = rng.normal(size=n_rows), rng.integers(0, 3, n_rows)
    y = (1 - off) * x + 0.5 * (b == 1) + rng.normal(size=n_rows)
    z = (1 - off) * x + off + rng.normal(size=n_rows)
    b = np.where(rng.random(n_rows) < off / 2, 0, b)
    return pd.DataFrame(
        {
            "x": np.where(rng.random(n_rows) < 0.1 + 0.2 * off * (x > 0), np.nan, x),
            "z": np.where(rng.random(n_rows) < 0.1, np.nan, z),
            "b": np.array(["u", "v", "w"])[b],
            "y": np.where(y > 0, "yes", "no"),
        }
    )


@pytest.mark.parametrize("off", [0.3, 0.0])
def test_fidelity(off):
    found = defaultdict(list)
    for k in range(TIMES):
        synthetic = draw(ROWS, [2, k], off)
        tables = prepare(draw(ROWS, [1, k], 0.0), None, synthetic, SCHEMA, seed=k)
        parts = [score_marginals(tables), score_dependence(tables), score_missing(tables), score_workload(tables)]
        if off > 0:  # the slow ones once
            parts += [score_detection(tables), score_validity(tables, synthetic, None)]
        for score in (score for part in parts for score in part.scores):
            found[score.name].append((score.value, score.low, score.high))
    assert len(found) == (9 if off > 0 else 7)
    for name, rows in found.items():
        value, low, high = np.array(rows).T
        truth = value.mean()
        assert ((low <= truth) & (truth <= high)).mean() >= WANTED, name


@pytest.mark.parametrize("target", ["y", "z"])
def test_utility(target):
    learners = tuple(learner for learner in LEARNERS if learner != "forest")
    population = prepare(draw(20_000, [9], 0.0), None, draw(100, [8], 0.0), SCHEMA).real
    population = population[population[target].notna()]
    hits = defaultdict(list)
    for k in range(TIMES):
        tables = prepare(draw(60, [1, k], 0.0), draw(ROWS, [3, k], 0.0), draw(ROWS, [2, k], 0.3), SCHEMA, target=target)
        task = define_task(tables.real, SCHEMA, target)
        trial = run_trial({SYNTHETIC: tables.synthetic}, tables.holdout, SCHEMA, task, k, learners)
        truth = trial.task.labels(population)
        for learner in learners:
            model = trial.models[SYNTHETIC, learner]
            guess = model.predict(model.features.matrix(population))
            known = measure(trial.task, truth, guess, np.ones((1, len(truth)), dtype=np.float32))
            for name, limits in intervals(trial.results[SYNTHETIC, learner]).items():
                hits[name, learner].append(limits.low <= known[name][0] <= limits.high)
    for key, covered in hits.items():
        assert np.mean(covered) >= WANTED, key
