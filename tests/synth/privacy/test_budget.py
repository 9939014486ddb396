"""What may be granted, and the ladder that hides the exact noisy row count."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from synth.errors import InputError, RefusedError
from synth.privacy.budget import (
    LADDER_GAP,
    NUMERICAL_SLACK,
    Budget,
    calibration_delta,
    counted_rows,
    declared_rows,
    default_delta,
    room_for,
)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("inf"), float("nan"), 100.1])
def test_meaningless_epsilons_are_refused(epsilon):
    with pytest.raises(InputError, match="epsilon"):
        Budget(epsilon=epsilon)


@pytest.mark.parametrize("delta", [0.0, -1e-6, 0.01, 1.0, float("nan"), 1e-13])
def test_meaningless_deltas_are_refused(delta):
    with pytest.raises(InputError, match="delta"):
        Budget(epsilon=1.0, delta=delta)


def test_ordinary_budgets_pass():
    assert Budget(epsilon=1, delta=1e-6).delta == 1e-6
    assert Budget(epsilon=100.0).delta is None


@given(st.integers(0, 10**9), st.floats(0.7, 1000))
def test_at_most_two_neighbouring_rungs_are_within_reach_of_a_table_and_its_neighbour(rows, sigma):
    reach = LADDER_GAP / 2 * sigma
    noisy = (math.ceil(rows - reach), math.floor(rows + 1 + reach))
    rungs = {counted_rows(n, sigma).rung for n in (*noisy, rows, rows + 1, *range(noisy[0], noisy[1], max(1, int(sigma))))}
    assert len(rungs) <= 2
    if len(rungs) == 2:
        low, high = sorted(rungs)
        assert counted_rows(low, sigma).highest <= counted_rows(high, sigma).highest
        assert counted_rows(counted_rows(low, sigma).highest + 1, sigma).rung == high


@given(st.integers(-(10**6), 10**9), st.floats(0.7, 1000))
def test_rungs_hold_the_count_they_stand_for(noisy, sigma):
    rows = counted_rows(noisy, sigma)
    assert rows.estimate == max(noisy, 1)
    assert noisy < rows.highest
    assert 1 <= rows.rung <= rows.highest
    assert not rows.public


@given(st.floats(0.7, 1000))
def test_default_delta_of_neighbouring_rungs_keeps_the_promise(sigma):
    ladder, noisy = [], 0
    for _ in range(60):
        ladder.append(counted_rows(noisy, sigma))
        noisy = math.ceil(ladder[-1].highest)
    for lower, upper in itertools.pairwise(ladder):
        ratio = default_delta(lower) / default_delta(upper)
        assert 1 <= ratio < 2.4
        promised = default_delta(upper)
        spent = calibration_delta(promised, upper, chosen=False) + calibration_delta(default_delta(lower), lower, chosen=False)
        assert spent + NUMERICAL_SLACK <= promised


def test_calibration_shares():
    counted = counted_rows(1000, 5.0)
    assert calibration_delta(1e-6, declared_rows(1000), chosen=True) == 1e-6 - NUMERICAL_SLACK
    assert calibration_delta(1e-6, counted, chosen=True) == (1e-6 - NUMERICAL_SLACK) / 2
    assert calibration_delta(1e-6, counted, chosen=False) == (1e-6 - NUMERICAL_SLACK) / 4


@pytest.mark.parametrize("rows", [1, 50, 1000, 10**6, 10**9])
def test_default_delta_is_well_below_one_row(rows):
    assert default_delta(declared_rows(rows)) <= min(1e-5, 0.11 / rows)
    assert declared_rows(rows).public


def test_so_many_rows_that_no_default_delta_is_left():
    """A site may be told any sum, also one for which the working delta would be below 0."""
    with pytest.raises(RefusedError, match="their number"):
        default_delta(counted_rows(2**62, 100.0))


@pytest.mark.parametrize(("noisy", "sigma"), [(1, 9.0), (1000, 9.0), (10**6, 30.0)])
@pytest.mark.parametrize("rate", [1e-3, 0.1, 1.0])
def test_room_is_enough_for_all_units_that_a_site_can_have(noisy, sigma, rate):
    """16 standard deviations of the common count more than it says; and with persons, all rows of each."""
    rows = counted_rows(noisy, sigma)
    room = room_for(rows, rate, 1)
    assert room_for(rows, rate, 5) == 5 * room
    assert binom.sf(room, noisy + int(16 * sigma), rate) < 1e-16
    assert room_for(declared_rows(1000), 1.0, 1) >= 1000
