"""The released mechanism again, from the release itself: fits of rows that were drawn from the release. Nothing private.

Every repetition draws as many rows as were fitted, learns again what the original run learnt and measures again with the
same epsilon and delta, and so with noise of the same size. How far its answers lie from those of the release is how far
those of the release lie from the population's: a parametric bootstrap, whose law is the release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from synth.api import fit
from synth.errors import InputError, RefusedError
from synth.release import Release
from synth.schema import Column, Schema

POOL = 4  # rows of the pool, in rows that were fitted
LEAST_POOL = 50_000
LEAST_REFITS = 10
MOST_FAILED = 0.2  # share of repetitions that may be refused


def declared_schema(release: Release) -> Schema:
    """What the owner had declared: the release's schema without what the receipt says was learnt."""
    learnt = release.receipt.learnt
    columns = tuple(_as_declared(column, learnt.get(column.name, ())) for column in release.schema.columns)
    return replace(release.schema, columns=columns, public_rows=release.receipt.rows if release.receipt.rows_public else None)


def _as_declared(column: Column, learnt: list[str] | tuple[str, ...]) -> Column:
    if "kind" in learnt:
        return Column(name=column.name, nullable=column.nullable)
    if "bounds" in learnt:
        column = replace(column, bounds=None)
    return replace(column, precision=None) if "precision" in learnt else column


def population(release: Release, seed: int) -> pd.DataFrame:
    """Many rows of the release: the population of the bootstrap's world.

    Raises:
        InputError: The release protects persons, whose rows are not drawn one by one.
    """
    if release.persons is not None:
        raise InputError("intervals repeat a fit on single rows, and this release protects persons: they are not there for it")
    return release.sample(max(LEAST_POOL, POOL * release.receipt.rows), seed=seed)


def refits(
    release: Release,
    pool: pd.DataFrame,
    number: int,
    rng: np.random.Generator,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[Release]:
    """Fit drawn rows anew, one release at a time.

    Args:
        release: What is repeated.
        pool: Its population.
        number: How many.
        rng: Of the rows that are drawn, with replacement. The noise comes from operating-system entropy, as in every fit.
        advance: Told after each.

    Raises:
        InputError: Fewer than ``LEAST_REFITS``.
        RefusedError: The unit of the guarantee is no row, or too many repetitions are refused: the budget hardly carries this
            model.
    """
    if release.receipt.unit != "row":
        raise RefusedError("refits draw rows one by one, which is wrong where a person has several; no interval is given")
    if number < LEAST_REFITS:
        raise InputError(f"at least {LEAST_REFITS} refits are needed, not {number}")
    schema, rows = declared_schema(release), release.receipt.rows
    loose = [column.name for column in schema.columns if column.kind is None]  # their dtypes would count as declared
    texts = pool.assign(**{name: pool[name].map(str, na_action="ignore").astype(object) for name in loose})
    failed = 0
    for _ in range(number):
        drawn = texts.iloc[rng.integers(len(texts), size=rows)].reset_index(drop=True)
        try:
            again = fit(
                drawn, epsilon=release.receipt.epsilon, delta=release.receipt.delta, schema=schema, model=release.model,
                options=release.options, seed=int(rng.integers(2**31)),
            )  # fmt: skip
        except RefusedError:
            failed += 1
            if failed > MOST_FAILED * number:
                raise
            continue
        finally:
            advance(1)
        yield again
