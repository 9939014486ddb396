"""Axes: public, covering, increasing; single values split off without touching the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.axis import FINE_CELLS, apply_policy, cell_index, make_axis, split_axis
from synth.schema import Column, Kind, Outside

COLUMNS = st.sampled_from(
    [
        Column(name="x", kind=Kind.INTEGER),
        Column(name="x", kind=Kind.FLOAT),
        Column(name="x", kind=Kind.DECIMAL, precision=2),
        Column(name="x", kind=Kind.DECIMAL),
    ]
)


@given(COLUMNS, st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_axis_is_increasing_covers_the_bounds_and_is_public(column, low, width):
    axis = make_axis(column, (low, low + width))
    edges = np.asarray(axis.edges)
    assert 1 <= axis.cells <= FINE_CELLS
    assert (np.diff(edges) > 0).all()
    inside = np.clip(np.linspace(low, low + width, 50), axis.low, axis.high)
    cells = cell_index(inside, axis)
    assert ((cells >= 0) & (cells < axis.cells)).all()
    if axis.cells > 1:
        assert ((edges[cells] <= inside) | (cells == 0)).all()
        assert ((inside < edges[cells + 1]) | (cells == axis.cells - 1)).all()


@pytest.mark.parametrize(
    ("column", "bounds", "step"),
    [
        (Column(name="d", kind=Kind.DATETIME, bounds=("2020-01-01", "2020-12-31")), None, 86_400),
        (Column(name="d", kind=Kind.DATETIME, bounds=("2020-01-01T00:00:00", "2020-12-31")), None, 1),
        (Column(name="d", kind=Kind.DATETIME, format="%Y-%m-%d", bounds=("1900-01-01", "2020-12-31")), None, 86_400),
        (Column(name="d", kind=Kind.DATETIME, format="%H:%M", bounds=("2020-01-01", "2020-01-02")), None, 60),
        (Column(name="x", kind=Kind.FLOAT), (0.0, 1.0), 0),
        (Column(name="x", kind=Kind.DECIMAL, precision=1), (0.0, 1.0), 0.1),
    ],
)
def test_steps_follow_the_declared_facts(column, bounds, step):
    axis = make_axis(column, bounds or column.numeric_bounds())
    assert axis.step == step
    assert axis.cells <= FINE_CELLS


def test_policies_on_values_outside():
    axis = make_axis(Column(name="x", kind=Kind.INTEGER), (0, 9))
    values = np.array([-np.inf, -1, 3, 99, np.inf, np.nan])
    np.testing.assert_array_equal(apply_policy(values, axis, Outside.CLIP), [0, 0, 3, 9, 9, np.nan])
    np.testing.assert_array_equal(apply_policy(values, axis, Outside.NULL), [np.nan, np.nan, 3, np.nan, np.nan, np.nan])
    assert cell_index(np.array([np.nan]), axis).tolist() == [-1]


@given(COLUMNS, st.floats(-1e6, 1e6), st.floats(0.1, 1e6), st.integers(0, 10**6))
def test_a_split_gives_each_single_value_a_cell_and_keeps_the_others_apart(column, low, width, seed):
    rng = np.random.default_rng(seed)
    axis = make_axis(column, (low, low + width))
    values = np.concatenate([rng.uniform(axis.low, axis.high, 20), [axis.low, axis.high]])
    singles = np.unique(axis.low + np.rint((values - axis.low) / axis.step) * axis.step if axis.step else values)
    split = split_axis(axis, rng.permutation(singles))
    assert (np.diff(split.axis.edges) > 0).all()
    assert set(axis.edges) <= set(split.axis.edges)
    assert split.cells == axis.cells
    own = cell_index(singles, split.axis)
    assert (np.diff(own) > 0).all()
    assert np.array_equal(np.flatnonzero(split.owner < 0), own)
    others = np.concatenate([rng.uniform(axis.low, axis.high, 200), np.repeat(axis.edges, 2)])
    others = np.clip(
        axis.low + np.rint((others - axis.low) / axis.step) * axis.step if axis.step else others, axis.low, axis.high
    )
    others = others[~np.isin(cell_index(others, split.axis), own)]
    assert np.array_equal(split.owner[cell_index(others, split.axis)], cell_index(others, axis))
    if axis.step:
        assert (split.axis.room()[own] == 1).all()


def test_no_single_values_leave_the_axis_as_it_is():
    axis = make_axis(Column(name="x", kind=Kind.FLOAT), (0.0, 7.0))
    split = split_axis(axis, np.empty(0))
    assert split.axis == axis
    assert split.owner.tolist() == list(range(axis.cells))


def test_room_counts_grid_values():
    axis = make_axis(Column(name="x", kind=Kind.INTEGER), (-5000, 70_000))
    assert axis.wide
    assert axis.room().sum() == 75_001
    assert not make_axis(Column(name="x", kind=Kind.INTEGER), (0, 1000)).wide
    assert not make_axis(Column(name="x", kind=Kind.FLOAT), (3.0, 3.0)).wide


@pytest.mark.parametrize("value", [0.0, 7.0, 2.0**53, -(2.0**62), 1e300])
def test_a_single_value_has_one_cell_however_large(value):
    """Half a unit on either side is no distance between floats beyond 2^53."""
    for kind in (Kind.FLOAT, Kind.INTEGER):
        axis = make_axis(Column(name="x", kind=kind), (value, value))
        assert axis.cells == 1
        assert axis.edges[0] < axis.low == axis.high < axis.edges[1]
