"""Shadow-model membership attack on chosen people: refit the generator with and without them, and learn the difference.

Threat model. The attacker knows the algorithm with its options, every other fitted row, and the target's row; sees one
release; asks whether the target was fitted. This is the adversary that differential privacy is about, so what is
reached here can be held against the claim directly: worlds differ in the presence of the target's row.

How. Every fit takes all other rows and a random half of the targets; fits come in pairs, the second of which takes the
other half, so that each target is in exactly half of the fits. From each release three numbers per target are kept: the
distance to the nearest synthetic row, the mean log share of the target's cells over all pairs of columns, and the
density of its one-way cells. What they look like with and without the target is learnt from all other pairs of fits (two
normal distributions each), and the log likelihood ratio is the score.

Random targets say little: privacy fails for outliers first. So half of the targets are the rows farthest from their
neighbours.

References:
    Stadler, Oprisanu and Troncoso (2022), arXiv:2011.07018 (Groundhog: shadow fits with and without a target).
    Carlini et al. (2022), arXiv:2112.03570 (LiRA: likelihood ratios, true positive rates at low false positive rates).
    Meeus, Guepin, Cretu and de Montjoye (2023), arXiv:2306.10308 (choosing vulnerable records by their neighbours).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.attacks.bounds import Bound
from evaluation.attacks.threat import Outcome, Threat, cross_advantage, ranked
from evaluation.features import PointArray, Points, nearest_distance
from evaluation.fidelity.binning import common_codes
from evaluation.intervals import Interval, auc_delong
from synth.schema import Schema

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

FEATURES = 3
LEAST_FITS = 8
RESAMPLES = 400
MAX_POOL = 20_000
MAX_CELLS = 2_000_000
_SOURCE = "Stadler et al. 2022, arXiv:2011.07018; Carlini et al. 2022, arXiv:2112.03570"

THREAT = Threat(
    name="shadow",
    label="Shadow fits, likelihood ratio",
    model="Knows the algorithm, every other fitted row and the target's row, and can refit; sees one release and asks "
    "whether the target was fitted.",
    targets="chosen rows, each in half of the fits",
    control="the same rows in the fits without them",
    baseline="an AUC of 0.5",
    source=_SOURCE,
)
GROUPS = ("random", "vulnerable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Whom a shadow attack is about.

    Attributes:
        rows: Positions in the fitted table, shape (k,).
        vulnerable: Which of them were chosen as outliers, shape (k,).
    """

    rows: IntArray
    vulnerable: BoolArray


def choose_targets(frame: pd.DataFrame, schema: Schema, number: int, seed: int = 0) -> Targets:
    """Half of the targets at random, the other half the rows farthest from their nearest neighbour.

    Args:
        frame: Conformed fitted rows, shape (n, d).
        schema: Public facts.
        number: How many, at least 2 and at most the number of rows.
        seed: Of the draw, and of the sample among which neighbours are searched in large tables.
    """
    rng = np.random.default_rng([41_113, seed])
    order = rng.permutation(len(frame))
    pool = order[:MAX_POOL]
    points = Points.learn(frame.iloc[pool], schema).matrix(frame.iloc[pool])
    lonely = pool[np.argsort(-_second_distance(points), kind="stable")[: number // 2]]
    chosen = set(lonely.tolist())
    random = [int(i) for i in order if int(i) not in chosen][: number - len(lonely)]
    rows = np.concatenate([np.array(random, dtype=np.int64), lonely])
    return Targets(rows=rows, vulnerable=np.arange(len(rows)) >= len(random))


def _second_distance(points: PointArray, block: int = 1024) -> FloatArray:
    """Squared distance from each point to the nearest other one, shape (n,)."""
    norms = np.einsum("ij,ij->i", points, points)
    out = np.empty(len(points))
    for start in range(0, len(points), block):
        part = slice(start, start + block)
        far = norms[part, None] + norms[None, :] - 2 * (points[part] @ points.T)
        far[np.arange(far.shape[0]), np.arange(start, start + far.shape[0])] = np.inf
        out[part] = far.min(axis=1)
    return out


def membership_plan(fits: int, targets: int, seed: int = 0) -> BoolArray:
    """Which target is in which fit, shape (fits, targets): a coin for each in even fits, the reverse in the fit after.

    Args:
        fits: An even number.
        targets: How many.
        seed: Of the coins.
    """
    coins = np.random.default_rng([41_114, seed]).random((fits // 2, targets)) < 0.5
    return np.stack([coins, ~coins], axis=1).reshape(fits, targets)


def target_features(release: pd.DataFrame, targets: pd.DataFrame, known: pd.DataFrame, schema: Schema) -> FloatArray:
    """What a release says about each target.

    Args:
        release: Conformed synthetic rows, shape (m, d).
        targets: Conformed rows of the targets, shape (k, d).
        known: Conformed rows the attacker knows, the same for all fits; they set ranks and cells.
        schema: Public facts.

    Returns:
        Shape (k, 3), larger where the release is denser around the target: minus the log distance to the nearest row,
        and the mean log share of the target's two-way and one-way cells.
    """
    points = Points.learn(known, schema)
    near = nearest_distance(points.matrix(targets), points.matrix(release))
    coded = common_codes([known, targets, release], schema)
    _, mine, theirs = coded.codes
    out = np.empty((len(targets), FEATURES))
    out[:, 0] = -np.log(near + 1e-6)
    width = len(coded.sizes)
    for k, order in ((1, min(2, width)), (2, 1)):
        logs = np.zeros(len(targets))
        shapes = {c: tuple(int(coded.sizes[j]) for j in c) for c in combinations(range(width), order)}
        subsets = {c: shape for c, shape in shapes.items() if np.prod(shape, dtype=np.float64) <= MAX_CELLS}
        for subset, shape in subsets.items():
            cells = [np.ravel_multi_index(tuple(codes[:, j] for j in subset), shape) for codes in (mine, theirs)]
            logs += np.log((np.bincount(cells[1], minlength=int(np.prod(shape)))[cells[0]] + 0.5) / len(release))
        out[:, k] = logs / max(1, len(subsets))
    return out


def likelihood_ratios(features: FloatArray, members: BoolArray) -> FloatArray:
    """Score every fit and target by what the other pairs of fits taught, shape (fits, targets).

    Args:
        features: Shape (fits, targets, f).
        members: Which target was in which fit, as ``membership_plan`` makes it, shape (fits, targets).
    """
    fits = len(features)
    scores = np.zeros(members.shape)
    for first in range(0, fits, 2):
        others = np.ones(fits, dtype=bool)
        others[first : first + 2] = False
        known, inside = features[others], members[others][:, :, None]
        means = [np.where(side, known, 0).sum(axis=0) / np.maximum(side.sum(axis=0), 1) for side in (inside, ~inside)]
        centred = known - np.where(inside, means[0], means[1])
        spread = centred.std(axis=0) + 1e-9  # one for both worlds: few fits do not carry two
        for fit in (first, first + 1):
            ups, downs = (((features[fit] - mean) / spread) ** 2 for mean in means)
            scores[fit] = 0.5 * (downs - ups).sum(axis=1)
    return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowResult:
    """What a shadow attack reached.

    Attributes:
        outcomes: Over all targets, and over ``random`` and ``vulnerable`` ones, by name.
        per_target: AUC of each target with a DeLong interval: columns ``Target``, ``Vulnerable``, ``AUC``, ``AUC low``,
            ``AUC high``. Targets are numbered; their rows are not shown.
        fits: Fits behind it.
    """

    outcomes: dict[str, Outcome]
    per_target: pd.DataFrame
    fits: int


def judge(features: FloatArray, members: BoolArray, vulnerable: BoolArray, bound: Bound | None, seed: int = 0) -> ShadowResult:
    """Turn the features of all fits into outcomes.

    Args:
        features: Shape (fits, targets, f).
        members: Shape (fits, targets).
        vulnerable: Shape (targets,).
        bound: What is claimed, for one fit.
        seed: Of the resampling.

    Returns:
        Outcomes whose intervals of AUC and advantage come from resampling pairs of fits, because the targets of one fit
        share its noise. The intervals of true positive rates count targets as if they were independent.
    """
    scores = likelihood_ratios(features, members)
    groups = {"all": np.ones(len(vulnerable), dtype=bool), "random": ~vulnerable, "vulnerable": vulnerable}
    outcomes = {name: _outcome(scores[:, who], members[:, who], name, bound, seed) for name, who in groups.items() if who.any()}
    rows = []
    for k in range(len(vulnerable)):
        area = auc_delong(scores[members[:, k], k], scores[~members[:, k], k])
        rows.append((k, bool(vulnerable[k]), area.value, area.low, area.high))
    table = pd.DataFrame(rows, columns=["Target", "Vulnerable", "AUC", "AUC low", "AUC high"])
    return ShadowResult(outcomes=outcomes, per_target=table, fits=len(features))


def _outcome(scores: FloatArray, members: BoolArray, name: str, bound: Bound | None, seed: int) -> Outcome:
    threat = THREAT if name == "all" else replace(THREAT, label=f"{THREAT.label} ({name} rows)", targets=f"{name} rows")
    order = np.random.default_rng([41_115, seed]).permutation(scores.size)
    flat, inside = scores.ravel()[order], members.ravel()[order]
    plain = ranked(threat, flat[inside], flat[~inside], bound)
    if plain.auc is None:
        raise ValueError("a ranking attack has an area under its curve")
    areas, heights = _resampled(scores, members, seed)
    return replace(
        plain,
        auc=_percentile(plain.auc.value, areas, 0.0),
        advantage=_percentile(plain.advantage.value, heights, -1.0),
    )


def _resampled(scores: FloatArray, members: BoolArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """AUC and advantage over resampled pairs of fits, each of shape (RESAMPLES,)."""
    rng = np.random.default_rng([41_116, seed])
    pairs = len(scores) // 2
    areas, heights = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for b in range(RESAMPLES):
        drawn = 2 * np.repeat(rng.integers(pairs, size=pairs), 2) + np.tile([0, 1], pairs)
        flat, inside = scores[drawn].ravel(), members[drawn].ravel()
        areas[b] = auc_delong(flat[inside], flat[~inside]).value
        heights[b] = cross_advantage(flat[inside], flat[~inside]).value
    return areas, heights


def _percentile(value: float, drawn: FloatArray, least: float) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, max(least, min(float(low), value)), min(1.0, max(float(high), value)))
