"""Predicate singling out: does the release hand out descriptions that fit exactly one fitted person?

Threat model. The attacker holds the release and fresh rows of the same population, and writes down predicates
("a widowed clerk in the north, 34 to 35, no gain"). A predicate *isolates* when exactly one row of the fitted table
satisfies it. That alone means little: a predicate that a share w of the population satisfies isolates in a table of n
rows by luck, with probability ``n w (1 - w)^(n - 1)``, up to 1/e at w = 1/n. So the attacker's predicates must be rare
(nobody in the fresh rows satisfies them), and what counts is how much more often they isolate in the fitted table than
in the control, a table of fresh people that the attacker never saw.

The attacker takes a random synthetic row and adds one column's condition after another, in random order, until no fresh
row fits any more, and then conditions on three quarters of the columns that are left, which makes the predicate's weight small
beside 1/n. Numbers are described by an interval that holds a fiftieth of the synthetic rows.

The claim bounds this attack, too: a predicate made without a person is satisfied by that person with probability w, so
under (epsilon, delta) with probability at most ``e^eps w + delta``; over n rows at most ``n (e^eps w + delta)`` isolate.

References:
    Cohen and Nissim (2020), PNAS 117(15), arXiv:1904.06009 (the definition, and why weight and baseline matter).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evaluation.attacks.bounds import Bound
from evaluation.attacks.scene import Scene
from evaluation.attacks.threat import Outcome, Threat
from evaluation.fidelity.binning import CodeArray, common_codes
from evaluation.intervals import Interval, newcombe, wilson

BoolArray = npt.NDArray[np.bool_]

PREDICATES = 1_000
BINS = 50
SPARE = 0.75  # of the columns left once no fresh row fits: their conditions make the weight small beside 1 / n

THREAT = Threat(
    name="singling_out",
    label="Predicate singling out",
    model="Holds the release and fresh rows of the same population; writes descriptions that no fresh row fits and that "
    "are to fit exactly one fitted person.",
    targets="the whole fitted table",
    control="held-out people in place of the fitted table, scaled to its number of rows",
    baseline="the rate at which the same descriptions isolate in the control",
    source="Cohen and Nissim 2020, arXiv:1904.06009",
)


def single_out(scene: Scene, predicates: int = PREDICATES, confidence: float = 0.95) -> Outcome:
    """Write predicates and count how many isolate.

    Args:
        scene: Who is attacked with what; all of ``scene.fitted`` against all of ``scene.others``.
        predicates: How many to write.
        confidence: Of the intervals.
    """
    coded = common_codes([scene.release, scene.reference, scene.fitted, scene.others], scene.schema, BINS)
    release, reference, fitted, others = coded.codes
    others = others[: len(fitted)]
    rng = scene.rng(5)
    hits, luck, weight, written = 0, 0, 0, 0
    for start in rng.integers(len(release), size=predicates):
        columns = _describe(release[start], reference, rng)
        if columns is None:
            continue
        written += 1
        hits += int(_fitting(fitted, release[start], columns).sum() == 1)
        matches = int(_fitting(others, release[start], columns).sum())
        luck, weight = luck + int(matches == 1), weight + matches
    if written == 0:
        return _nothing(scene)
    scale = len(fitted) / len(others)
    rate, control = wilson(hits, written, confidence), wilson(luck, written, confidence)
    scaled = Interval(*(min(1.0, scale * end) for end in control))
    return Outcome(
        threat=THREAT,
        members=written,
        others=written,
        advantage=newcombe(hits, written, luck, written, confidence, scale=scale),
        baseline=scaled.value,
        rate=rate,
        control_rate=scaled,
        curve=np.empty((0, 2)),
        bound=_bound(scene.bound, weight / (written * len(others)), len(fitted), scaled.value),
    )


def _describe(row: CodeArray, reference: CodeArray, rng: np.random.Generator) -> list[int] | None:
    """Columns whose conditions together fit no reference row; ``None`` where even all of them fit one."""
    left = np.arange(len(reference))
    order = [int(j) for j in rng.permutation(len(row))]
    for used, j in enumerate(order, start=1):
        left = left[reference[left, j] == row[j]]
        if len(left) == 0:
            return order[: used + math.ceil(SPARE * (len(order) - used))]
    return None


def _fitting(table: CodeArray, row: CodeArray, columns: list[int]) -> BoolArray:
    """Which rows fit the conditions, shape (n,)."""
    left = np.ones(len(table), dtype=np.bool_)
    for j in columns:
        left &= table[:, j] == row[j]
    return left


def _bound(claim: Bound | None, weight: float, rows: int, control: float) -> Bound | None:
    """The claim's bound on this attack's advantage."""
    if claim is None:
        return None
    most = min(1.0, rows * (float(np.exp(min(claim.epsilon, 500.0))) * weight + claim.delta))
    return replace(claim, advantage=max(0.0, most - control))


def _nothing(scene: Scene) -> Outcome:
    """No predicate is rare enough to be tried: nobody is singled out."""
    none = Interval(0.0, 0.0, 1.0)
    return Outcome(
        threat=THREAT, members=0, others=0, advantage=none, baseline=0.0, rate=none, control_rate=none,
        curve=np.empty((0, 2)), bound=scene.bound,
    )  # fmt: skip
