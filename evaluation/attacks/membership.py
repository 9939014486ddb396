"""Membership inference: was this person's row among those the generator was fitted on?

Threat model. The attacker holds the released synthetic rows and the complete row of a target, does not know the
algorithm, trains no shadow models, and never saw which rows were fitted. With a *reference set* the attacker also holds
fresh rows of the same population. Success: targets that were fitted (members) get higher scores than fresh people
(non-members). The score is a density ratio, ``log p_release(x) - log p_reference(x)``: where the release is denser than
the population, it leans on the rows it was fitted on. Without a reference set the attacker puts something weaker in the
place of the population: nothing at all, or the release with every column shuffled on its own.

Two estimates of the density are reported side by side: trees grown to the end that tell the release from the
comparison, which see systematic overfitting, and nearest-neighbour distances, which see copied and nearly copied rows.

An attack that fails proves nothing; the guarantee is the claimed (epsilon, delta). These attacks are weaker than ones
that refit the generator around a chosen record (``shadow``).

References:
    van Breugel, Sun, Qian and van der Schaar (2023), arXiv:2302.12580 (DOMIAS).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.attacks.forest import class_shares, learn_features
from evaluation.attacks.scene import Scene
from evaluation.attacks.threat import Threat
from evaluation.features import Points, nearest_distance

FloatArray = npt.NDArray[np.float64]

MAX_ROWS = 50_000
TREES = 50
_TIE = 1e-6  # far below the steps of a share of trees: distance decides between equal shares only

_WITH = "Holds the release, fresh rows of the same population and a person's whole row; asks whether the person was fitted."
_ALONE = "Holds the release and a person's whole row, nothing else; asks whether the person was fitted."
_SOURCE = "van Breugel et al. 2023, arXiv:2302.12580"


def _threat(name: str, label: str, model: str) -> Threat:
    return Threat(
        name=f"membership_{name}",
        label=f"Membership, {label}",
        model=model,
        targets="random fitted rows",
        control="held-out rows that were neither fitted nor the attacker's",
        baseline="an AUC of 0.5: without the release fitted and fresh people look alike",
        source=_SOURCE,
    )


THREATS = {
    "trees": _threat("trees", "density ratio by trees", _WITH),
    "neighbours": _threat("neighbours", "density ratio by nearest neighbours", _WITH),
    "trees_alone": _threat("trees_alone", "by trees, without a reference set", _ALONE),
    "neighbours_alone": _threat("neighbours_alone", "by nearest neighbours, without a reference set", _ALONE),
}


def membership_scores(scene: Scene) -> dict[str, FloatArray]:
    """Run all four estimates.

    Args:
        scene: Who is attacked with what.

    Returns:
        Scores of ``scene.people`` by estimate, larger meaning "member", each of shape (people,).
    """
    rng = scene.rng(1)
    release = sample(scene.release, MAX_ROWS, rng)
    shuffled = pd.DataFrame({name: rng.permutation(release[name].to_numpy()) for name in release.columns})
    shuffled = shuffled.astype(release.dtypes.to_dict())
    points = Points.learn(scene.reference, scene.schema)
    queries = points.matrix(scene.people)
    near, far = (nearest_distance(queries, points.matrix(pool)) for pool in (release, scene.reference))
    ratio = np.log(far + 1e-6) - np.log(near + 1e-6)
    return {
        "trees": _trees(scene, release, scene.reference) + _TIE * ratio,
        "neighbours": ratio,
        "trees_alone": _trees(scene, release, shuffled) - _TIE * near,
        "neighbours_alone": -near,
    }


def sample(frame: pd.DataFrame, most: int, rng: np.random.Generator) -> pd.DataFrame:
    """At most ``most`` rows, drawn without replacement."""
    return frame if len(frame) <= most else frame.iloc[np.sort(rng.permutation(len(frame))[:most])]


def _trees(scene: Scene, release: pd.DataFrame, comparison: pd.DataFrame) -> FloatArray:
    """Share of trees, by leaf shares, that take each person for a row of the release."""
    features = learn_features([release, comparison], scene.schema, scene.schema.names)
    rows = np.concatenate([features.matrix(release), features.matrix(comparison)])
    labels = np.repeat([1, 0], [len(release), len(comparison)])
    return class_shares(rows, labels, features.matrix(scene.people), 2, trees=TREES, seed=scene.seed)[:, 1]
