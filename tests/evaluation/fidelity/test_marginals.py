from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from evaluation.fidelity import marginals


def tables(seed: int, n_rows: int, n_columns: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, (n_rows, n_columns)) * np.array([1, 1, 2, 1])[:n_columns]


def slow_distance(first: np.ndarray, second: np.ndarray, order: int) -> float:
    found = []
    for subset in combinations(range(first.shape[1]), order):
        p, q = (Counter(map(tuple, codes[:, list(subset)].tolist())) for codes in (first, second))
        cells = {*p, *q}
        found.append(0.5 * sum(abs(p[c] / len(first) - q[c] / len(second)) for c in cells))
    return float(np.mean(found))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("dense", [1 << 20, 1])
def test_matches_the_slow_obvious_answer(order: int, dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginals, "MAX_DENSE_CELLS", dense)
    first, second, sizes = tables(0, 50), tables(1, 70), np.array([3, 3, 5, 3])
    subsets = marginals.column_subsets(4, order, np.random.default_rng(0))
    found = marginals.mean_distance(first, second, sizes, subsets)
    assert found.mean == pytest.approx(slow_distance(first, second, order))


def test_standard_error_is_that_of_repeated_sampling() -> None:
    # two coins far apart: the distance is |p - q|, whose error is known
    rng = np.random.default_rng(2)
    first, second = (rng.random((400, 1)) < p for p in (0.3, 0.6))
    found = marginals.mean_distance(first.astype(int), second.astype(int), np.array([2]), [(0,)])
    p, q = first.mean(), second.mean()
    assert found.mean == pytest.approx(abs(p - q))
    assert found.se == pytest.approx(np.sqrt(p * (1 - p) / 400 + q * (1 - q) / 400))


def test_wide_tables_use_seeded_distinct_subsets() -> None:
    first, again = (marginals.column_subsets(60, 3, np.random.default_rng(3)) for _ in range(2))
    assert first == again
    assert len(set(first)) == marginals.MAX_SUBSETS
    assert all(len(set(subset)) == 3 for subset in first)


def test_pair_matrix_diagonal_holds_single_columns() -> None:
    first, second, sizes = tables(4, 50), tables(5, 60), np.array([3, 3, 5, 3])
    matrix = marginals.pair_matrix(first, second, sizes, [0, 2])
    assert matrix[0, 0] == pytest.approx(slow_distance(first[:, [0]], second[:, [0]], 1))
    assert matrix[0, 1] == matrix[1, 0] == pytest.approx(slow_distance(first[:, [0, 2]], second[:, [0, 2]], 2))
