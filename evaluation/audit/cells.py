"""Canaries for what is learnt from raw cells: row count, kinds, bounds, histograms, missing values, category domains.

Most of these take one canary a run, so a check repeats its question on small tables, with a fresh ledger each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.audit.ledgers import DELTA, audit_ledger
from evaluation.audit.scores import gaussian_score, preset_thresholds, simulated_scores
from evaluation.audit.sightings import Sighting
from synth.encoding.axis import cell_index, make_axis, split_axis
from synth.encoding.hierarchy import BRANCHING, level_sizes
from synth.encoding.rounding import units_of
from synth.errors import AccountingError
from synth.privacy.events import Event, GaussianEvent
from synth.privacy.exact import VALUE_CLASSES, bucket_edges
from synth.privacy.frame import PrivateFrame
from synth.privacy.public import row_digests
from synth.privacy.rows import MemoryRows
from synth.schema import Column, Kind, Schema

FloatArray = npt.NDArray[np.float64]
Ask = Callable[[PrivateFrame, float], tuple[float, float]]

BASE = 20  # rows that are always there
MU = 1.0  # what each question is asked with
EPSILON = 6.0  # granted; more than one question costs
NUMBER = Column(name="x", kind=Kind.DECIMAL, precision=2, bounds=(0, 1000))
WORD = Column(name="x", kind=Kind.CATEGORY)
FEW, GRANTED = 0.008, 0.0099  # deltas of the naming checks: large, so that they can be measured
NAMING_SIGMA = 6.0  # much noise, so that little but that delta tells worlds apart


def _repeat(rng: np.random.Generator, runs: int, ask: Ask, *, column: Column, ordinary: object, canary: object) -> Sighting:
    """Ask about a table with and without the canary's row.

    Args:
        rng: Of the coins.
        runs: Tables.
        ask: From a frame and a noise level to the answer, in standard deviations, and how far the canary moves it.
        column: The only one.
        ordinary: Its value in every other row.
        canary: Its value in the canary's row.
    """
    schema = Schema(columns=(column,), public_rows=BASE)
    present = rng.random(runs) < 0.5
    frames = [pd.DataFrame({"x": pd.Series([ordinary] * BASE + [canary] * i, dtype=object)}) for i in (0, 1)]
    scores = np.zeros(runs)
    events: tuple[Event, ...] = ()
    shift = MU
    for i, there in enumerate(present):
        ledger = audit_ledger(EPSILON)
        answer, shift = ask(PrivateFrame(frames[int(there)], schema, ledger), 1 / MU)
        events, scores[i] = ledger.events, gaussian_score(np.array([answer]), shift)[0]
    seen = (GaussianEvent(what="canary", sigma=1 / shift),)  # may be less than the question's sensitivity
    thresholds = tuple(preset_thresholds(*simulated_scores(seen)).tolist())
    return Sighting(scores=scores, present=present, events=events, delta=DELTA, thresholds=thresholds)


def row_count(rng: np.random.Generator, *, runs: int = 600) -> Sighting:
    """The noisy number of rows."""

    def ask(frame: PrivateFrame, sigma: float) -> tuple[float, float]:
        return (frame.noisy_row_count(sigma=sigma) - BASE) / sigma, 1 / sigma

    return _repeat(rng, runs, ask, column=WORD, ordinary="a", canary="a")


def shared_rows(rng: np.random.Generator, *, runs: int = 600) -> Sighting:
    """How many rows equal a public one: the canary's row is the only one that does."""
    known = row_digests(MemoryRows(pd.DataFrame({"x": ["z"]})), (WORD,), ())

    def ask(frame: PrivateFrame, sigma: float) -> tuple[float, float]:
        return frame.noisy_shared_rows(known, (WORD,), sigma=sigma) / sigma, 1 / sigma

    return _repeat(rng, runs, ask, column=WORD, ordinary="a", canary="z")


def kinds(rng: np.random.Generator, *, runs: int = 600) -> Sighting:
    """What cells look like: the canary is the only text among numbers."""

    def ask(frame: PrivateFrame, sigma: float) -> tuple[float, float]:
        found = frame.noisy_value_classes("x", sigma=sigma)
        return found[VALUE_CLASSES.index("text")] / sigma, 1 / sigma

    return _repeat(rng, runs, ask, column=Column(name="x"), ordinary="7", canary="z")


def bounds(rng: np.random.Generator, *, runs: int = 600) -> Sighting:
    """Buckets that bounds are learnt from: the canary is a million times larger than the rest."""
    unbounded = Column(name="x", kind=Kind.FLOAT)
    bucket = int(np.searchsorted(bucket_edges(unbounded), 1e6, side="right")) - 1

    def ask(frame: PrivateFrame, sigma: float) -> tuple[float, float]:
        return frame.noisy_magnitudes(unbounded, sigma=sigma)[bucket] / sigma, 1 / sigma

    return _repeat(rng, runs, ask, column=unbounded, ordinary=1.0, canary=1e6)


def histogram(rng: np.random.Generator, *, runs: int = 2500) -> Sighting:
    """Histograms of several resolutions: the canary moves one cell of each level."""
    return _levels(rng, runs, canary=900.0)


def missing(rng: np.random.Generator, *, runs: int = 400) -> Sighting:
    """The number of missing cells, which the same question answers."""
    return _levels(rng, runs, canary="")


def _levels(rng: np.random.Generator, runs: int, canary: object) -> Sighting:
    axis = make_axis(NUMBER, NUMBER.numeric_bounds())
    split = split_axis(axis, np.zeros(0))
    sizes = level_sizes(split.cells)
    cell = int(cell_index(np.array([900.0]), axis)[0])

    def ask(frame: PrivateFrame, sigma: float) -> tuple[float, float]:
        levels, gone, sd = frame.noisy_levels(NUMBER, split, mu=1 / sigma)
        if canary == "":
            return gone / sd, 1 / sd
        place, moved = cell, 0.0
        for counts in levels:
            moved += counts[place]
            place //= BRANCHING
        return moved / (math.sqrt(len(sizes)) * sd), math.sqrt(len(sizes)) / sd

    return _repeat(rng, runs, ask, column=NUMBER, ordinary=1.0, canary=canary)


def roundness(rng: np.random.Generator, *, runs: int = 400) -> Sighting:
    """How round values are: the canary is the only one that is not."""
    axis = make_axis(NUMBER, NUMBER.numeric_bounds())
    units, group = units_of(NUMBER, axis), np.zeros(axis.cells, dtype=np.int64)
    if units is None:
        raise AccountingError("the column has no round values")
    own = int(units.of(np.array([12_345.0]))[0])

    def ask(frame: PrivateFrame, sigma: float) -> tuple[float, float]:
        return frame.noisy_roundness(NUMBER, axis, group, units, sigma=sigma)[0, own] / sigma, 1 / sigma

    return _repeat(rng, runs, ask, column=NUMBER, ordinary=100.0, canary=123.45)


def categories(rng: np.random.Generator, *, number: int = 40_000) -> Sighting:
    """Partition selection: values that only one row holds. The score is whether a value was named."""
    return _named(rng, WORD, np.array([f"w{i}" for i in range(number)], dtype=object), number)


def single_numbers(rng: np.random.Generator, *, number: int = 40_000) -> Sighting:
    """The same for numbers that only one row holds."""
    return _named(rng, NUMBER, np.arange(number) / 100 + 1, number)


def _named(rng: np.random.Generator, column: Column, values: npt.NDArray[np.object_] | FloatArray, number: int) -> Sighting:
    present = rng.random(number) < 0.5
    ledger = audit_ledger(EPSILON, delta=GRANTED, rows=50)
    frame = PrivateFrame(pd.DataFrame({"x": values[present]}), Schema(columns=(column,), public_rows=50), ledger)
    if column.kind is Kind.CATEGORY:
        named = {str(v) for v in frame.named_values(column, sigma=NAMING_SIGMA, delta=FEW)}
        scores = np.array([str(v) in named for v in values], dtype=np.float64)
    else:
        found = frame.named_numbers(column, make_axis(column, column.numeric_bounds()), sigma=NAMING_SIGMA, delta=FEW)
        kept = {round(v, 2) for v in found}
        scores = np.array([round(float(v), 2) in kept for v in values], dtype=np.float64)
    return Sighting(scores=scores, present=present, events=ledger.events, delta=GRANTED, one_run=True, thresholds=(0.5,))
