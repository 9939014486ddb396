"""Rows that meet conditions, in blocks: weighted draws until they are worth enough rows, then systematic resampling.

The work per block is bounded. What a block found is worth is told with its rows, and a condition that the model hardly
supports is refused. Rows of a block depend on the seed and the block alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.conditions import Condition, RowTest, Terms, resolve, terms_of
from synth.encoding.codec import Codec
from synth.encoding.within import Within
from synth.errors import RefusedError
from synth.models.base import Fitted, Synthesizer
from synth.models.given import (
    FREE,
    Conditional,
    Given,
    Weighted,
    chosen_each,
    effective_rows,
    resampled,
    weighted_rows,
)
from synth.table import CodeArray, Domain

BLOCK = 2_048  # rows per random stream
POOL = 4_096  # weighted rows per try
MOST_POOLS = 32  # tries per block
LEAST_EFFECTIVE = 10.0  # rows that what a block found has to be worth
CANDIDATES = 64  # per row whose rest is drawn
LAST = 2**32 - 1  # number of a stream that no block has
EFFECTIVE = "effective_rows"  # in the attributes of a block

Cells = Mapping[str, npt.NDArray[Any]]


class Finish(Protocol):
    """Codes to finished rows; see ``Codec.decode``."""

    def __call__(
        self,
        codes: CodeArray,
        rng: np.random.Generator,
        *,
        within: Sequence[Within | None] | None = None,
        known: Cells | None = None,
    ) -> pd.DataFrame:
        """Rows of learnt and derived columns."""


class Source(NamedTuple):
    """What rows come from.

    Attributes:
        model: Synthesizer with its options.
        fitted: Its weights.
        domain: Of its codes.
        finish: Codes to finished rows.
    """

    model: Synthesizer
    fitted: Fitted
    domain: Domain
    finish: Finish


def stream_of(root: np.random.SeedSequence, *key: int) -> np.random.SeedSequence:
    """A branch of all random streams."""
    return np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, *key))


def stream(root: np.random.SeedSequence, *key: int) -> np.random.Generator:
    """The random stream of a block."""
    return np.random.Generator(np.random.Philox(stream_of(root, *key)))


def conditioned(
    source: Source, codec: Codec, conditions: Sequence[Condition], root: np.random.SeedSequence, *, mixed: bool
) -> Iterator[pd.DataFrame]:
    """Rows of several conditions, one after the other or ``mixed``; nothing is drawn before all are understood."""
    asked = [resolve(terms_of(c, codec.schema), codec, codec.schema) for c in conditions]
    parts = [
        conditioned_blocks(source, terms, c.num_rows, root, part)
        for part, (c, terms) in enumerate(zip(conditions, asked, strict=True))
    ]
    return interleaved(parts, root) if mixed else chain.from_iterable(parts)


def conditioned_blocks(
    source: Source, terms: Terms, n_rows: int, root: np.random.SeedSequence, part: int = 0
) -> Iterator[pd.DataFrame]:
    """Rows that meet ``terms``, ``n_rows`` in all; each block says in its attributes what it is worth.

    Args:
        source: What rows come from.
        terms: Conditions.
        n_rows: In all.
        root: Of all random streams.
        part: Number of this condition, so that several have streams of their own.

    Raises:
        RefusedError: The model hardly supports the condition.
    """
    given = [FREE if one is None else Given(likelihood=one.share / one.share.max()) for one in terms.within]
    for block, start in enumerate(range(0, n_rows, BLOCK)):
        rng = stream(root, part, block)
        rows, worth = _block(source, terms, given, rng)
        taken = rows.iloc[: min(BLOCK, n_rows - start)]
        taken.attrs[EFFECTIVE] = min(worth / BLOCK, 1.0) * len(taken)
        yield taken


def _block(source: Source, terms: Terms, given: Sequence[Given], rng: np.random.Generator) -> tuple[pd.DataFrame, float]:
    """One block, and how many rows it is worth."""
    found: list[Weighted] = []
    frames: list[pd.DataFrame] = []
    worth = 0.0
    while len(found) < MOST_POOLS and worth < BLOCK:
        drawn = weighted_rows(source.model, source.fitted, source.domain, given, POOL, rng)
        if terms.tests:
            frames.append(source.finish(drawn.codes, rng, within=terms.within))
            passed = np.all([test(frames[-1]) for test in terms.tests], axis=0)
            drawn = Weighted(drawn.codes, np.where(passed, drawn.log_weights, -np.inf))
        found.append(drawn)
        worth = effective_rows(np.concatenate([one.log_weights for one in found]))
    if worth < LEAST_EFFECTIVE:
        raise RefusedError(
            f"the model hardly supports the condition: {len(found) * POOL:,} drawn rows are worth {worth:.0f} of those "
            f"that meet it, and {LEAST_EFFECTIVE:.0f} are the least; widen the condition"
        )
    scores = np.concatenate([one.log_weights for one in found])
    taken = rng.permutation(resampled(scores, BLOCK, float(rng.random())))
    if terms.tests:
        rows = pd.concat(frames, ignore_index=True).iloc[taken].reset_index(drop=True)
    else:
        rows = source.finish(np.concatenate([one.codes for one in found])[taken], rng, within=terms.within)
    return rows, worth


def completed_rows(
    source: Source, codes: npt.NDArray[np.int64], known: Cells, tests: Sequence[RowTest], root: np.random.SeedSequence
) -> pd.DataFrame:
    """Finished rows of which some cells are known; rows that fail a test are drawn again, a bounded number of times.

    Args:
        source: What rows come from.
        codes: Of known cells, -1 where they are to be drawn, shape (rows, columns).
        known: Those cells.
        tests: Of finished rows.
        root: Of all random streams.

    Raises:
        RefusedError: The model cannot complete some row.
    """
    waiting, parts = np.arange(len(codes)), []
    for attempt in range(MOST_POOLS):
        drawn = completed_codes(source, codes[waiting], stream_of(root, attempt))
        mine = {name: cells[waiting] for name, cells in known.items()}
        rows = source.finish(drawn, stream(root, attempt, LAST), known=mine).set_axis(waiting)
        passed = np.all([test(rows) for test in tests], axis=0) if tests else np.ones(len(rows), dtype=bool)
        parts.append(rows[passed])
        waiting = waiting[~passed]
        if not len(waiting):
            return pd.concat(parts).sort_index()
    raise RefusedError(
        f"the model hardly supports {len(waiting):,} of the given rows under the custom constraints: each was completed "
        f"{MOST_POOLS} times in vain; give fewer columns"
    )


def completed_codes(source: Source, known: npt.NDArray[np.int64], root: np.random.SeedSequence) -> CodeArray:
    """Codes of rows of which some are known.

    Args:
        source: What rows come from.
        known: Codes, -1 where they are to be drawn, shape (rows, columns).
        root: Of all random streams.

    Raises:
        RefusedError: The model cannot complete some row.
    """
    per_block = max(POOL * 8 // CANDIDATES, 1)
    parts = [known[i : i + per_block] for i in range(0, len(known), per_block)]
    done = []
    for block, part in enumerate(parts):
        rng = stream(root, block)
        own = isinstance(source.model, Conditional)
        done.append(_completed(source, part, rng) if own else _looked_up(source, part, rng))
    return np.concatenate(done) if done else np.empty(known.shape, dtype=np.int32)


def _completed(source: Source, known: npt.NDArray[np.int64], rng: np.random.Generator) -> CodeArray:
    """Candidates for each row, one chosen by weight (sampling importance resampling, Rubin 1987)."""
    given = [Given(codes=np.repeat(codes, CANDIDATES)) if (codes >= 0).any() else FREE for codes in known.T]
    drawn = weighted_rows(source.model, source.fitted, source.domain, given, len(known) * CANDIDATES, rng)
    scores = drawn.log_weights.reshape(len(known), CANDIDATES)
    chosen = chosen_each(np.where(np.isneginf(scores).all(1, keepdims=True), 0.0, scores), rng.random(len(known)))
    return drawn.codes.reshape(len(known), CANDIDATES, -1)[np.arange(len(known)), chosen]


def _looked_up(source: Source, known: npt.NDArray[np.int64], rng: np.random.Generator) -> CodeArray:
    """For models that cannot condition: a drawn row that agrees with what is known, by chance among those that do."""
    pool = np.concatenate([source.model.sample(source.fitted, source.domain, POOL, rng).codes for _ in range(MOST_POOLS)])
    out = np.empty(known.shape, dtype=np.int32)
    patterns, of_row = np.unique(known >= 0, axis=0, return_inverse=True)
    for p, pattern in enumerate(patterns):
        places: dict[bytes, list[int]] = {}
        for i, key in enumerate(np.ascontiguousarray(pool[:, pattern], dtype=np.int64)):
            places.setdefault(key.tobytes(), []).append(i)
        for row in np.flatnonzero(of_row.ravel() == p):
            agree = places.get(np.ascontiguousarray(known[row, pattern]).tobytes())
            if agree is None:
                raise RefusedError(
                    f"none of {len(pool):,} rows drawn agrees with the known part of some given row, and this model cannot be "
                    "conditioned otherwise; give fewer columns, or fit with model hybrid or marginal"
                )
            out[row] = pool[agree[int(rng.integers(len(agree)))]]
    return out


def joined(blocks: Iterator[pd.DataFrame], empty: pd.DataFrame) -> pd.DataFrame:
    """Blocks as one frame that says what it is worth; ``empty`` where there are none."""
    parts = list(blocks)
    worth = sum(part.attrs.pop(EFFECTIVE) for part in parts)
    rows = pd.concat(parts, ignore_index=True) if parts else empty
    rows.attrs[EFFECTIVE] = worth
    return rows


def interleaved(parts: Sequence[Iterator[pd.DataFrame]], root: np.random.SeedSequence) -> Iterator[pd.DataFrame]:
    """Blocks of several conditions in turn, rows of each round in random order."""
    alive = list(parts)
    for turn in range(10**9):
        blocks = [block for block in (next(part, None) for part in alive) if block is not None]
        if not blocks:
            return
        worth = sum(block.attrs[EFFECTIVE] for block in blocks)
        rows = pd.concat([block.reset_index(drop=True) for block in blocks], ignore_index=True)
        rows = rows.iloc[stream(root, len(alive), turn).permutation(len(rows))].reset_index(drop=True)
        rows.attrs[EFFECTIVE] = worth
        yield rows
