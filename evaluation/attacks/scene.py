"""Who is attacked with what: the tables every attack starts from, and the two scenes that give an attack its scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evaluation.attacks.bounds import Bound
from evaluation.inputs import Tables, overlap, row_hashes
from synth.schema import Schema

MAX_TARGETS = 10_000
MAX_REFERENCE = 50_000
CONTROL_TARGETS = 3_000
CONTROL_ROWS = 10_000
LEAST_PEOPLE = 10
COPIED = 0.5  # share of the release that is copied from the holdout, beyond which the holdout is no control
_STREAM = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One attack situation. All tables are conformed; ``reference``, ``others`` and ``fitted`` share no row.

    Attributes:
        release: Rows the attacker was given, shape (m, d).
        reference: Fresh rows of the same population that the attacker holds, shape (r, d).
        members: Targets who were fitted, a sample of ``fitted``.
        others: Controls who were not fitted.
        fitted: All rows the generator was fitted on.
        schema: Public facts.
        target: Column people will predict, if any.
        measured: Columns of the tables the generator says it measured; empty where it says nothing.
        bound: What is claimed.
        seed: Of everything random in the attacks.
    """

    release: pd.DataFrame
    reference: pd.DataFrame
    members: pd.DataFrame
    others: pd.DataFrame
    fitted: pd.DataFrame
    schema: Schema
    target: str | None
    measured: tuple[tuple[str, ...], ...]
    bound: Bound | None
    seed: int

    @property
    def people(self) -> pd.DataFrame:
        """Targets, then controls."""
        return pd.concat([self.members, self.others], ignore_index=True)

    def rng(self, *stream: int) -> np.random.Generator:
        """A generator of its own for each attack."""
        return np.random.default_rng([29_501, self.seed, *stream])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenes:
    """The release, and what gives its scores a scale.

    Attributes:
        release: The rows to judge.
        fresh: Held-out rows in their place: what attacks score where there is nothing to find.
        copied: A plain copy of fitted rows in their place: what attacks score at worst.
    """

    release: Scene
    fresh: Scene
    copied: Scene


def set_scenes(tables: Tables, measured: tuple[tuple[str, ...], ...] = (), bound: Bound | None = None) -> Scenes | None:
    """Split the holdout and draw targets.

    Half of the holdout is the attacker's reference, the other half are the controls. For the scenes that give the scale
    the holdout is split into thirds: the release, the reference, the controls. Where the release is the holdout itself,
    or most of it, the thirds are used as well: controls who are in the release would look like members.

    Args:
        tables: Conformed tables.
        measured: Columns of the tables the generator says it measured.
        bound: What is claimed.

    Returns:
        ``None`` without a holdout, or with too few rows of it.
    """
    if tables.holdout is None or len(tables.holdout) < 3 * LEAST_PEOPLE:
        return None
    rng = tables.rng(_STREAM)
    fresh = tables.holdout.iloc[rng.permutation(len(tables.holdout))]
    half, third = len(fresh) // 2, len(fresh) // 3
    others = fresh.iloc[half : half + MAX_TARGETS]
    members = tables.real.iloc[rng.permutation(len(tables.real))[: len(others)]]
    main = Scene(
        release=tables.synthetic,
        reference=fresh.iloc[: min(half, MAX_REFERENCE)],
        members=members,
        others=others,
        fitted=tables.real,
        schema=tables.schema,
        target=tables.target,
        measured=measured,
        bound=bound,
        seed=tables.seed,
    )
    few = min(len(members), len(fresh) - 2 * third, CONTROL_TARGETS)
    aside = replace(
        main,
        release=fresh.iloc[:third],
        reference=fresh.iloc[third : third + min(third, MAX_REFERENCE)],
        members=members.iloc[:few],
        others=fresh.iloc[2 * third : 2 * third + few],
        measured=(),
    )
    rest = tables.real.drop(index=members.index).iloc[: max(0, CONTROL_ROWS - len(members))]
    copied = replace(aside, release=pd.concat([members, rest], ignore_index=True))
    if overlap(tables.synthetic, tables.holdout) > COPIED:
        known = np.concatenate([row_hashes(aside.reference), row_hashes(aside.others)])
        left = tables.synthetic[~np.isin(row_hashes(tables.synthetic), known)]
        main = replace(aside, release=left if len(left) else aside.release, measured=measured)
    return Scenes(release=main, fresh=aside, copied=copied)
