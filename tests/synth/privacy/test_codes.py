"""Codes in memory and on disk hold the same, in the smallest type."""

import mmap

import numpy as np
import pytest

from synth.errors import AccountingError
from synth.privacy import codes as module
from synth.privacy.codes import Codes, code_type
from synth.privacy.scratch import Scratch

SIZES = (3, 300, 70_000)


def filled(rows, scratch=None, sizes=SIZES):
    out = Codes(sizes, len(rows), scratch)
    for j in range(len(sizes)):
        for start in range(0, len(rows), 10):
            out.write(j, start, rows[start : start + 10, j])
    return out


@pytest.fixture(params=["memory", "disk"])
def scratch(request, tmp_path):
    return Scratch(tmp_path) if request.param == "disk" else None


def whole(found, n):
    return np.column_stack([np.concatenate([b[0] for b in found.blocks([j], 7)]) for j in range(n)])


def test_types_are_the_smallest_that_hold_the_codes():
    assert [code_type(s) for s in (1, 256, 257, 65_536, 65_537)] == [np.uint8, np.uint8, np.uint16, np.uint16, np.int32]


@pytest.mark.parametrize("n", [0, 1, 25])
def test_codes_are_read_back_in_blocks_and_by_position(scratch, n):
    rows = np.random.default_rng(0).integers(0, SIZES, (n, 3))
    found = filled(rows, scratch)
    assert np.array_equal(whole(found, 3), rows)
    at = np.arange(n)[::3]
    assert np.array_equal(found.take(at), rows[at])
    assert [b[0].dtype for b in (next(found.blocks([j])) for j in range(3))] == [np.uint8, np.uint16, np.int32]
    assert np.array_equal(whole(Codes.of(rows, SIZES), 3), rows)


def test_merging_codes_stays_where_the_codes_are(scratch):
    rows = np.random.default_rng(0).integers(0, SIZES, (40, 3))
    maps = [np.array([1, 0, 1]), np.arange(300) // 100, np.arange(70_000) % 2]
    merged = filled(rows, scratch).merged(maps)
    assert merged.scratch is scratch
    assert merged.sizes == (2, 3, 2)
    assert np.array_equal(whole(merged, 3), np.column_stack([m[c] for m, c in zip(maps, rows.T, strict=True)]))


def test_mapped_pages_are_let_go_when_they_are_many(tmp_path, monkeypatch):
    advice = []

    class Map(mmap.mmap):
        def madvise(self, *args):
            advice.append(args)
            return super().madvise(*args)

    monkeypatch.setattr(mmap, "mmap", Map)
    monkeypatch.setattr(module, "RESIDENT", 20)
    found = filled(np.zeros((25, 3), dtype=np.int64), Scratch(tmp_path))
    assert (mmap.MADV_DONTNEED,) in advice
    assert whole(found, 3).sum() == 0


@pytest.mark.parametrize("rows", [np.array([1, 2, 0]), np.array([[1, 2]]), np.array([[3, 0, 0]]), np.array([[0, -1, 0]])])
def test_codes_outside_the_domain_are_refused(rows):
    with pytest.raises(AccountingError):
        Codes.of(rows, SIZES)
