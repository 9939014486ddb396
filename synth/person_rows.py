"""Rows of synthetic persons from drawn codes: whole persons, new keys, and one value of each constant per person."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.codec import Codec
from synth.encoding.present import typed
from synth.encoding.regenerate import NewKeys, Regeneration
from synth.persons import draw_persons
from synth.schema import Schema

Drawn = Iterator[tuple[npt.NDArray[np.int32], np.random.Generator]]


def person_blocks(
    drawn: Drawn,
    codec: Codec,
    schema: Schema,
    root: np.random.SeedSequence,
    *,
    num_rows: int | None,
    num_persons: int | None,
) -> Iterator[pd.DataFrame]:
    """Blocks of persons, up to so many rows or persons, whichever ends first.

    Args:
        drawn: Blocks of codes, with the random streams that drew them; as many as are asked for.
        codec: Of ``learnt_schema(schema)``.
        schema: Of the table, with an entity.
        root: Seed of what is made anew.
        num_rows: The last person's rows may be cut off.
        num_persons: At most.
    """
    domain = codec.domain
    constant = [domain.names.index(c.name) for c in schema.modelled if c.constant_per_entity]
    rows_seed, persons_seed, keys_seed = root.spawn(3)
    row_facts, person_facts = Regeneration(codec.schema, rows_seed), Regeneration(codec.schema, persons_seed)
    keys, first = NewKeys(schema[str(schema.entity)], keys_seed), 0
    while num_rows != 0 and (num_persons is None or first < num_persons):
        codes, rng = next(drawn)
        found = draw_persons(codes, domain.sizes, constant, rng)
        owner = found.owner if num_persons is None else found.owner[found.owner < num_persons - first]
        owner = owner if num_rows is None else owner[:num_rows]
        num_rows = None if num_rows is None else num_rows - len(owner)
        new = min(len(found.anchors), int(owner[-1]) + 1)  # every person has a row
        rows = codec.decode(found.rows.astype(np.int32), rng, row_facts.take(len(owner)), len(owner))
        once = codec.decode(found.anchors.astype(np.int32), rng, person_facts.take(new), new)
        yield _with_keys(schema, rows, once, owner, keys.take(new))
        first += len(found.anchors)


def no_persons(codec: Codec, schema: Schema) -> pd.DataFrame:
    """No rows, with the right dtypes."""
    rng, seed = np.random.default_rng(0), np.random.SeedSequence(0)
    none = codec.decode(np.empty((0, len(codec.columns)), dtype=np.int32), rng, Regeneration(codec.schema, seed).take(0), 0)
    return _with_keys(schema, none, none, np.empty(0, dtype=np.int64), NewKeys(schema[str(schema.entity)], seed).take(0))


def _with_keys(
    schema: Schema, rows: pd.DataFrame, once: pd.DataFrame, owner: npt.NDArray[np.int64], keys: npt.NDArray[np.generic]
) -> pd.DataFrame:
    """Columns in the order of the schema.

    Args:
        schema: Of the table.
        rows: All rows, without the key.
        once: One row per person, for the constants.
        owner: Person of each row.
        keys: One per person.
    """
    data = {}
    for column in schema.columns:
        if column.name == schema.entity:
            data[column.name] = typed(pd.Series(keys[owner]), column)
        elif column.constant_per_entity:
            data[column.name] = once[column.name].take(owner).reset_index(drop=True)
        else:
            data[column.name] = rows[column.name]
    return pd.DataFrame(data)
