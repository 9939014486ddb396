"""Stratified uniforms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.even import SMALLEST, even_draws, octaves, systematic


@given(st.integers(0, 999), st.integers(0, SMALLEST), st.integers(1, 6))
def test_rows_that_share_a_label_have_one_number_in_each_interval(seed, rows, labels):
    rng = np.random.default_rng(seed)
    label = rng.integers(labels, size=rows)
    drawn = even_draws(label, rng)
    assert drawn.shape == (rows,)
    for one in range(labels):
        mine = drawn[label == one]
        assert np.array_equal(np.sort(np.floor(mine * len(mine))), np.arange(len(mine)))


@pytest.mark.parametrize("rows", [0, 1, SMALLEST, SMALLEST + 1, 5000, 16_384])
def test_octaves_are_halves_of_halves(rows):
    parts, end = octaves(rows), rows
    while end > SMALLEST:
        assert len(set(parts[end // 2 : end])) == 1
        assert parts[end // 2] not in parts[: end // 2]
        end //= 2
    assert not parts[:end].any()


def test_the_first_rows_are_spread_like_all():
    drawn = even_draws(np.zeros(16_384, dtype=int), np.random.default_rng(0))
    for part in (1024, 4096):
        gaps = np.abs(np.sort(drawn[:part]) - (np.arange(part) + 0.5) / part)
        assert gaps.max() < 0.01  # independent draws of 1,024: .01 to .06


def test_numbers_of_two_columns_have_nothing_to_do_with_each_other():
    rng = np.random.default_rng(1)
    label = np.zeros(4096, dtype=int)
    first, second = even_draws(label, rng), even_draws(label, rng)
    assert abs(np.corrcoef(first, second)[0, 1]) < 5.4 / np.sqrt(4096)  # false alarm 1e-7


@given(st.integers(0, 999), st.integers(1, 50), st.integers(0, 200))
def test_positions_come_in_order_as_often_as_their_masses_say(seed, cells, rows):
    rng = np.random.default_rng(seed)
    masses = rng.exponential(3.0, cells)
    found = systematic(masses, rows, rng)
    assert len(found) == rows
    assert (np.diff(found) >= 0).all()
    assert np.abs(np.bincount(found, minlength=cells) - rows * masses / masses.sum()).max() < 1 + 1e-9
