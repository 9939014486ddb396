"""Axes, bins and values on the declared grid."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.numeric import FINE_CELLS, NumericCodec, apply_policy, cell_index, coarse_bins, make_axis
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
        (Column(name="d", kind=Kind.DATETIME, format="%H:%M", bounds=("2020-01-01", "2020-01-02")), None, 1),
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


def test_bins_have_even_mass_and_atoms_stand_alone():
    noisy = np.full(100, 10.0)
    noisy[40] = 5000
    starts = coarse_bins(noisy, sigma=1.0, rows=5990, n_bins=10)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert {40, 41} <= set(starts.tolist())
    assert 8 <= len(starts) <= 14
    assert coarse_bins(np.zeros(5), sigma=1.0, rows=100, n_bins=10).tolist() == [0]


@given(COLUMNS, st.integers(0, 10**6), st.booleans(), st.floats(1, 1e5))
def test_decoded_values_stay_in_their_bin_and_on_the_grid(column, seed, missing, high):
    rng = np.random.default_rng(seed)
    axis = make_axis(column, (-3.0, high))
    starts = (0, *sorted({int(v) for v in rng.integers(1, max(axis.cells, 2), 5)} - set(range(axis.cells, 2))))
    starts = tuple(s for s in starts if s < axis.cells)
    codec = NumericCodec(column=column, axis=axis, starts=starts, weights=tuple(rng.random(axis.cells) * 9), missing=missing)
    codes = rng.integers(0, codec.size, 300)
    values = codec.decode(codes, rng)
    known = ~np.isnan(values)
    assert np.array_equal(known, codes < len(starts))
    assert ((values[known] >= axis.low) & (values[known] <= axis.high)).all()
    assert np.array_equal(codec.encode(values)[known], codes[known])
    if axis.step:
        assert np.abs(values[known] / axis.step - np.rint(values[known] / axis.step)).max(initial=0) < 1e-6
    again = NumericCodec.from_dict(column, json.loads(json.dumps(codec.to_dict())))
    assert (again.axis, again.starts, again.ordered, again.size) == (codec.axis, starts, True, codec.size)


def test_missing_values_count_as_the_lowest_where_missing_is_impossible():
    axis = make_axis(Column(name="x", kind=Kind.INTEGER), (0, 9))
    codec = NumericCodec(
        column=Column(name="x", kind=Kind.INTEGER, nullable=False), axis=axis, starts=(0, 5), weights=(1.0,) * 10, missing=False
    )
    assert codec.encode(np.array([np.nan, 7.0])).tolist() == [0, 1]
