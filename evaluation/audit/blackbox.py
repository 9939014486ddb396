"""Attacks that see the release alone: refits of a worst-case table with and without one row.

The row is as odd as a row can be: a number far outside the others, a word nobody else has, the only missing cell, one of
two values in a column that is constant otherwise. The attacker knows all other rows and reads the artifact, rows sampled
from it, and how long the fit took. A first part of the fits chooses for each statistic what to look for; the rest
certifies it, Bonferroni-corrected. Such attacks are weak against noise, and strong against what was never noised.
"""

from __future__ import annotations

import json
import math
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.audit.sightings import CONFIDENCE, GATE, Finding
from evaluation.audit.verdicts import Rates, lower_limit, plain_epsilon
from synth.api import fit
from synth.encoding.category import CategoryCodec
from synth.schema import Column, Kind, Schema

FloatArray = npt.NDArray[np.float64]

ODD_WORD, ODD_NUMBER = "Zzyzx-canary", 987_654.25
ROWS = 3000
SAMPLED = 200
SCHEMA = Schema(
    columns=(
        Column(name="amount", kind=Kind.DECIMAL, precision=2),  # bounds are learnt
        Column(name="word", kind=Kind.CATEGORY),  # an open domain
        Column(name="gap", kind=Kind.INTEGER, bounds=(0, 9)),
        Column(name="constant", kind=Kind.CATEGORY, categories=("x", "y"), nullable=False),
    )
)


def worst_case() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table, and the same with the odd row."""
    steady = pd.DataFrame({
        "amount": [f"{1 + i % 5}.25" for i in range(ROWS)], "word": ["common"] * ROWS,
        "gap": [str(i % 3) for i in range(ROWS)], "constant": ["x"] * ROWS,
    })  # fmt: skip
    odd = pd.DataFrame({"amount": [str(ODD_NUMBER)], "word": [ODD_WORD], "gap": [""], "constant": ["y"]})
    return steady, pd.concat([steady, odd], ignore_index=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many refits.

    Attributes:
        pilot: Per world, to choose what to look for.
        certify: Per world, to certify it.
        epsilon: Claimed by each fit.
        model: Synthesizer.
    """

    pilot: int = 12
    certify: int = 40
    epsilon: float = 0.25
    model: str = "independent"


Statistics = dict[str, float]


def statistics_of(frame: pd.DataFrame, plan: Plan) -> Statistics:
    """Fit once and measure everything that can be read from outside."""
    started = time.perf_counter()
    release = fit(frame, epsilon=plan.epsilon, schema=SCHEMA, model=plan.model)
    seconds = time.perf_counter() - started
    rows = release.sample(SAMPLED, seed=0)
    with TemporaryDirectory() as folder:
        path = release.save(Path(folder) / "m.synth")
        size = path.stat().st_size
        with zipfile.ZipFile(path) as file:
            texts = {name: file.read(name) for name in file.namelist() if name.endswith(".json")}
    bounds = release.schema.columns[0].bounds or (0.0, 0.0)
    words = next(c for c in release.codec.columns if isinstance(c, CategoryCodec) and c.column.name == "word")
    sizes = release.codec.domain.sizes
    one_way = np.split(np.asarray(release.fitted.tensors.get("one_way", np.zeros(sum(sizes)))), np.cumsum(sizes)[:-1])
    return {
        "the odd word or number stands in the file": float(
            any(ODD_WORD.encode() in t or b"987654" in t for t in texts.values())
        ),
        "the odd word is sampled": float((rows["word"] == ODD_WORD).any()),
        "largest number sampled": float(rows["amount"].max()),
        "upper bound": float(bounds[1]),
        "categories named": float(len(words.categories)),
        "size of the domain": float(sum(sizes)),
        "row count in the receipt": float(release.receipt.rows),
        "share of missing cells": float(one_way[2][-1]),
        "share of the rare value": float(one_way[3][1]),
        "bytes of the file": float(size),
        "bytes of the metadata": float(sum(len(t) for t in texts.values())),
        "fields of the metadata": float(sum(_fields(json.loads(t)) for t in texts.values())),
        "seconds": seconds,
    }


def _fields(value: object) -> int:
    if isinstance(value, dict):
        return sum(1 + _fields(v) for v in value.values())
    return sum(map(_fields, value)) if isinstance(value, list) else 0


def refits(plan: Plan, advance: Callable[[], None] = lambda: None) -> tuple[list[Statistics], list[Statistics]]:
    """Statistics of all fits without and with the odd row, in turn, so that drift of the machine hits both."""
    worlds: tuple[list[Statistics], list[Statistics]] = ([], [])
    frames = worst_case()
    for _ in range(plan.pilot + plan.certify):
        for frame, found in zip(frames, worlds, strict=True):
            found.append(statistics_of(frame, plan))
            advance()
    return worlds


@dataclass(frozen=True, slots=True)
class Event:
    """What to look for in one statistic: above or below a threshold."""

    threshold: float
    above: bool

    def hits(self, values: FloatArray) -> int:
        """How many values show it."""
        return int((values > self.threshold).sum() if self.above else (values <= self.threshold).sum())


def choose_event(without: FloatArray, with_odd: FloatArray) -> Event:
    """The threshold that tells the pilot's worlds apart best."""
    values = np.unique(np.concatenate([without, with_odd]))
    cuts = np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1]]])
    gap = np.array([(with_odd > c).mean() - (without > c).mean() for c in cuts])
    best = int(np.abs(gap).argmax())
    return Event(threshold=float(cuts[best]), above=bool(gap[best] >= 0))


def judge_refits(plan: Plan, without: list[Statistics], with_odd: list[Statistics], delta: float = 1e-5) -> Finding:
    """Clopper-Pearson bounds on every statistic, and the worst of them.

    Args:
        plan: As used.
        without: Statistics of fits without the odd row.
        with_odd: With it.
        delta: An upper bound of what the fits promised.
    """
    names, limits = list(without[0]), {}
    for level in (GATE, 1 - CONFIDENCE):
        part = level / (2 * len(names))
        for name in names:
            off, on = (np.array([s[name] for s in world]) for world in (without, with_odd))
            event = choose_event(off[: plan.pilot], on[: plan.pilot])
            hits, rests = event.hits(on[plan.pilot :]), plan.certify - event.hits(off[plan.pilot :])
            limits[name, level] = Rates(
                hit_low=lower_limit(np.array([hits]), plan.certify, part),
                alarm_high=1 - lower_limit(np.array([rests]), plan.certify, part),
                inside=plan.certify, outside=plan.certify, significance=level,
            )  # fmt: skip
    gate = {name: plain_epsilon(limits[name, GATE], delta) for name in names}
    bound = {name: plain_epsilon(limits[name, 1 - CONFIDENCE], delta) for name in names}
    worst = max(names, key=lambda name: bound[name])
    caught = [name for name in names if gate[name] > plan.epsilon]
    most = math.log((0.05 / (2 * len(names))) ** (1 / plan.certify)) - math.log1p(
        -((0.05 / (2 * len(names))) ** (1 / plan.certify))
    )
    return Finding(
        check=f"refits of {plan.model}", attacks="the release alone: artifact, sampled rows, metadata, run length",
        contradicted=bool(caught), significance=GATE, epsilon=plan.epsilon, delta=delta, at_least_plain=bound[worst],
        canaries=len(without) + len(with_odd),
        detail=(f"told apart by: {', '.join(caught)}" if caught else f"{len(names)} statistics, none tells the tables apart")
        + f"; so many fits can show at most epsilon {most:.2f}",
    )  # fmt: skip


def black_box(plan: Plan, advance: Callable[[], None] = lambda: None) -> Finding:
    """Refit and judge."""
    return judge_refits(plan, *refits(plan, advance))
