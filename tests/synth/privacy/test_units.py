"""A whole entity moves every exact answer by at most what one unit counts, whatever rows it has."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from synth.errors import AccountingError
from synth.privacy.mechanisms import naming_chance, selection_threshold
from synth.privacy.units import PrivacyUnits, exact_owners, scale_of


def test_scales_divide_evenly_up_to_twelve_rows():
    assert [scale_of(cap) for cap in (1, 2, 3, 10, 12, 40)] == [1, 2, 6, 2520, 27720, 27720]


def test_a_unit_counts_one_at_most_and_exactly_one_up_to_twelve_rows():
    for m in range(1, 41):
        units = PrivacyUnits(m, np.zeros(m, dtype=np.int64), 40)
        whole = int(units.exact_weights().sum())
        assert 0.99 * units.scale < whole <= units.scale
        assert m > 12 or whole == units.scale


def test_rows_beyond_the_cap_and_gaps_in_the_numbers_are_refused():
    with pytest.raises(AccountingError):
        PrivacyUnits(3, np.array([0, 0, 0]), 2)
    with pytest.raises(AccountingError):
        PrivacyUnits(2, np.array([0, 2]), 2)
    with pytest.raises(AccountingError):
        PrivacyUnits(3, np.array([0, 1]), 2)
    with pytest.raises(AccountingError):
        PrivacyUnits(3, None, 2)


def test_single_rows_count_one_each():
    units = PrivacyUnits(3)
    assert (units.exact_count(), units.exact_weights(), units.scale) == (3, None, 1)
    assert list(units.exact_parts((2, 1))) == [None, None]
    rows, weights = units.exact_batch(np.array([2, 0]))
    assert rows.tolist() == [2, 0]
    assert weights is None


def test_a_batch_has_all_rows_of_its_units_that_count():
    units = PrivacyUnits(6, np.array([1, 0, -1, 1, 2, 0]), 2)
    assert units.exact_count() == 3
    assert units.exact_weights().tolist() == [1, 1, 0, 1, 2, 1]
    assert [part.tolist() for part in units.exact_parts((4, 2))] == [[1, 1, 0, 1], [2, 1]]
    rows, weights = units.exact_batch(np.array([0, 2]))
    assert rows.tolist() == [1, 4, 5]
    assert weights.tolist() == [0.5, 1.0, 0.5]
    assert units.exact_batch(np.array([], dtype=np.int64))[0].tolist() == []


def test_no_rows_are_no_units(keystream):
    owner, counts = exact_owners(np.array([], dtype=object), 3, keystream(0))
    units = PrivacyUnits(0, owner, 3)
    assert units.exact_count() == len(counts) == 0


KEYS = st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=12)


@given(KEYS, st.integers(1, 4))
def test_entities_keep_at_most_the_cap_and_rows_without_a_key_are_alone(keystream, keys, cap):
    owner, counts = exact_owners(np.array(keys, dtype=object), cap, keystream(1))
    frame = pd.DataFrame({"key": keys, "owner": owner, "counts": counts})
    for key, part in frame[frame["key"].notna()].groupby("key"):
        kept = part["owner"][part["owner"] >= 0]
        assert len(kept) == min(len(part), cap)
        assert kept.nunique() == 1
        assert set(part["counts"]) == {min(len(part), cap)}, key
    alone = frame[frame["key"].isna()]
    assert alone["owner"].nunique() == len(alone)
    assert (alone["owner"] >= 0).all()
    assert set(alone["counts"]) <= {1}
    there = np.unique(owner[owner >= 0])
    assert there.tolist() == list(range(len(there)))


def test_which_rows_are_kept_is_chance(keystream):
    """Each of four rows is kept in half of the cases; errs with a chance below 1e-6 (binomial, five standard deviations)."""
    kept = np.zeros(4)
    for seed in range(2000):
        kept += exact_owners(np.array(["a"] * 4, dtype=object), 2, keystream(seed))[0] >= 0
    assert np.abs(kept / 2000 - 0.5).max() < 5.3 * math.sqrt(0.25 / 2000)


@pytest.mark.parametrize("cap", [1, 2, 3, 10, 40])
@pytest.mark.parametrize("sigma", [0.3, 4.0, 60.0])
def test_a_unit_that_alone_holds_values_is_named_with_at_most_delta(cap, sigma):
    """Every split of a unit's rows over values, against the chance as the sum of normal tails."""
    scale, delta = scale_of(cap), 1e-6
    threshold = selection_threshold(sigma, delta, cap=cap, scale=scale)
    rng = np.random.default_rng(0)
    worst = 0.0
    for m in range(1, cap + 1):
        splits = [[m], [1] * m, *(np.bincount(rng.integers(0, max(m // 2, 1), m)).tolist() for _ in range(5))]
        for split in splits:
            weights = np.array([c * (scale // m) for c in split if c])
            worst = max(worst, float(ndtr(-(threshold + 0.5 - weights) / (sigma * scale)).sum()))
    assert worst <= delta * (1 + 1e-9)
    assert naming_chance(threshold, sigma * scale, cap, scale) >= worst * (1 - 1e-12)
    assert naming_chance(threshold - max(1, scale // 100), sigma * scale, cap, scale) > delta * 0.5


def test_several_values_of_one_unit_need_a_higher_threshold_than_one_where_noise_is_wide():
    alone = selection_threshold(50.0, 1e-6)
    many = selection_threshold(50.0, 1e-6, cap=10, scale=scale_of(10)) / scale_of(10)
    assert alone + 1 < many < alone * 1.2
