"""A parent's rows beside those of one child table, behind a ledger. The unit is a key: all rows of either table that hold it.

Child rows are bounded per parent by secret choice, and one parent row is kept per key; both are functions of the key's own
rows. Child rows whose parent is not there are left out, whatever other keys there are. A parent row without a key is a unit
of its own without children.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.values import check_header, texts
from synth.privacy.frame import PrivateFrame
from synth.privacy.ledger import Ledger
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.rows import CountedRows, MemoryRows
from synth.privacy.units import PrivacyUnits, exact_owners
from synth.relations import Related, Relations

IntArray = npt.NDArray[np.int64]


def open_joined(
    parent: pd.DataFrame,
    child: pd.DataFrame,
    relations: Relations,
    which: Related,
    ledger: Ledger,
    entropy: Entropy = os_entropy,
) -> PrivateFrame:
    """Put the wide table of a child behind a ledger.

    Args:
        parent: Raw rows; their header is public.
        child: The same of the child.
        relations: Public facts.
        which: The child.
        ledger: Of this run, whose unit is the parent's key.
        entropy: Source of secret bytes.

    Raises:
        InputError: A header does not match its schema.
    """
    for frame, table in ((parent, relations.parent), (child, which)):
        check_header([str(c) for c in frame.columns], table.schema, f"table {table.name!r}")
    missing = relations.parent.schema.missing
    keys, named = texts(parent[relations.parent.key], missing), texts(child[which.parent_key], missing)
    places, rows, counts = exact_join(keys, named, which.cap, entropy)
    wide = {}
    for table, frame, index in ((relations.parent, parent, places), (which, child, rows)):
        for column in table.facts:
            wide[table.wide_name(column.name)] = _taken(frame[column.name], index)
    schema = relations.wide_schema(which)
    owner = np.unique(places, return_inverse=True)[1].astype(np.int64)
    units = PrivacyUnits(len(places), owner, which.cap)
    held = CountedRows(MemoryRows(pd.DataFrame(wide, index=range(len(places)))), schema.names[0], counts)
    return PrivateFrame(held, schema, ledger, entropy, units)


def exact_join(
    keys: npt.NDArray[np.object_], named: npt.NDArray[np.object_], cap: int, entropy: Entropy
) -> tuple[IntArray, IntArray, IntArray]:
    """Which rows stand beside each other. Private.

    Args:
        keys: Of the parent rows, ``None`` where missing, shape (p,).
        named: Parents of the child rows, shape (c,).
        cap: Most child rows of a parent.
        entropy: Source of secret bytes.

    Returns:
        Position of the parent row, position of the child row (-1 for a parent without children), and how many child rows the
        parent has, all of shape (rows,).
    """
    parents = np.flatnonzero(exact_owners(keys, 1, entropy)[0] >= 0)
    place_of = {key: int(i) for i, key in zip(parents, keys[parents], strict=True) if key is not None}
    parent_of = np.array([-1 if name is None else place_of.get(name, -1) for name in named], dtype=np.int64)
    kept = np.flatnonzero((exact_owners(named, cap, entropy)[0] >= 0) & (parent_of >= 0))
    children = np.bincount(parent_of[kept], minlength=len(keys))
    lonely = parents[children[parents] == 0]
    places = np.concatenate([parent_of[kept], lonely])
    rows = np.concatenate([kept, np.full(len(lonely), -1)])
    return places, rows, children[places]


def _taken(cells: pd.Series, index: IntArray) -> pd.Series:
    """Cells by position, a gap for -1."""
    plain = cells if isinstance(cells.dtype, pd.CategoricalDtype) else cells.astype(object)
    return plain.reset_index(drop=True).reindex(np.where(index < 0, len(cells), index)).reset_index(drop=True)
