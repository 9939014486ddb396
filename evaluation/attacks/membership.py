"""Membership inference: was this person's row among those the generator was fitted on?

Threat model. The attacker holds the released synthetic rows, a sample of fresh rows from the same population (the
reference), and the complete row of a target. The attacker does not know the algorithm, trains no shadow models, and
never saw which rows were fitted. Success: targets that were fitted (members) get higher scores than fresh people
(non-members). The score is a density ratio, ``log p_synthetic(x) - log p_reference(x)``: where the synthetic table is
denser than the population, it leans on the rows it was fitted on.

Two estimates of the ratio are reported side by side: boosted trees that tell synthetic from reference rows (their
log-odds), which see systematic overfitting, and nearest-neighbour distances, which see copied and nearly copied rows.
Each has an interval of 97.5 %, so that both hold together with 95 %.

An attack that fails proves nothing; the guarantee is the claimed (epsilon, delta). These attacks are weaker than ones
that refit the generator around a chosen record.

References:
    van Breugel, Sun, Qian and van der Schaar (2023), arXiv:2302.12580 (DOMIAS).
    Kairouz, Oh and Viswanath (2015), arXiv:1311.0776 (the region of error rates under (epsilon, delta)).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.features import Points, TreeFeatures, fit_trees, nearest_distance, one_thread, tree_classifier
from evaluation.inputs import Tables
from evaluation.intervals import auc_delong, clopper_pearson, hits_at_fpr, roc_points
from evaluation.scores import Score, Section
from synth.schema import Schema

FloatArray = npt.NDArray[np.float64]

MAX_TARGETS = 10_000
MAX_TREE_ROWS = 20_000
CONTROL_TARGETS = 3_000
CONTROL_ROWS = 10_000
CONFIDENCE = 0.975
FPRS = (0.01, 0.10)
ATTACKS = ("trees", "neighbours")
LABELS = MappingProxyType({"trees": "density ratio by trees", "neighbours": "density ratio by nearest neighbours"})
_STREAM = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackScores:
    """Scores of one attack, larger meaning "member": ``members`` of shape (m,), ``others`` of shape (k,)."""

    members: FloatArray
    others: FloatArray


def attack_membership(
    synthetic: pd.DataFrame,
    reference: pd.DataFrame,
    members: pd.DataFrame,
    others: pd.DataFrame,
    schema: Schema,
    seed: int = 0,
) -> dict[str, AttackScores]:
    """Run both attacks.

    Args:
        synthetic: Released rows, conformed.
        reference: Fresh rows the attacker holds; disjoint from ``others``.
        members: Targets that were fitted.
        others: Targets that were not.
        schema: Public facts.
        seed: Seed of row sampling and trees.

    Returns:
        Scores by attack name.
    """
    targets = pd.concat([members, others], ignore_index=True)
    found = {
        "trees": _trees(synthetic, reference, targets, schema, seed),
        "neighbours": _neighbours(synthetic, reference, targets, schema),
    }
    return {k: AttackScores(members=v[: len(members)], others=v[len(members) :]) for k, v in found.items()}


def _trees(synthetic: pd.DataFrame, reference: pd.DataFrame, targets: pd.DataFrame, schema: Schema, seed: int) -> FloatArray:
    size = min(len(synthetic), MAX_TREE_ROWS)
    drawn = synthetic.iloc[np.random.default_rng(seed).permutation(len(synthetic))[:size]]
    rows = pd.concat([drawn, reference], ignore_index=True)
    labels = np.repeat([1, 0], [size, len(reference)])
    features = TreeFeatures.learn(rows, schema)
    with one_thread():
        trees = fit_trees(tree_classifier(features, seed), features.matrix(rows), labels)
        return np.asarray(trees.decision_function(features.matrix(targets)), dtype=np.float64)


def _neighbours(synthetic: pd.DataFrame, reference: pd.DataFrame, targets: pd.DataFrame, schema: Schema) -> FloatArray:
    points = Points.learn(reference, schema)
    queries = points.matrix(targets)
    near, far = (nearest_distance(queries, points.matrix(pool)) for pool in (synthetic, reference))
    return np.log(far + 1e-6) - np.log(near + 1e-6)


def dp_roc(epsilon: float, delta: float, fpr: FloatArray) -> FloatArray:
    """Largest true positive rate that (epsilon, delta) allows any attack at each false positive rate.

    Args:
        epsilon: For adding or removing one person, who is one row here. Strictly, targets from a table of fixed size
            are replaced rather than added, for which a larger epsilon can hold; the difference fades with many rows.
        delta: In [0, 1).
        fpr: Shape (k,), in [0, 1].

    Returns:
        Shape (k,): ``min(e^eps fpr + delta, 1 - e^-eps (1 - delta - fpr), 1)``.
    """
    steep = np.exp(min(epsilon, 500.0)) * fpr + delta
    flat = 1.0 - np.exp(-epsilon) * (1.0 - delta - fpr)
    return np.asarray(np.minimum(np.minimum(steep, flat), 1.0), dtype=np.float64)


def dp_auc(epsilon: float, delta: float) -> float:
    """Largest area under the ROC curve that (epsilon, delta) allows any attack (trapezoids on the exact corners)."""
    corner = (1.0 - delta) / (1.0 + np.exp(min(epsilon, 500.0)))
    grid = np.unique(np.array([0.0, corner, min(1.0, 1.0 - delta), 1.0]))
    return float(np.trapezoid(dp_roc(epsilon, delta, grid), grid))


def claimed(card: dict[str, Any] | None) -> tuple[float, float] | None:
    """The card's (epsilon, delta) where it holds both as usable numbers."""
    pair = [] if card is None else [card.get("epsilon"), card.get("delta")]
    if len(pair) != 2 or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in pair):
        return None
    epsilon, delta = float(pair[0]), float(pair[1])  # type: ignore[arg-type]
    return (epsilon, delta) if epsilon >= 0 and 0 <= delta < 1 else None


def score_membership(tables: Tables, card: dict[str, Any] | None = None) -> Section:
    """Attack the synthetic rows, with fresh rows and a copy of the fitted rows in their place as controls.

    Args:
        tables: Conformed tables; without a holdout the attack is left out, with a note.
        card: Release card; its ``epsilon`` and ``delta`` give the bound.

    Returns:
        AUC and true positive rates per attack, and the table ``Membership attack`` with the ROC points.
    """
    if tables.holdout is None:
        note = "The membership attack is left out: without a holdout there are no people known not to be in the table."
        return Section(notes=(note,))
    rng = tables.rng(_STREAM)
    shuffled = tables.holdout.iloc[rng.permutation(len(tables.holdout))]
    half = len(shuffled) // 2
    reference, others = shuffled.iloc[:half], shuffled.iloc[half : half + MAX_TARGETS]
    members = tables.real.iloc[rng.permutation(len(tables.real))[: len(others)]]
    others = others.iloc[: len(members)]
    found = attack_membership(tables.synthetic, reference, members, others, tables.schema, tables.seed)
    fresh, copied = _controls(tables, shuffled, members)
    claim = claimed(card)
    scores = [
        score
        for name in ATTACKS
        for score in (
            _auc(name, found[name], fresh[name], copied[name], claim),
            *_tprs(name, found, fresh, copied, claim),
        )
    ]
    notes = (
        *_broken(scores),
        "An attack that fails proves nothing; only the claimed (epsilon, delta) is a guarantee. "
        f"Targets: {len(members)} fitted rows against {len(others)} held-out rows, "
        f"with {len(reference)} held-out rows as the attacker's reference.",
    )
    return Section(scores=tuple(scores), notes=notes, tables=MappingProxyType({"Membership attack": _curve(found)}))


def _controls(
    tables: Tables, fresh: pd.DataFrame, members: pd.DataFrame
) -> tuple[dict[str, AttackScores], dict[str, AttackScores]]:
    """The attack on fresh rows and on a copy of fitted rows: thirds of the holdout are release, reference, others."""
    third = len(fresh) // 3
    release, reference, others = fresh.iloc[:third], fresh.iloc[third : 2 * third], fresh.iloc[2 * third :]
    size = min(len(members), len(others), CONTROL_TARGETS)
    targets = members.iloc[:size], others.iloc[:size]
    rest = tables.real.drop(index=members.index).iloc[: max(0, CONTROL_ROWS - len(members))]
    copy = pd.concat([members, rest], ignore_index=True)
    return (
        attack_membership(release, reference, *targets, tables.schema, tables.seed),
        attack_membership(copy, reference, *targets, tables.schema, tables.seed),
    )


def _broken(scores: list[Score]) -> list[str]:
    """A warning where an attack does better than the claim allows, beyond its interval."""
    beaten = [s.label for s in scores if s.bound is not None and s.low is not None and s.low > s.bound]
    if not beaten:
        return []
    return [
        "Warning: attacks succeed more often than the claimed (epsilon, delta) allows when a person is one row: "
        f"{'; '.join(beaten)}. The claim does not hold, its unit is another, or the holdout differs from the real rows."
    ]


def _scale(claim: tuple[float, float] | None) -> str:
    bound = "" if claim is None else " Bound: the most that the claimed (epsilon, delta) allows any attack."
    return (
        "Ceiling: part of the holdout attacked as if it were the release. "
        f"Floor: a plain copy of fitted rows attacked as if it were the release.{bound}"
    )


def _auc(name: str, found: AttackScores, fresh: AttackScores, copied: AttackScores, claim: tuple[float, float] | None) -> Score:
    area = auc_delong(found.members, found.others, CONFIDENCE)
    return Score(
        name=f"membership_{name}_auc",
        label=f"Membership attack, {LABELS[name]} (AUC)",
        section="privacy",
        value=area.value,
        low=area.low,
        high=area.high,
        better="lower",
        ceiling=auc_delong(fresh.members, fresh.others).value,
        floor=auc_delong(copied.members, copied.others).value,
        bound=None if claim is None else dp_auc(*claim),
        unit="AUC",
        meaning="How well fitted people are told from fresh people by the synthetic rows: chance is 0.5, 1 is always.",
        interval="97.5 %, DeLong, over the attacked people; both attacks hold together with 95 %.",
        scale=_scale(claim),
    )


def _tprs(
    name: str,
    found: dict[str, AttackScores],
    fresh: dict[str, AttackScores],
    copied: dict[str, AttackScores],
    claim: tuple[float, float] | None,
) -> list[Score]:
    scores = []
    for fpr in FPRS:
        rates = [
            clopper_pearson(hits_at_fpr(s[name].members, s[name].others, fpr), len(s[name].members), CONFIDENCE)
            for s in (found, fresh, copied)
        ]
        scores.append(
            Score(
                name=f"membership_{name}_tpr_{round(100 * fpr):02d}",
                label=f"Membership attack, {LABELS[name]} (found at {fpr:.0%} false alarms)",
                section="privacy",
                value=rates[0].value,
                low=rates[0].low,
                high=rates[0].high,
                better="lower",
                ceiling=rates[1].value,
                floor=rates[2].value,
                bound=None if claim is None else float(dp_roc(*claim, np.array([fpr]))[0]),
                unit="share of fitted people",
                meaning=f"Share of fitted people found while {fpr:.0%} of fresh people are accused; chance: {fpr:.0%}.",
                interval="97.5 %, Clopper-Pearson over fitted people, at the threshold the fresh people set.",
                scale=_scale(claim),
            )
        )
    return scores


def _curve(found: dict[str, AttackScores], n_points: int = 400) -> pd.DataFrame:
    grid = np.unique(np.concatenate([np.geomspace(1e-4, 1.0, n_points), [0.0]]))
    parts = []
    for name, scores in found.items():
        fpr, tpr = roc_points(scores.members, scores.others)
        keep = np.searchsorted(fpr, grid, side="right") - 1
        parts.append(pd.DataFrame({"Attack": name, "FPR": grid, "TPR": tpr[keep]}))
    return pd.concat(parts, ignore_index=True)
