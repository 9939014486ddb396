"""Codes inside groups; one sampler for few rows and very many."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synth.models.base import Fitted
from synth.models.measured.finished import MANY, Sampler, finished_rows, within_groups
from synth.models.measured.rake import Features
from synth.models.one_way import pack
from synth.table import Domain

DOMAIN = Domain(names=("a", "b"), sizes=(3, 4))
COARSE = Domain(names=("a", "b"), sizes=(3, 2))
SHARES = [np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.3, 0.6, 0.0])]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 99))
def test_codes_stay_inside_their_group(raw, seed):
    groups = np.unique(raw, return_inverse=True)[1].astype(np.int32)
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(len(groups), 0.3))
    shares[rng.integers(len(shares))] = 0.0
    merged = rng.integers(0, groups.max() + 1, 200)
    codes = within_groups(merged, groups, shares, rng)
    assert groups[codes].tolist() == merged.tolist()
    assert within_groups(merged[:0], groups, shares, rng).shape == (0,)


def test_an_empty_group_still_yields_its_codes():
    codes = within_groups(
        np.ones(100, dtype=int), np.array([0, 1, 1], dtype=np.int32), np.array([1.0, 0, 0]), np.random.default_rng(0)
    )
    assert set(codes) == {1, 2}


@pytest.mark.statistical
def test_codes_inside_a_group_follow_the_one_way_table():
    """100,000 codes of a group of shares 0.1, 0.3, 0 and 0.2: within 0.008 (five standard errors)."""
    groups, shares = np.array([1, 0, 1, 0, 1, 1], dtype=np.int32), np.array([0.1, 0.3, 0.3, 0.1, 0.0, 0.2])
    codes = within_groups(np.ones(100_000, dtype=int), groups, shares, np.random.default_rng(0))
    found = np.bincount(codes, minlength=6) / 100_000
    assert found.tolist() == pytest.approx([1 / 6, 0, 1 / 2, 0, 0, 1 / 3], abs=0.008)
    assert (codes != 4).sum() > 99_990


def test_groups_of_one_code_are_renamed_only():
    groups, shares = np.array([2, 0, 1], dtype=np.int32), np.full(3, 1 / 3)
    assert within_groups(np.array([0, 1, 2]), groups, shares, np.random.default_rng(0)).tolist() == [1, 2, 0]


@pytest.fixture
def sampler():
    """Of even draws, whose first cell counts twice: the second column's groups then have shares .5 and .5 no more."""
    features = Features.of([(0, 1), (0,), (1,)], None, COARSE)
    multipliers = np.zeros(features.cells, dtype=np.float32)
    multipliers[0] = -np.log(2)
    tensors = {
        "one_way": pack(SHARES), "coarse": pack([SHARES[0], np.array([0.4, 0.6])]), "multipliers": multipliers,
        "groups": np.array([0, 1, 2, 0, 0, 1, 1], dtype=np.int32), **features.to_arrays(),
    }  # fmt: skip
    fitted = Fitted(tensors, {"draws_per_row": 2, "in_order": [0, 0]})

    def draw(rows, rng):
        return torch.from_numpy(rng.integers(0, COARSE.sizes, (rows, 2)))

    return Sampler(fitted, DOMAIN, draw), lambda rows, rng: finished_rows(fitted, DOMAIN, draw, rows, rng)


@pytest.mark.parametrize("rows", [20_000, MANY + 1])
def test_rows_agree_with_single_columns_and_with_pairs_however_many(sampler, rows):
    """Single columns, and odds that hold whatever is done to single columns: within 7 standard errors."""
    sampler, _ = sampler
    table = sampler(rows, np.random.default_rng(0))
    for j, shares in enumerate(SHARES):
        assert np.abs(table.counts((j,)) / rows - shares).max() < 7 * (0.25 / rows) ** 0.5
    pairs = table.counts((0, 1)).reshape(3, 2, 2).sum(2)
    odds = np.log(pairs[0, 0] * pairs[1, 1] / (pairs[0, 1] * pairs[1, 0]))
    assert abs(odds - np.log(2)) < 7 * (1 / pairs[:2]).sum() ** 0.5


@pytest.mark.parametrize("rows", [100, MANY + 1])
def test_a_sampler_that_served_before_draws_the_same_rows(sampler, rows):
    used, once = sampler
    used(MANY + 1, np.random.default_rng(5))
    found, expected = (draw(rows, np.random.default_rng(1)).codes for draw in (used, once))
    assert (found == expected).all()
