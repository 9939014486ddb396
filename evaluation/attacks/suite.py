"""All attacks that need no refit, on one release, with what gives them a scale; the part of the report on risk.

The order of reading: what was promised (the bound of the claim), what was measured (the strongest attack, with an
interval that holds for all attacks together), then each attack with its controls.

An attack that fails proves nothing; only the claimed (epsilon, delta) is a guarantee.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.attacks import inference, marginal_ratio, membership, singling_out
from evaluation.attacks.bounds import FPRS, Bound, bound_of
from evaluation.attacks.scene import LEAST_PEOPLE, Scene, set_scenes
from evaluation.attacks.threat import Outcome, Threat, guessed, outcome_table, ranked, threat_table
from evaluation.inputs import Tables
from evaluation.scores import Score, Section

RANKING = (*membership.THREATS, "marginals")
GUESSING = ("attribute_inference", "reconstruction", "singling_out")
ATTACKS = (*RANKING, *GUESSING)
JOINT = 1 - 0.05 / len(ATTACKS)  # Bonferroni: all intervals of one sort hold together with 95 %
CURVES = "Membership attack"
LEAST_CONTROLS = 4_400  # to set 0.1 % of false alarms with 98.75 % certainty: 0.999^4400 = 0.0122
RATE_NAMES = {0.001: "001", 0.01: "01", 0.1: "10"}

FloatArray = npt.NDArray[np.float64]
Results = dict[str, Callable[[float], Outcome]]


def run_attacks(scene: Scene) -> tuple[Results, dict[str, pd.DataFrame]]:
    """Run every attack on one scene.

    Args:
        scene: Who is attacked with what.

    Returns:
        By attack, the outcome at a given confidence; and detail tables by name.
    """
    scores = {**membership.membership_scores(scene), "marginals": marginal_ratio.marginal_scores(scene)}
    threats = {**membership.THREATS, "marginals": marginal_ratio.THREAT}
    cut = len(scene.members)
    results: Results = {}
    for name, values in scores.items():
        results[name] = _ranking(threats[name], values[:cut], values[cut:], scene)
    attributes, rebuilt = inference.infer_attributes(scene), inference.reconstruct(scene)
    results["attribute_inference"] = _guessing(inference.ATTRIBUTE, attributes, scene)
    results["reconstruction"] = _guessing(inference.RECONSTRUCTION, rebuilt, scene)
    results["singling_out"] = lambda confidence: singling_out.single_out(scene, confidence=confidence)
    return results, {"Attribute inference": attributes.table(), "Reconstruction": rebuilt.table()}


def _ranking(threat: Threat, members: FloatArray, others: FloatArray, scene: Scene) -> Callable[[float], Outcome]:
    return lambda confidence: ranked(threat, members, others, scene.bound, confidence)


def _guessing(threat: Threat, found: inference.Guesses, scene: Scene) -> Callable[[float], Outcome]:
    base = float(found.baseline.mean())
    parts = found.members.mean(axis=1), found.others.mean(axis=1)
    return lambda confidence: guessed(threat, *parts, base, scene.bound, confidence)


def score_attacks(tables: Tables, card: dict[str, Any] | None = None, measured: tuple[tuple[str, ...], ...] = ()) -> Section:
    """Attack the synthetic rows, with fresh rows and a copy of fitted rows in their place for scale.

    Args:
        tables: Conformed tables; without a holdout the attacks are left out, with a note.
        card: Release card; its ``epsilon`` and ``delta`` give the bound.
        measured: Columns of the tables the generator says it measured, from the receipt.

    Returns:
        Scores; the tables ``Attacks`` (one row each), ``Threat models``, ``Membership attack`` (ROC points),
        ``Attribute inference`` and ``Reconstruction`` (success by column).
    """
    scenes = set_scenes(tables, measured, bound_of(card))
    if scenes is None:
        reason = "without a holdout" if tables.holdout is None else f"with fewer than {3 * LEAST_PEOPLE} held-out rows"
        return Section(
            notes=(f"The membership attack is left out, as are all others: {reason} nobody is known not to be in the table.",)
        )
    results, details = run_attacks(scenes.release)
    fresh = {name: one(0.95) for name, one in run_attacks(scenes.fresh)[0].items()}
    copied = {name: one(0.95) for name, one in run_attacks(scenes.copied)[0].items()}
    outcomes = {name: one(0.95) for name, one in results.items()}
    joint = {name: one(JOINT) for name, one in results.items()}
    scores = [_strongest(joint, fresh, copied)]
    for name in ATTACKS:
        trio = outcomes[name], fresh[name], copied[name]
        scores += _rank_scores(*trio) if name in RANKING else [_guess_score(*trio)]
    found = {
        "Attacks": outcome_table(list(outcomes.values())),
        "Threat models": threat_table([one.threat for one in outcomes.values()]),
        CURVES: _curves({name: outcomes[name] for name in RANKING}),
        **details,
    }
    return Section(scores=tuple(scores), notes=tuple(_notes(scenes.release, joint)), tables=MappingProxyType(found))


def _notes(scene: Scene, joint: dict[str, Outcome]) -> list[str]:
    """Warnings first, then how to read the attacks."""
    notes = []
    broken = [one.threat.label for one in joint.values() if one.broken]
    if broken:
        notes.append(
            "Warning: attacks succeed more often than the claimed (epsilon, delta) allows when a person is one row: "
            f"{'; '.join(broken)}. The claim does not hold, its unit is another, or the holdout differs from the real rows."
        )
    if len(scene.others) < LEAST_CONTROLS:
        notes.append(
            f"With {len(scene.others)} held-out people to accuse wrongly, a false positive rate of {FPRS[0]:.1%} cannot be "
            "set exactly: the threshold is then the highest score among them, and the interval starts at 0."
        )
    notes.append(
        "An attack that fails proves nothing; only the claimed (epsilon, delta) is a guarantee. "
        f"Targets: {len(scene.members)} fitted rows against {len(scene.others)} held-out rows, "
        f"with {len(scene.reference)} held-out rows as the attacker's reference."
    )
    return notes


def _scale(bound: Bound | None) -> str:
    claim = "" if bound is None else " Bound: the most that the claimed (epsilon, delta) allows any attack."
    return (
        "Ceiling: part of the holdout attacked as if it were the release. "
        f"Floor: a plain copy of fitted rows attacked as if it were the release.{claim}"
    )


def _strongest(joint: dict[str, Outcome], fresh: dict[str, Outcome], copied: dict[str, Outcome]) -> Score:
    """The largest advantage of any attack; its interval is right for the largest of all, not for one chosen before."""
    best = max(joint.values(), key=lambda one: one.advantage.value)
    return Score(
        name="attack_advantage",
        label="Strongest attack (advantage)",
        section="privacy",
        value=best.advantage.value,
        low=max(one.advantage.low for one in joint.values()),
        high=max(one.advantage.high for one in joint.values()),
        better="lower",
        ceiling=max(one.advantage.value for one in fresh.values()),
        floor=max(one.advantage.value for one in copied.values()),
        bound=None if best.bound is None else best.bound.advantage,
        unit="success on fitted people minus success on fresh people",
        meaning=f"How much better the best of {len(joint)} attacks does on fitted than on fresh people: {best.threat.label}.",
        interval="95 % for the largest of all attacks (Bonferroni), over the attacked people.",
        scale=_scale(best.bound),
    )


def _rank_scores(found: Outcome, fresh: Outcome, copied: Outcome) -> list[Score]:
    if found.auc is None or fresh.auc is None or copied.auc is None:
        raise ValueError("a ranking attack has an area under its curve")
    threat, bound = found.threat, found.bound
    scores = [
        Score(
            name=f"{threat.name}_auc",
            label=f"{threat.label} (AUC)",
            section="privacy",
            value=found.auc.value,
            low=found.auc.low,
            high=found.auc.high,
            better="lower",
            ceiling=fresh.auc.value,
            floor=copied.auc.value,
            bound=None if bound is None else bound.auc,
            unit="AUC",
            meaning="How well fitted people are told from fresh people by the synthetic rows: chance is 0.5, 1 is always.",
            interval="95 %, DeLong, over the attacked people.",
            scale=_scale(bound),
        )
    ]
    for k, fpr in enumerate(FPRS):
        rate = found.tprs[k]
        scores.append(
            Score(
                name=f"{threat.name}_tpr_{RATE_NAMES[fpr]}",
                label=f"{threat.label} (found at {fpr * 100:g} % false alarms)",
                section="privacy",
                value=rate.value,
                low=rate.low,
                high=rate.high,
                better="lower",
                ceiling=fresh.tprs[k].value,
                floor=copied.tprs[k].value,
                bound=None if bound is None else bound.tprs[k],
                unit="share of fitted people",
                meaning=f"Share of fitted people found while {fpr * 100:g} % of fresh people are accused; "
                f"chance: {fpr * 100:g} %.",
                interval="95 %, Clopper-Pearson over fitted people, with the uncertainty of the threshold from fresh people.",
                scale=_scale(bound),
            )
        )
    return scores


def _guess_score(found: Outcome, fresh: Outcome, copied: Outcome) -> Score:
    if found.rate is None or found.control_rate is None:
        raise ValueError("a guessing attack has success rates")
    return Score(
        name=f"{found.threat.name}_advantage",
        label=f"{found.threat.label} (advantage)",
        section="privacy",
        value=found.advantage.value,
        low=found.advantage.low,
        high=found.advantage.high,
        better="lower",
        ceiling=fresh.advantage.value,
        floor=copied.advantage.value,
        bound=None if found.bound is None else found.bound.advantage,
        unit="success on fitted people minus success on fresh people",
        meaning=f"Right for {found.rate.value:.1%} of fitted and {found.control_rate.value:.1%} of fresh people; "
        f"{found.baseline:.1%} without the release.",
        interval="95 %, for a difference of two rates (Newcombe, or normal for shares of a row), over attacked people.",
        scale=_scale(found.bound),
    )


def _curves(outcomes: dict[str, Outcome]) -> pd.DataFrame:
    """ROC points on a common grid: columns ``Attack``, ``FPR``, ``TPR``."""
    grid = np.unique(np.concatenate([np.geomspace(1e-4, 1.0, 400), [0.0]]))
    parts = []
    for name, one in outcomes.items():
        place = np.searchsorted(one.curve[:, 0], grid, side="right") - 1
        parts.append(pd.DataFrame({"Attack": name, "FPR": grid, "TPR": one.curve[place, 1]}))
    return pd.concat(parts, ignore_index=True)
