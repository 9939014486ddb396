"""Chunks: all rows in one public shape, at secret places; what fills them up counts nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from synth.privacy.chunks import LARGEST, STEP, chunk_rows, chunks


@pytest.mark.parametrize(
    ("expected", "rows"), [(1e-9, STEP), (60, STEP), (100, 2 * STEP), (1024, 9 * STEP), (1e6, LARGEST), (1e300, LARGEST)]
)
def test_a_chunk_holds_nearly_every_sample_up_to_the_largest(expected, rows):
    assert chunk_rows(expected) == rows
    assert LARGEST % STEP == 0


@given(st.integers(0, 40), st.integers(1, 12), st.booleans())
def test_every_row_is_there_once_with_its_weight(rows, size, weighed):
    codes = torch.arange(1, 2 * rows + 1).reshape(rows, 2)
    weights = torch.rand(rows, dtype=torch.float64) + 0.1 if weighed else None
    parts = list(chunks(codes, weights, size))
    assert [p.shape for p, _ in parts] == [(size, 2)] * -(-rows // size)
    if not rows:
        return
    told, counted = torch.cat([p for p, _ in parts]), torch.cat([w for _, w in parts])
    there = torch.argsort(told[:, 0])[len(told) - rows :]
    assert torch.equal(told[there], codes)
    assert torch.equal(counted[there], torch.ones(rows).double() if weights is None else weights)
    assert (int((counted == 0).sum()), int((told == 0).sum())) == (len(told) - rows, 2 * (len(told) - rows))


@pytest.mark.parametrize("rows", [0, 1, 7, 29])
@pytest.mark.parametrize("room", [0, 30])
def test_a_row_more_leaves_all_others_where_they_are(rows, room):
    """The same secret places for the rows that are in both; and a number of chunks that does not tell how many there are."""
    codes = torch.arange(1, 2 * rows + 3).reshape(rows + 1, 2)
    weights = torch.rand(rows + 1, dtype=torch.float64) + 0.1
    less = list(chunks(codes[:rows], weights[:rows], 6, max(room, 30), np.random.default_rng(4).bytes))
    more = list(chunks(codes, weights, 6, room, np.random.default_rng(4).bytes))
    assert [c.shape for c, _ in less] == [c.shape for c, _ in more] == [(6, 2)] * 5 or room == 0
    told, counted = torch.cat([c for c, _ in more]), torch.cat([w for _, w in more])
    assert sorted(told[counted > 0].tolist()) == codes.tolist()
    assert not told[counted == 0].any()
    if room:
        before, counted_before = torch.cat([c for c, _ in less]), torch.cat([w for _, w in less])
        moved = (before != told).any(1) | (counted_before != counted)
        assert told[moved].tolist() == codes[rows:].tolist()


def test_places_are_evenly_drawn():
    """Chi-square at 1e-7."""
    found = np.zeros(8)
    for _ in range(800):
        (part,) = chunks(torch.tensor([[5], [6]]), None, 8)
        found += part[0][:, 0].numpy() == 5
    assert ((found - 100) ** 2 / 100).sum() < chi2.ppf(1 - 1e-7, 7)
