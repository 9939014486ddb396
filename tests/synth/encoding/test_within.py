"""What conditions leave of a bin, against enumeration of everything that decoding can do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from synth.encoding.axis import make_axis
from synth.encoding.category import CategoryCodec
from synth.encoding.numeric import NumericCodec
from synth.encoding.rounding import Rounding, units_of
from synth.encoding.within import Interval, category_within, numeric_within, unit_chances
from synth.schema import Column, Kind

WHOLE = Column(name="x", kind=Kind.INTEGER)
CENTS = Column(name="x", kind=Kind.DECIMAL, precision=2)
FLOATS = Column(name="x", kind=Kind.FLOAT)


def codec_of(column, low, high, bins, seed, cells=40, rounded=True):
    rng = np.random.default_rng(seed)
    axis = make_axis(column, (low, high), cells=cells)
    starts = (0, *sorted({int(v) for v in rng.integers(1, max(axis.cells, 2), bins)} - {axis.cells}))
    units, rounding = units_of(column, axis), None
    if units is not None and rounded:
        rounding = Rounding(units=units, starts=(0,), shares=(tuple(rng.dirichlet(np.ones(units.classes))),))
    weights = tuple(rng.dirichlet(np.ones(axis.cells)))
    return NumericCodec(column=column, axis=axis, starts=starts, weights=weights, missing=True, rounding=rounding)


def everything(codec):
    """Every value of a grid that decoding can give, with its bin and probability in the bin, by enumeration."""
    axis, found = codec.axis, []
    first, last = axis.ticks()
    owner = np.repeat(np.arange(len(codec.starts)), np.diff((*codec.starts, axis.cells)))
    mass = np.maximum(codec.weights, 1e-12)
    zero = np.rint(axis.low / axis.step)
    for cell in range(axis.cells):
        b = owner[cell]
        low, high = first[codec.starts[b]], last[((*codec.starts[1:], axis.cells)[b]) - 1]
        for unit, chance in enumerate(unit_chances(codec, np.array([cell]), owner)[0]):
            ticks = np.arange(first[cell], last[cell] + 1)
            values = ticks
            if unit:
                values = codec.rounding.rounded(ticks + zero, np.full(len(ticks), unit), low + zero, high + zero) - zero
            share = mass[cell] / mass[owner == b].sum() * chance / len(ticks)
            found += [(b, axis.low + v * axis.step, share) for v in values]
    return np.array(found)


@given(st.integers(0, 10**6), st.sampled_from([(WHOLE, -300, 900), (CENTS, 0, 9), (WHOLE, 3, 5)]), st.booleans(), st.booleans())
def test_shares_equal_enumeration(seed, kind, with_low, with_high):
    codec = codec_of(*kind, bins=4, seed=seed)
    rng = np.random.default_rng(seed)
    table = everything(codec)
    low, high = np.sort(rng.choice(table[:, 1], 2))
    interval = Interval(low=low, high=high, with_low=with_low, with_high=with_high)
    near = np.where(np.abs(table[:, 1] - low) < 1e-7, low, np.where(np.abs(table[:, 1] - high) < 1e-7, high, table[:, 1]))
    wanted = np.bincount(table[:, 0].astype(int), table[:, 2] * interval.holds(near), len(codec.starts))
    found = numeric_within(codec, (interval,), missing=False)
    assert found.share == pytest.approx([*wanted, 0.0], abs=1e-9)


@pytest.mark.statistical
@pytest.mark.parametrize("kind", [(WHOLE, -300, 900), (CENTS, 0, 9), (FLOATS, -2.0, 5.0)])
def test_draws_follow_the_conditional_distribution(kind):
    """Chi-square of restricted draws against filtered plain draws; false alarm 1e-6 in all three."""
    codec = codec_of(*kind, bins=2, seed=5)
    low, high = (-120.0, 437.0) if kind[0] is WHOLE else (1.23, 4.56)
    interval, n, rng = Interval(low=low, high=high, with_high=False), 200_000, np.random.default_rng(0)
    within = numeric_within(codec, (interval,), missing=False)
    code = int(np.argmax(within.share[:-1] * (within.share[:-1] < 1) + within.share[:-1] * 1e-3))
    plain = codec.decode(np.full(n, code), rng)
    kept = plain[interval.holds(plain)]
    drawn = within.decode(np.full(len(kept), code), rng)
    assert interval.holds(drawn).all()
    edges = np.unique(np.quantile(kept, np.linspace(0, 1, 40)))
    a, b = (np.histogram(v, edges)[0] for v in (kept, drawn))
    statistic = ((a - b) ** 2 / np.maximum(a + b, 1)).sum()
    assert statistic < chi2.ppf(1 - 1e-6 / 3, len(a))
    spread = 6 * np.sqrt(within.share[code] * (1 - within.share[code]) / n)
    assert len(kept) / n == pytest.approx(within.share[code], abs=spread)


def test_single_values_of_floats_and_gaps():
    codec = codec_of(FLOATS, 0.0, 1.0, bins=3, seed=1)
    point = numeric_within(codec, (Interval(low=0.25, high=0.25),), missing=True)
    assert (point.share[:-1] > 0).sum() == 1
    assert point.share[-1] == 1
    code = int(np.argmax(point.share[:-1]))
    assert point.decode(np.full(5, code), np.random.default_rng(0)).tolist() == [0.25] * 5
    gap = numeric_within(codec, (), missing=True)
    assert gap.share.tolist() == [0.0] * len(codec.starts) + [1.0]
    assert np.isnan(gap.decode(np.array([0, len(codec.starts)]), np.random.default_rng(0))).all()


def test_categories_are_in_or_out():
    codec = CategoryCodec(column=Column(name="c"), categories=("a", "b"), other=False, missing=True)
    found = category_within(codec, np.array([True, False, True]))
    assert found.share.tolist() == [1, 0, 1]
    assert found.decode(np.array([0, 2]), np.random.default_rng(0)).tolist() == ["a", None]
