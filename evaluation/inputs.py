"""Read the three tables onto one footing, refuse what cannot be scored, and make the controls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.scores import Section
from synth.encoding.values import conform
from synth.errors import InputError
from synth.schema import Schema

MIN_ROWS = 20
OVERLAP_WARNING = 0.5
_OWN = 20_861  # keeps these streams apart from those of a generator with the same seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables an evaluation compares, all conformed, columns in schema order.

    Attributes:
        real: The rows the generator was fitted on, shape (n, d). Private.
        holdout: Fresh real rows, shape (h, d), or ``None``. Private.
        synthetic: The rows to judge, shape (m, d).
        permuted: ``real`` with every column shuffled on its own, shape (n, d): the floor.
        schema: Public facts; every kind declared.
        target: Column people will predict, if any.
        seed: Seed of everything random in the evaluation.
    """

    real: pd.DataFrame
    holdout: pd.DataFrame | None
    synthetic: pd.DataFrame
    permuted: pd.DataFrame
    schema: Schema
    target: str | None
    seed: int

    def rng(self, *stream: int) -> np.random.Generator:
        """A generator of its own for each part, so that adding a part changes no other."""
        return np.random.default_rng([_OWN, self.seed, *stream])


def prepare(
    real: pd.DataFrame,
    holdout: pd.DataFrame | None,
    synthetic: pd.DataFrame,
    schema: Schema,
    *,
    target: str | None = None,
    seed: int = 0,
) -> Tables:
    """Conform the frames and check that they can be scored.

    Args:
        real: Rows the generator was fitted on, shape (n, d).
        holdout: Fresh real rows, shape (h, d), or ``None``.
        synthetic: Rows to judge, shape (m, d).
        schema: Public facts; every kind declared.
        target: Column to predict; the schema's target by default.
        seed: Non-negative seed.

    Raises:
        InputError: Headers differ from the schema, a table has too few rows, a kind is undeclared, the target is
            unknown or the seed is negative.
    """
    loose = [column.name for column in schema.columns if column.kind is None]
    if loose:
        raise InputError(f"column {loose[0]!r} has no kind in the schema; the evaluation needs every kind declared")
    if target is not None and target not in schema.names:
        raise InputError(f"the target {target!r} is not a column of the schema; name one of its columns")
    if seed < 0:
        raise InputError("the seed must be zero or a positive whole number")
    plain = _table(real, schema, "the real table")
    shuffle = np.random.default_rng([_OWN, seed, 0])
    return Tables(
        real=plain,
        holdout=None if holdout is None else _table(holdout, schema, "the holdout table"),
        synthetic=_table(synthetic, schema, "the synthetic table"),
        permuted=pd.DataFrame({name: shuffle.permutation(plain[name].to_numpy()) for name in plain.columns}),
        schema=schema,
        target=target if target is not None else schema.target,
        seed=seed,
    )


def _table(frame: pd.DataFrame, schema: Schema, what: str) -> pd.DataFrame:
    plain = conform(frame, schema, what)
    if len(plain) == 0:
        raise InputError(f"{what} is empty; give it at least {MIN_ROWS} rows")
    if len(plain) < MIN_ROWS:
        raise InputError(f"{what} has fewer than {MIN_ROWS} rows, too few to score; give it more rows")
    return plain


def row_hashes(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """A 64-bit hash per conformed row, equal for equal rows, shape (n,)."""
    return np.asarray(pd.util.hash_pandas_object(frame, index=False).to_numpy(), dtype=np.uint64)


def overlap(rows: pd.DataFrame, pool: pd.DataFrame) -> float:
    """Share of ``rows`` that occur exactly in ``pool``, from 0 to 1."""
    return float(np.isin(row_hashes(rows), row_hashes(pool)).mean())


def check_overlap(tables: Tables) -> Section:
    """Warn where the tables are not as separate as the scores assume."""
    notes = []
    if tables.holdout is None:
        notes.append(
            "No holdout was given: the ceilings that need fresh real rows and the membership attack are left out. "
            "Split rows off before fitting and pass them as holdout."
        )
    else:
        if overlap(tables.holdout, tables.real) > OVERLAP_WARNING:
            notes.append(
                "Warning: more than half of the holdout rows occur exactly among the rows that were fitted. Either the "
                "table has few distinct rows or the holdout was not held out; ceilings and the attack are then unsound."
            )
        if overlap(tables.synthetic, tables.holdout) > OVERLAP_WARNING:
            notes.append(
                "Warning: more than half of the synthetic rows occur exactly in the holdout, which the generator "
                "should never have seen; the attack's non-members then look like members."
            )
    return Section(notes=tuple(notes))
