"""Products of signs: halves balance, a parity is found, signs are mended."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.models.measured.interactions import (
    MAX_PRODUCTS,
    REFINED,
    Products,
    _mend,
    candidate_subsets,
    half_signs,
    measure_products,
)
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.shares import measurement_mu
from synth.privacy.signs import SignProduct
from synth.privacy.vault import PrivateTable
from synth.table import Domain


def domain(sizes, target=None, in_order=()):
    return Domain(names=tuple(f"c{j}" for j in range(len(sizes))), sizes=sizes, target=target, in_order=in_order)


@given(st.integers(1, 40), st.integers(0, 999), st.booleans(), st.integers(0, 2))
def test_halves_balance(size, seed, ordered, behind):
    shares = np.random.default_rng(seed).dirichlet(np.full(size, 0.5))
    in_order = max(size - behind, 0) if ordered else 0
    signs = half_signs(shares, in_order)
    assert signs.dtype == np.int8
    assert set(signs) <= {-1, 1}
    if size > 1:
        assert set(signs) == {-1, 1}  # a constant sign would ask about fewer columns than it says
    if in_order > 1:
        assert (np.diff(signs[1:in_order]) >= 0).all()  # one threshold
        imbalance = abs(float(shares[:in_order] @ signs[:in_order]))
    else:
        imbalance = abs(float(shares @ signs))
    assert imbalance <= shares.max() + 1e-9


def test_all_triples_and_the_targets_quadruples():
    found = candidate_subsets(domain((2,) * 5, target="c2"))
    assert len(found) == len(set(found)) == 4 + 10
    assert all(len(set(s)) == len(s) for s in found)
    assert all(s[-1] == 2 for s in found if len(s) == 4)
    assert all(len(s) == 3 for s in candidate_subsets(domain((2,) * 5)))


def test_what_is_asked_does_not_depend_on_learnt_sizes():
    """How many codes a column has is learnt; whether anything is asked decides what DP-SGD gets, so it must not matter."""
    assert candidate_subsets(domain((2, 1, 2))) == candidate_subsets(domain((2, 5, 2))) == [(0, 1, 2)]
    assert candidate_subsets(domain((2, 2, 2, 1), target="c3")) == candidate_subsets(domain((3, 2, 2, 2), target="c3"))
    assert candidate_subsets(domain((2, 2))) == []


@pytest.mark.parametrize("columns", [18, 19, 40])
def test_there_are_never_too_many(columns):
    assert len(candidate_subsets(domain((2,) * columns, target="c0"))) <= MAX_PRODUCTS


def private(codes, dom, epsilon=5.0):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(len(codes)))
    return PrivateTable(codes, dom, book.rows, book)


def parity_rows(n=4000, seed=0):
    """Six columns of two halves; the fourth's half is the product of the first two's, in nine rows of ten."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 6, (n, 6))
    wanted = ((codes[:, 0] >= 3) ^ (codes[:, 1] >= 3)).astype(int)
    keep = rng.random(n) < 0.9
    codes[:, 3] = np.where(keep, 3 * wanted + codes[:, 3] % 3, codes[:, 3])
    return codes


def test_a_parity_without_any_pair_is_found_and_the_cost_is_the_shares():
    codes, dom = parity_rows(), domain((6,) * 6, in_order=(6,) * 6)
    for j in range(3):  # no pair shows it
        assert abs(np.corrcoef(codes[:, j] >= 3, codes[:, 3] >= 3)[0, 1]) < 0.06
    data = private(codes, dom)
    found = measure_products(data, [np.full(6, 1 / 6)] * 6, share=0.03, refine_share=0.02)
    assert len(found.queries) == len(found.means) == len(found.sd) == 20 + REFINED
    strongest = int(np.argmax(np.abs(found.means[:20])))
    assert found.queries[strongest].columns == (0, 1, 3)
    assert abs(found.means[strongest]) == pytest.approx(0.9, abs=6 * found.sd[strongest] + 0.05)
    mended = [q.columns for q in found.queries[20:]]
    assert mended[0] == (0, 1, 3)
    assert abs(found.means[20]) == pytest.approx(0.9, abs=6 * found.sd[20] + 0.05)
    cost = sum(e.mu**2 for e in data.ledger.events)
    assert cost == pytest.approx(0.05 * measurement_mu(data.ledger) ** 2)
    assert len(data.ledger.events) == 3


def test_mended_signs_find_an_off_median_threshold():
    """The first column's sign changes at 2 of 10, far from its median."""
    rng = np.random.default_rng(1)
    codes = np.column_stack([rng.integers(0, k, 8000) for k in (10, 2, 2)])
    codes[:, 2] = np.where(rng.random(8000) < 0.95, (codes[:, 0] >= 2) ^ codes[:, 1], codes[:, 2])
    dom = domain((10, 2, 2), in_order=(10, 0, 0))
    one_way = [np.full(10, 0.1), np.full(2, 0.5), np.full(2, 0.5)]
    found = measure_products(private(codes, dom), one_way, share=0.03, refine_share=0.02)
    signs = found.queries[-1].signs[0]
    assert (signs[:2] == -signs[2]).all()
    assert (signs[2:] == signs[2]).all()
    assert abs(found.means[-1]) > abs(found.means[0]) + 0.2


def test_nothing_to_ask_costs_nothing():
    data = private(np.zeros((10, 2), dtype=int), domain((2, 2)))
    assert measure_products(data, [np.full(2, 0.5)] * 2, share=0.1, refine_share=0.1) is None
    assert data.ledger.events == ()


def test_signs_are_only_mended_where_the_table_is_clear():
    old = np.array([1, -1, 1, -1], dtype=np.int8)
    noise = np.array([1.0, -2.0, 0.5, 0.0])
    for in_order in (0, 4):
        assert _mend(old, noise, 10.0, in_order).tolist() == old.tolist()
    clear = np.array([-100.0, 90.0, 0.0, 80.0])
    assert _mend(old, clear, 1.0, 0).tolist() == [-1, 1, 1, 1]
    assert _mend(old, np.abs(clear), 1.0, 0).tolist() == old.tolist()  # one sign for all would drop the column
    assert _mend(old, np.array([-100.0, 90.0, 80.0, -500.0]), 1.0, 3).tolist() == [-1, 1, 1, -1]
    assert old.tolist() == [1, -1, 1, -1]


def test_some_of_the_products():
    queries = tuple(SignProduct((j,), (np.array([1, -1], dtype=np.int8),)) for j in range(3))
    some = Products(queries=queries, means=np.arange(3.0), sd=np.ones(3)).chosen(np.array([True, False, True]))
    assert [q.columns for q in some.queries] == [(0,), (2,)]
    assert some.means.tolist() == [0.0, 2.0]
    assert some.sd.shape == (2,)
