"""Axes, bins and values on the declared grid."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.axis import cell_index, make_axis, split_axis
from synth.encoding.coded import Coded
from synth.encoding.even import MANY
from synth.encoding.numeric import NumericCodec
from synth.encoding.rounding import Rounding, units_of
from synth.schema import Column, Kind

COLUMNS = st.sampled_from(
    [
        Column(name="x", kind=Kind.INTEGER),
        Column(name="x", kind=Kind.FLOAT),
        Column(name="x", kind=Kind.DECIMAL, precision=2),
        Column(name="x", kind=Kind.DECIMAL),
    ]
)


def rounding_of(column, axis, bins, rng):
    """Any rounding of a column that has one."""
    units = units_of(column, axis)
    if units is None:
        return None
    groups = tuple(sorted({0, int(rng.integers(bins))}))
    return Rounding(units=units, starts=groups, shares=tuple(map(tuple, rng.dirichlet(np.ones(units.classes), len(groups)))))


@given(COLUMNS, st.integers(0, 10**6), st.booleans(), st.floats(1, 1e5))
def test_decoded_values_stay_in_their_bin_and_on_the_grid(column, seed, missing, high):
    rng = np.random.default_rng(seed)
    axis = make_axis(column, (-3.0, high))
    at = rng.uniform(axis.low, axis.high, 30)
    singles = np.unique(axis.low + np.rint((at - axis.low) / axis.step) * axis.step if axis.step else at)
    axis = split_axis(axis, singles).axis if axis.wide else axis
    starts = (0, *sorted({int(v) for v in rng.integers(1, max(axis.cells, 2), 5)} - set(range(axis.cells, 2))))
    starts = tuple(s for s in starts if s < axis.cells)
    codec = NumericCodec(
        column=column,
        axis=axis,
        starts=starts,
        weights=tuple(np.round(rng.random(axis.cells) * 9, 3)),
        missing=missing,
        rounding=rounding_of(column, axis, len(starts), rng),
    )
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
    assert again.to_dict() == codec.to_dict()


def test_missing_values_count_as_the_lowest_where_missing_is_impossible():
    axis = make_axis(Column(name="x", kind=Kind.INTEGER), (0, 9))
    codec = NumericCodec(
        column=Column(name="x", kind=Kind.INTEGER, nullable=False), axis=axis, starts=(0, 5), weights=(1.0,) * 10, missing=False
    )
    assert codec.encode(np.array([np.nan, 7.0])).tolist() == [0, 1]


def test_a_single_value_is_drawn_as_it_is():
    column = Column(name="x", kind=Kind.FLOAT)
    axis = split_axis(make_axis(column, (0.0, 1.0)), np.array([0.1, 0.3, 1.0])).axis
    weights = np.zeros(axis.cells)
    weights[np.searchsorted(axis.edges, [0.1, 0.3])] = 1.0
    codec = NumericCodec(column=column, axis=axis, starts=(0,), weights=tuple(weights), missing=False)
    values = codec.decode(np.zeros(1000, dtype=np.int64), np.random.default_rng(0))
    assert set(values.tolist()) == {0.1, 0.3}


def test_encoders_written_before_rounding_are_read():
    column = Column(name="x", kind=Kind.INTEGER, bounds=(0, 5000))
    axis = make_axis(column, (0, 5000))
    old = NumericCodec(column=column, axis=axis, starts=(0, 9), weights=(1.0,) * axis.cells, missing=True).to_dict()
    assert "rounding" not in old
    assert NumericCodec.from_dict(column, old).rounding is None


@pytest.mark.parametrize("high", [9.0, 5000.0])
@pytest.mark.parametrize("rows", [60_000, MANY + 1])
def test_cells_follow_their_weights_however_many_rows_there_are(high, rows):
    """By place where each cell is one value, one by one elsewhere: within 7 standard errors."""
    column = Column(name="x", kind=Kind.INTEGER)
    axis = make_axis(column, (0.0, high))
    weights = np.random.default_rng(0).random(axis.cells)
    starts = (0, axis.cells // 3, axis.cells // 2)
    codec = NumericCodec(column=column, axis=axis, starts=starts, weights=tuple(weights), missing=True)
    codes = np.random.default_rng(1).integers(0, 4, rows)
    found = codec.coded(codes, np.random.default_rng(2))
    assert isinstance(found, Coded) is not axis.wide
    values = found.cells() if isinstance(found, Coded) else found
    assert np.array_equal(np.isnan(values), codes == 3)
    assert np.array_equal(codec.encode(values), codes)
    for first, end, code in zip(starts, (*starts[1:], axis.cells), range(3), strict=True):
        shares = weights[first:end] / weights[first:end].sum()
        mine = cell_index(values[codes == code], axis) - first
        gaps = np.bincount(mine, minlength=end - first) / len(mine) - shares
        assert (np.abs(gaps) < 7 * np.sqrt(shares / len(mine)) + 7 / len(mine)).all()
