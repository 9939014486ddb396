"""Attribute inference and reconstruction: can what the attacker does not know about a person be read off the release?

Threat model of attribute inference. The attacker knows all of a person's row but one secret column, holds fresh rows of
the same population (the auxiliary data) and the release. Threat model of reconstruction. The attacker knows half of the
columns and rebuilds all the others.

Both learn from the auxiliary rows and the release together, with trees grown to the end: they use what is true of the
population and remember single rows. A guess of a category counts when it is exact, a guess of a number when it lies
within five percentage points of the truth in the population's ranks, or is exact.

Two comparisons tell leakage from knowledge about the population. The *control* is the same attack on fresh people: what
holds of them as well is not disclosed about anybody. The *baseline* is the same attacker on the same targets with the
auxiliary rows alone, without the release. A release that teaches a true relation raises the rate on both, targets and
controls; only a gap between them is disclosure about fitted people.

References:
    Stadler, Oprisanu and Troncoso (2022), arXiv:2011.07018 (attribute inference as a game, with and without the release).
    Jayaraman and Evans (2022), arXiv:2209.01292 (imputation as the baseline of attribute inference).
    Dick et al. (2023), PNAS 120(8), arXiv:2211.03128 (reconstruction measured against what the distribution gives away).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.attacks.forest import class_shares, learn_features, number_guesses
from evaluation.attacks.membership import sample
from evaluation.attacks.scene import Scene
from evaluation.attacks.threat import Threat
from synth.schema import Schema

FloatArray = npt.NDArray[np.float64]

MAX_ROWS = 30_000
MAX_PEOPLE = 3_000  # of targets, and of controls
MAX_SECRETS = 3
MAX_HIDDEN = 20
MAX_CLASSES = 30
TREES = 9
TOLERANCE = 0.05

ATTRIBUTE = Threat(
    name="attribute_inference",
    label="Attribute inference",
    model="Knows all of a person's row but one secret column, holds fresh rows of the same population and the release; "
    "guesses the secret.",
    targets="random fitted rows; the secrets are the target column and the most varied ones",
    control="the same attack on held-out people",
    baseline="the same attacker on the same targets without the release",
    source="Stadler et al. 2022, arXiv:2011.07018; Jayaraman and Evans 2022, arXiv:2209.01292",
)
RECONSTRUCTION = Threat(
    name="reconstruction",
    label="Reconstruction of half a row",
    model="Knows half of a person's columns, holds fresh rows of the same population and the release; rebuilds the other "
    "half, numbers within 5 percentage points of rank.",
    targets="random fitted rows; every column is hidden once",
    control="the same attack on held-out people",
    baseline="the same attacker on the same targets without the release",
    source="after Dick et al. 2023, arXiv:2211.03128",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesses:
    """How often guesses were right.

    Attributes:
        columns: Guessed columns, length c.
        members: Right guesses about targets, shape (m, c), 0 or 1.
        others: About controls, shape (k, c).
        baseline: About targets without the release, shape (m, c).
    """

    columns: tuple[str, ...]
    members: FloatArray
    others: FloatArray
    baseline: FloatArray

    def table(self) -> pd.DataFrame:
        """Success rates by column."""
        return pd.DataFrame(
            {
                "Column": list(self.columns),
                "Targets": self.members.mean(axis=0),
                "Controls": self.others.mean(axis=0),
                "Targets without the release": self.baseline.mean(axis=0),
            }
        )


def infer_attributes(scene: Scene) -> Guesses:
    """Guess each secret from all other columns."""
    secrets = _secrets(scene)
    return _attack(scene, [(secret, tuple(n for n in scene.schema.names if n != secret)) for secret in secrets], stream=2)


def reconstruct(scene: Scene) -> Guesses:
    """Guess each half of the columns from the other half."""
    order = [scene.schema.names[j] for j in scene.rng(3).permutation(len(scene.schema.names))]
    half = len(order) // 2
    halves = tuple(order[:half]), tuple(order[half:])
    tasks = [(name, halves[1 - side]) for side in (0, 1) for name in halves[side]]
    return _attack(scene, tasks[:MAX_HIDDEN], stream=4)


def _attack(scene: Scene, tasks: list[tuple[str, tuple[str, ...]]], stream: int) -> Guesses:
    """Solve every task (hidden column, known columns) with the release and without."""
    rng = scene.rng(stream)
    release = sample(scene.release, MAX_ROWS, rng)
    members, others = scene.members.iloc[:MAX_PEOPLE], scene.others.iloc[:MAX_PEOPLE]
    people = pd.concat([members, others], ignore_index=True)
    both = pd.concat([release, scene.reference], ignore_index=True)
    rights, plain = [], []
    for hidden, known in tasks:
        right = guess_right(both, scene.reference, people, scene.schema, hidden, known, scene.seed)
        rights.append(right)
        plain.append(guess_right(scene.reference, scene.reference, members, scene.schema, hidden, known, scene.seed))
    found, base = np.column_stack(rights), np.column_stack(plain)
    columns = tuple(hidden for hidden, _ in tasks)
    return Guesses(columns=columns, members=found[: len(members)], others=found[len(members) :], baseline=base)


def guess_right(
    train: pd.DataFrame,
    reference: pd.DataFrame,
    people: pd.DataFrame,
    schema: Schema,
    hidden: str,
    known: tuple[str, ...],
    seed: int = 0,
) -> FloatArray:
    """Learn a column from others and try it on people.

    Args:
        train: Rows to learn from, shape (n, d).
        reference: Rows whose ranks say what is close, for numbers.
        people: Whose column is guessed, shape (p, d).
        schema: Public facts.
        hidden: Column to guess.
        known: Columns to guess from.
        seed: Of the trees.

    Returns:
        1.0 where the guess was right, 0.0 elsewhere, shape (p,). What is missing in a person's row is never right.
    """
    kind = schema[hidden].kind
    rows = train[train[hidden].notna()]
    if len(rows) == 0:
        return np.zeros(len(people))
    features = learn_features([rows], schema, known)
    inputs, asked = _inputs(features.matrix(rows), known), _inputs(features.matrix(people), known)
    if kind is not None and kind.is_numeric:
        values = rows[hidden].to_numpy(dtype=np.float64)
        guesses = number_guesses(inputs, values, asked, trees=TREES, seed=seed)
        return _close(guesses, people[hidden].to_numpy(dtype=np.float64), reference[hidden].to_numpy(dtype=np.float64))
    counts = rows[hidden].value_counts()
    names = [str(value) for value in counts[counts > 1].index[:MAX_CLASSES]]
    if not names:
        return np.zeros(len(people))
    codes = rows[hidden].map(str).map({name: i for i, name in enumerate(names)}).to_numpy(dtype=np.float64, na_value=np.nan)
    kept = ~np.isnan(codes)
    shares = class_shares(inputs[kept], codes[kept].astype(np.int64), asked, len(names), trees=TREES, seed=seed)
    guessed = np.array(names, dtype=object)[shares.argmax(axis=1)]
    truth = people[hidden].map(str, na_action="ignore").to_numpy(dtype=object)
    return np.asarray(guessed == truth, dtype=np.float64)


def _inputs(matrix: FloatArray, known: tuple[str, ...]) -> FloatArray:
    """Features, or a constant where nothing is known."""
    return matrix if known else np.zeros((len(matrix), 1))


def _close(guesses: FloatArray, truth: FloatArray, reference: FloatArray) -> FloatArray:
    """Whether numbers lie within ``TOLERANCE`` of each other in the reference's ranks, or are equal."""
    ranks = np.sort(reference[~np.isnan(reference)])

    def place(values: FloatArray) -> FloatArray:
        both = np.searchsorted(ranks, values, side="left") + np.searchsorted(ranks, values, side="right")
        return np.asarray(both / (2 * max(1, len(ranks))), dtype=np.float64)

    near = np.abs(place(guesses) - place(truth)) <= TOLERANCE
    return np.asarray(((near & (len(ranks) > 0)) | (guesses == truth)) & ~np.isnan(truth), dtype=np.float64)


def _secrets(scene: Scene) -> tuple[str, ...]:
    """The target column, and the columns whose most frequent value says least."""
    common = {name: float(scene.reference[name].value_counts(normalize=True).max()) for name in scene.schema.names
              if scene.reference[name].nunique() > 1}  # fmt: skip
    varied = sorted(common, key=lambda name: (name != scene.target, common[name]))
    return tuple(varied[:MAX_SECRETS]) or scene.schema.names[:1]
