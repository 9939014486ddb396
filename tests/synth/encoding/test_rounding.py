"""Round values: classes partition the grid, shares are recovered from tables, values stay in their bin."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.encoding.axis import make_axis
from synth.encoding.rounding import CLOCK, Rounding, Units, estimate_shares, groups, units_of
from synth.schema import Column, Kind

MONEY = Units(steps=(1, 5, 10, 50, 100, 500, 1000), nines=100)


def test_units_follow_the_declared_grid():
    def units(column, bounds=(0.0, 1e6)):
        return units_of(column, make_axis(column, bounds))

    assert units(Column(name="x", kind=Kind.INTEGER), (-20_000, 900)).steps[-1] == 5000
    assert units(Column(name="x", kind=Kind.INTEGER)).nines == 100
    assert units(Column(name="x", kind=Kind.DECIMAL, precision=2)).nines == 100
    assert units(Column(name="x", kind=Kind.DECIMAL, precision=3)).nines == 1000
    assert units(Column(name="x", kind=Kind.INTEGER), (0, 90)) is None
    assert units(Column(name="x", kind=Kind.FLOAT)) is None
    day = Column(name="x", kind=Kind.DATETIME, bounds=("1990-01-01", "2020-01-01"))
    assert units(day, day.numeric_bounds()) is None
    clock = Column(name="x", kind=Kind.DATETIME, bounds=("1990-01-01T00:00:00", "2020-01-01T00:00:00"))
    assert units(clock, clock.numeric_bounds()).steps == CLOCK


def test_the_class_is_the_largest_unit_that_divides():
    ticks = np.array([0, 1, -5, 20, 150, -700, 1500, 3000, 99, -1999, 4])
    assert MONEY.of(ticks).tolist() == [6, 0, 1, 2, 3, 4, 5, 6, 7, 7, 0]


@pytest.mark.parametrize("units", [MONEY, Units(steps=CLOCK, nines=86_400)])
def test_mixing_is_what_rounding_does(units):
    ticks = np.arange(10 * units.steps[-1], 20 * units.steps[-1], dtype=float)
    mixing = units.mixing()
    np.testing.assert_allclose(mixing.sum(axis=0), 1)
    for i, unit in enumerate(units.steps):
        shares = np.bincount(units.of(np.floor(ticks / unit + 0.5) * unit), minlength=units.classes) / len(ticks)
        np.testing.assert_allclose(shares, mixing[:, i], atol=unit / len(ticks))


def test_shares_are_recovered_and_noise_is_not():
    wanted = np.array([[0.4, 0, 0.3, 0, 0, 0, 0.2, 0.1], [1.0, 0, 0, 0, 0, 0, 0, 0]])
    exact = 10_000 * wanted @ MONEY.mixing().T
    rng = np.random.default_rng(1)
    found = estimate_shares(exact + rng.normal(size=exact.shape) * 20, 20.0, MONEY)
    np.testing.assert_allclose(found, wanted, atol=0.02)
    assert estimate_shares(10_000 * wanted[1:] @ MONEY.mixing().T, 20.0, MONEY) is None
    assert estimate_shares(rng.normal(size=(1, 8)) * 1e-3, 20.0, MONEY) is None


def test_groups_hold_enough_rows():
    mass = np.array([500.0, 0, 0, 700, 10, 10, 10])
    assert groups(mass, 20.0).tolist() == [0, 1]
    assert groups(mass, 1.0).tolist() == [0, 1, 4]
    assert groups(mass, 1e9).tolist() == [0]


@given(st.integers(0, 10**6), st.integers(-5000, 5000), st.integers(0, 9000))
def test_rounded_values_are_multiples_or_stay_and_never_leave(seed, low, width):
    rng = np.random.default_rng(seed)
    n = 400
    shares = rng.dirichlet(np.ones(MONEY.classes), 3)
    rounding = Rounding(units=MONEY, starts=(0, 2, 3), shares=tuple(map(tuple, shares.tolist())))
    ticks, bins, u = rng.integers(low, low + width + 1, n).astype(float), rng.integers(0, 5, n), rng.random(n)
    out = rounding.apply(ticks, bins, np.full(n, float(low)), np.full(n, float(low + width)), u)
    assert ((out >= low) & (out <= low + width)).all()
    assert (out == np.rint(out)).all()
    for g, group in enumerate((bins < 2, bins == 2, bins > 2)):
        unit = np.searchsorted(np.cumsum(shares[g])[:-1], u[group], side="right")
        multiple = [MONEY.of(np.array([v]))[0] for v in out[group]]
        kept = out[group] == ticks[group]
        assert all(k or m >= k_unit for k, m, k_unit in zip(kept, multiple, unit, strict=True))
    again = Rounding.from_dict(json.loads(json.dumps(rounding.to_dict())))
    assert (again.units, again.starts) == (rounding.units, rounding.starts)
    np.testing.assert_allclose(again.shares, shares, rtol=1e-5, atol=1e-5)


def test_nines_are_one_step_below_on_either_side_of_zero():
    rounding = Rounding(units=MONEY, starts=(0,), shares=((0.0,) * 7 + (1.0,),))
    ticks = np.array([1234.0, -1234.0, 3.0, 160.0])
    out = rounding.apply(ticks, np.zeros(4, dtype=np.int64), np.full(4, -1e6), np.full(4, 1e6), np.full(4, 0.5))
    assert out.tolist() == [1199.0, -1199.0, 99.0, 199.0]
