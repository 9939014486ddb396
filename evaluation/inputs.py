"""Read the three tables onto one footing, refuse what cannot be scored, and make the controls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.scores import Section
from synth.encoding.values import conform
from synth.entity import without_entity
from synth.errors import InputError
from synth.schema import Schema

MIN_ROWS = 20
OVERLAP_EXCESS = 0.01
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
        groups: Columns whose values are subgroups to score apart.
    """

    real: pd.DataFrame
    holdout: pd.DataFrame | None
    synthetic: pd.DataFrame
    permuted: pd.DataFrame
    schema: Schema
    target: str | None
    seed: int
    groups: tuple[str, ...] = ()

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
    groups: tuple[str, ...] = (),
) -> Tables:
    """Conform the frames and check that they can be scored.

    Args:
        real: Rows the generator was fitted on, shape (n, d).
        holdout: Fresh real rows, shape (h, d), or ``None``.
        synthetic: Rows to judge, shape (m, d).
        schema: Public facts; every kind declared.
        target: Column to predict; the schema's target by default.
        seed: Non-negative seed.
        groups: Columns whose values are subgroups to score apart.

    Raises:
        InputError: Headers differ from the schema, a table has too few rows, a kind is undeclared, the target or a
            group is unknown or the seed is negative.
    """
    whole, schema = schema, without_entity(schema).only_read()
    loose = [column.name for column in schema.columns if column.kind is None]
    if loose:
        raise InputError(f"column {loose[0]!r} has no kind in the schema; the evaluation needs every kind declared")
    if target is not None and target not in schema.names:
        raise InputError(f"the target {target!r} is not a column of the schema; name one of its columns")
    strange = [name for name in groups if name not in schema.names]
    if strange:
        raise InputError(f"the group {strange[0]!r} is not a column of the schema; name one of its columns")
    if seed < 0:
        raise InputError("the seed must be zero or a positive whole number")
    plain = _table(real, whole, "the real table")
    shuffle = np.random.default_rng([_OWN, seed, 0])
    return Tables(
        real=plain,
        holdout=None if holdout is None else _table(holdout, whole, "the holdout table"),
        synthetic=_table(synthetic, whole, "the synthetic table"),
        permuted=pd.DataFrame({name: shuffle.permutation(plain[name].to_numpy()) for name in plain.columns}),
        schema=schema,
        target=target if target is not None else schema.target,
        seed=seed,
        groups=tuple(dict.fromkeys(groups)),
    )


def without_key(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The frame without the column that names persons, which says nothing about a row."""
    return frame.drop(columns=[name for name in frame.columns if schema.entity is not None and str(name) == schema.entity])


def _table(frame: pd.DataFrame, schema: Schema, what: str) -> pd.DataFrame:
    plain = conform(frame, schema, what)
    plain = without_key(plain, schema)
    if len(plain) == 0:
        raise InputError(f"{what} is empty; give it at least {MIN_ROWS} rows")
    if len(plain) < MIN_ROWS:
        raise InputError(f"{what} has fewer than {MIN_ROWS} rows, too few to score; give it more rows")
    return plain


def row_hashes(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """A 64-bit hash per conformed row, equal for equal rows, shape (n,)."""
    return np.asarray(pd.util.hash_pandas_object(frame, index=False).to_numpy(), dtype=np.uint64)


def as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts that a reader packed into categories as plain texts: a fit takes the dtypes of a frame for public facts."""
    packed = [name for name, kind in frame.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    return frame.astype(dict.fromkeys(packed, object)) if packed else frame


def text_hashes(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """A 64-bit hash per row of raw cells, by their texts and column by column, so that no copy of the table is made.

    Args:
        frame: Shape (n, d); equal texts in the same order of columns hash alike, whatever the dtypes.
    """
    total = np.full(len(frame), 0x345678, dtype=np.uint64)
    for name in frame.columns:
        codes, seen = pd.factorize(frame[name], use_na_sentinel=True)
        words = pd.util.hash_array(np.append(np.asarray(seen).astype(str).astype(object), "nan"), categorize=False)
        total = (total ^ words[codes]) * np.uint64(0x9E3779B97F4A7C15)
        total ^= total >> np.uint64(29)
    return np.asarray(total, dtype=np.uint64)


def sample_rows(frame: pd.DataFrame, max_rows: int | None, seed: int, stream: int) -> pd.DataFrame:
    """At most ``max_rows`` rows, a seeded simple random sample in their old order.

    Args:
        frame: Rows as given, shape (n, d).
        max_rows: Rows to keep; ``None`` keeps all.
        seed: Non-negative seed.
        stream: Number of the table, so that equal tables are sampled apart.

    Raises:
        InputError: ``max_rows`` is below ``MIN_ROWS``.
    """
    if max_rows is not None and max_rows < MIN_ROWS:
        raise InputError(f"max_rows is {max_rows}; at least {MIN_ROWS} rows are needed to score a table")
    if max_rows is None or len(frame) <= max_rows:
        return frame
    rng = np.random.default_rng([_OWN, max(0, seed), 100 + stream])
    drawn = frame.iloc[np.sort(rng.permutation(len(frame))[:max_rows])].reset_index(drop=True)
    for name in drawn.columns[[isinstance(kind, pd.CategoricalDtype) for kind in drawn.dtypes]]:
        drawn[name] = drawn[name].cat.remove_unused_categories()  # a text column keeps all texts of the file otherwise
    return drawn


def overlap(rows: pd.DataFrame, pool: pd.DataFrame) -> float:
    """Share of ``rows`` that occur exactly in ``pool``, from 0 to 1."""
    return float(np.isin(row_hashes(rows), row_hashes(pool)).mean())


def repeated(frame: pd.DataFrame) -> float:
    """Share of rows that occur more than once in the table: how often a fresh row would match by chance."""
    return float(pd.Series(row_hashes(frame)).duplicated(keep=False).mean())


def is_excess(share: float, chance: float, n_rows: int) -> bool:
    """Whether a share of matching rows lies beyond chance: by ``OVERLAP_EXCESS`` and five standard errors."""
    return share > chance + OVERLAP_EXCESS + 5 * math.sqrt(chance * (1 - chance) / n_rows)


def check_overlap(real: pd.DataFrame, holdout: pd.DataFrame | None, synthetic: pd.DataFrame) -> Section:
    """Warn where the tables are not as separate as the scores assume.

    Args:
        real: Rows that were fitted, all of them; conformed, or as given where conforming all would take long.
        holdout: Held-out rows, in the same form.
        synthetic: Rows to judge, in the same form.
    """
    if holdout is None:
        note = (
            "No holdout was given: the ceilings that need fresh real rows and the attacks that need people known not "
            "to be in the table are left out. Split rows off before fitting and pass them as holdout."
        )
        return Section(notes=(note,))
    notes = []
    share, chance = overlap(holdout, real), repeated(real)
    if is_excess(share, chance, len(holdout)):
        notes.append(
            f"Warning: {share:.1%} of the holdout rows occur exactly among the rows that were fitted, where {chance:.1%} "
            "would by chance. The holdout was not held out; ceilings and attacks are then unsound."
        )
    copied = overlap(synthetic, holdout)
    if is_excess(copied, max(repeated(holdout), overlap(synthetic, real)), len(synthetic)):
        notes.append(
            f"Warning: {copied:.1%} of the synthetic rows occur exactly in the holdout, more than in the fitted rows. The "
            "generator should never have seen the holdout; an attack's non-members then look like members."
        )
    return Section(notes=tuple(notes))
