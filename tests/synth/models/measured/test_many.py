"""Fused tables give the scores of the released ones; resampling keeps what the weights say."""

from itertools import combinations

import numpy as np
import pytest
import torch

from synth.models.measured.interactions import Products
from synth.models.measured.many import QuickScore, resampled, weights_of
from synth.models.measured.rake import Features
from synth.privacy.signs import SignProduct
from synth.table import Domain

DOMAIN = Domain(names=tuple("abcd"), sizes=(3, 5, 2, 30))


@pytest.mark.parametrize("with_products", [False, True])
@pytest.mark.parametrize("most", [1, 1 << 15])
def test_scores_are_those_of_the_released_tables(with_products, most, monkeypatch):
    monkeypatch.setattr("synth.models.measured.many.MOST_CELLS", most)  # of a product that counts as a table
    rng = np.random.default_rng(0)
    product = SignProduct((0, 2), (np.array([1, -1, 1], dtype=np.int8), np.array([1, -1], dtype=np.int8)))
    products = Products(queries=(product,), means=np.zeros(1), sd=np.ones(1)) if with_products else None
    subsets = [*combinations(range(4), 2), (0,), (3,), (3, 1, 0), (0, 3, 2)]
    features = Features.of(subsets, products, DOMAIN)
    multipliers = torch.from_numpy(rng.normal(size=features.cells + with_products)).float()
    codes = torch.from_numpy(rng.integers(0, DOMAIN.sizes, (40_000, 4)))
    found = QuickScore(features, multipliers, DOMAIN).of(codes.numpy().T.astype(np.uint8))
    assert np.abs(found - features.score(codes, multipliers, DOMAIN).numpy()).max() < 1e-4


def test_rows_are_taken_as_often_as_their_weights_say():
    rng = np.random.default_rng(0)
    weights = weights_of(rng.normal(size=1000).astype(np.float32))
    assert weights.sum() == pytest.approx(1)
    taken = np.bincount(resampled(weights, 700, rng), minlength=1000)
    assert taken.sum() == 700
    assert np.abs(taken - 700 * weights).max() < 1 + 1e-9
    assert len(resampled(np.array([1.0]), 5, rng)) == 5
