"""Axes, bins and values on the declared grid."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.axis import make_axis
from synth.encoding.numeric import NumericCodec
from synth.schema import Column, Kind

COLUMNS = st.sampled_from(
    [
        Column(name="x", kind=Kind.INTEGER),
        Column(name="x", kind=Kind.FLOAT),
        Column(name="x", kind=Kind.DECIMAL, precision=2),
        Column(name="x", kind=Kind.DECIMAL),
    ]
)


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
