"""Graphical models against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from synth.models.junction import Junction, Marginals, eliminate, model_megabytes

ALARM = 1e-6
SIZES = (2, 3, 1, 4, 2, 3)


def potentials(seed, cliques):
    rng = np.random.default_rng(seed)
    return {c: rng.normal(0, 1.5, [SIZES[v] for v in c]) for c in cliques}


def brute_force(found):
    whole = np.zeros(SIZES)
    for cell in itertools.product(*map(range, SIZES)):
        whole[cell] = sum(values[tuple(cell[v] for v in c)] for c, values in found.items())
    whole = np.exp(whole - whole.max())
    return whole / whole.sum()


def marginal(whole, columns):
    kept = whole.sum(axis=tuple(v for v in range(len(SIZES)) if v not in columns))
    return np.transpose(kept, np.argsort(np.argsort(columns)))


GRAPHS = {
    "nothing": [],
    "one-way": [(v,) for v in range(6)],
    "chain": [(0, 1), (1, 3), (3, 4), (4, 5), (2,)],
    "cycle, axes in any order": [(1, 0), (3, 1), (5, 3), (0, 5), (4, 2)],
    "triples": [(0, 3, 1), (1, 4, 5), (2, 0), (3,)],
    "two parts": [(0, 1), (1, 3), (4, 5)],
    "star": [(3, v) for v in (0, 1, 2, 4, 5)],
}


@pytest.mark.parametrize("graph", GRAPHS)
def test_marginals_of_up_to_three_columns_are_those_of_the_joint(graph):
    found = potentials(1, GRAPHS[graph])
    whole, model = brute_force(found), Marginals(Junction.of(SIZES, found))
    for k in range(4):
        for columns in itertools.permutations(range(6), k):
            assert model.of(columns) == pytest.approx(marginal(whole, columns) if k else 1.0), columns


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True).map(tuple), max_size=6, unique_by=frozenset))
def test_any_graph_keeps_its_joint(cliques):
    found = potentials(2, cliques)
    whole, model = brute_force(found), Marginals(Junction.of(SIZES, found))
    for columns in ((0, 1), (5, 2), (3, 0), (4, 1), (1, 3, 5)):
        assert model.of(columns) == pytest.approx(marginal(whole, columns))


@pytest.mark.statistical
@pytest.mark.parametrize("graph", GRAPHS)
def test_rows_follow_the_joint(graph):
    found, n = potentials(3, GRAPHS[graph]), 40_000
    codes = Junction.of(SIZES, found).draw(n, np.random.default_rng(0))
    expected = n * brute_force(found).ravel()
    counts = np.bincount(np.ravel_multi_index(tuple(codes.T), SIZES), minlength=expected.size)
    common = expected >= 5
    pooled = [*zip(counts[common], expected[common], strict=True), (counts[~common].sum(), expected[~common].sum() + 1e-9)]
    assert sum((c - e) ** 2 / e for c, e in pooled) < chi2.isf(ALARM, len(pooled) - 1)


def test_elimination_covers_every_clique_and_every_column_once():
    cliques = [(0, 1, 3), (1, 4), (4, 5), (5, 0)]
    buckets = eliminate(SIZES, cliques)
    assert sorted(b[0] for b in buckets) == list(range(6))
    assert all(any(set(c) <= set(b) for b in buckets) for c in cliques)
    gone = set()
    for v, *rest in buckets:
        assert not gone & set(rest)
        gone.add(v)


def test_models_are_measured_by_their_largest_cliques():
    assert model_megabytes((4, 8), [(0,), (1,)]) == 12 * 8 / 2**20
    assert model_megabytes((4, 8), [(0, 1), (1,)]) == 32 * 8 / 2**20
    assert model_megabytes((4, 8, 2), [(0, 1), (1, 2)]) == 48 * 8 / 2**20
    assert model_megabytes((4, 8, 2), [(0, 1), (1, 2), (0, 2)]) == 64 * 8 / 2**20
