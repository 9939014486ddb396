"""Parents beside their children: which rows stand together, and that a whole key moves answers by one unit at most."""

import zlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.category import closed_codec
from synth.encoding.codec import Codec
from synth.errors import InputError
from synth.privacy import units as units_module
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.joining import exact_join, open_joined
from synth.privacy.ledger import Ledger
from synth.relations import Related, Relations
from synth.schema import Column, Kind, Schema


def word(name):
    return Column(name=name, kind=Kind.CATEGORY, categories=("x", "y"))


def relations(cap):
    parent = Related(name="p", key="id", schema=Schema(columns=(Column(name="id"), word("a")), public_rows=1000))
    child = Related(name="c", parent_key="who", cap=cap, schema=Schema(columns=(word("b"), Column(name="who"))))
    return Relations(parent=parent, children=(child,))


def texts(*values):
    return np.array(values, dtype=object)


def test_children_stand_beside_their_parent_and_lonely_parents_alone(keystream):
    places, rows, counts = exact_join(texts("u", "v", None), texts("v", "nobody", "v", None, "v"), 2, keystream(1))
    assert sorted(zip(places.tolist(), counts.tolist(), strict=True)) == [(0, 0), (1, 2), (1, 2), (2, 0)]
    assert set(rows[places != 1]) == {-1}
    assert len(set(rows[places == 1])) == 2
    assert set(rows[places == 1]) < {0, 2, 4}


def test_one_parent_row_is_kept_per_key(keystream):
    places, rows, _ = exact_join(texts("u", "u", "u"), texts("u"), 3, keystream(2))
    assert (len(places), rows.tolist()) == (1, [0])


def test_no_rows_at_all_and_other_headers(keystream):
    places, rows, counts = exact_join(texts(), texts("u"), 3, keystream(3))
    assert len(places) == len(rows) == len(counts) == 0
    frames = pd.DataFrame({"id": ["u"], "a": ["x"]}), pd.DataFrame({"who": ["u"], "odd": ["x"]})
    facts, book = relations(2), Ledger(Budget(epsilon=1.0))
    with pytest.raises(InputError, match="lacks column 'b'"):
        open_joined(*frames, facts, facts.children[0], book)


KEYS, CELLS = st.sampled_from(["u", "v", "w", ""]), st.sampled_from(["x", "y", ""])
ROWS = st.lists(st.tuples(KEYS, CELLS), max_size=8)
MORE = st.lists(CELLS, max_size=6)


class ByRows:
    """The same words for a row in both tables, wherever it stands: a coupling of the two choices."""

    def __init__(self, *tables):
        self.left = list(tables)

    def __call__(self, n_bytes):
        rows = self.left.pop(0)
        words = [np.random.default_rng(zlib.crc32(repr((row, i)).encode())).integers(0, 2**63) for i, row in enumerate(rows)]
        assert 8 * len(words) == n_bytes
        return np.array(words, dtype=np.uint64).tobytes()


def tables_of(parents, children, cap):
    facts = relations(cap)
    ledger = Ledger(Budget(epsilon=50.0, delta=1e-4))
    ledger.set_rows(declared_rows(1000))
    parent = pd.DataFrame(parents, columns=["id", "a"], dtype=object)
    child = pd.DataFrame([(cell, key) for key, cell in children], columns=["b", "who"], dtype=object)
    frame = open_joined(parent, child, facts, facts.children[0], ledger, ByRows(parents, children))
    codec = Codec(frame.whole, tuple(closed_codec(c) for c in frame.whole.columns))
    table = frame.encode(codec, declared_rows(1000), ())
    return [m.counts for m in table.noisy_marginals([table.domain.names, ("p.a",)], share=0.1)]


@given(ROWS, ROWS, MORE, MORE, st.integers(1, 4))
def test_a_whole_key_moves_every_table_by_one_at_most(parents, children, more_parents, more_children, cap):
    real, units_module.noisy_counts = units_module.noisy_counts, lambda exact_sums, *, sigma, entropy: exact_sums
    try:
        less = tables_of(parents, children, cap)
        new_parents, new_children = [("new", c) for c in more_parents], [("new", c) for c in more_children]
        more = tables_of([*parents, *new_parents], [*children, *new_children], cap)
    finally:
        units_module.noisy_counts = real
    for before, after in zip(less, more, strict=True):
        moved = np.abs(after - before)
        assert moved.sum() <= 1 + 1e-12
        assert (moved.sum() > 0) == bool(more_parents)  # children without a parent change nothing
