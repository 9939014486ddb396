"""Blocks hold all rows and no more, and the first do not depend on the rest."""

import itertools

import pytest

from synth.blocks import BLOCK, MANY_ROWS, SMALL_BLOCKS, block_sizes, rows_of


@pytest.mark.parametrize("total", [0, 1, BLOCK, BLOCK + 1, SMALL_BLOCKS * BLOCK + MANY_ROWS + 5])
def test_blocks_hold_all_rows(total):
    sizes = list(block_sizes(total))
    assert sum(keep for _, keep in sizes) == total
    assert [block for block, _ in sizes] == list(range(len(sizes)))
    assert all(keep == rows_of(block) for block, keep in sizes[:-1])


def test_large_blocks_come_later():
    assert [rows_of(b) for b in (0, SMALL_BLOCKS - 1, SMALL_BLOCKS, 99)] == [BLOCK, BLOCK, MANY_ROWS, MANY_ROWS]
    assert len(list(itertools.islice(block_sizes(10**12), 50))) == 50
