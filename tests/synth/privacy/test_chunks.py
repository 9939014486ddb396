"""Chunks: all rows, in order, in one public shape; what fills up the last one counts nothing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synth.privacy.chunks import LARGEST, STEP, chunk_rows, chunks


@pytest.mark.parametrize(
    ("expected", "rows"), [(1e-9, STEP), (60, STEP), (100, 2 * STEP), (1024, 9 * STEP), (1e6, LARGEST), (1e300, LARGEST)]
)
def test_a_chunk_holds_nearly_every_sample_up_to_the_largest(expected, rows):
    assert chunk_rows(expected) == rows
    assert LARGEST % STEP == 0


@given(st.integers(0, 40), st.integers(1, 12), st.booleans())
def test_every_row_is_there_once_with_its_weight(rows, size, weighed):
    codes = torch.arange(2 * rows).reshape(rows, 2)
    weights = torch.rand(rows, dtype=torch.float64) + 0.1 if weighed else None
    parts = list(chunks(codes, weights, size))
    assert [p.shape for p, _ in parts] == [(size, 2)] * -(-rows // size)
    if not rows:
        return
    told, counted = torch.cat([p for p, _ in parts]), torch.cat([w for _, w in parts])
    assert torch.equal(told[:rows], codes)
    assert bool((told[rows:] == codes[-1]).all())
    assert torch.equal(counted[:rows], torch.ones(rows).double() if weights is None else weights)
    assert not counted[rows:].any()
