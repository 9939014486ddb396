"""Folding, and fitted models as arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.models.graphical import (
    draw_rows,
    fold_groups,
    measure_and_fold,
    measure_rho,
    noise_size,
    rho_budget,
    spend_rest_on_one_way,
    to_fitted,
)
from synth.models.junction import Junction
from synth.models.mbi_bridge import Table
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.events import SelectionEvent
from synth.privacy.ledger import Ledger
from synth.privacy.renyi import renyi_epsilon
from synth.privacy.shares import Measurement
from synth.privacy.vault import PrivateTable
from synth.table import Domain

DOMAIN = Domain(names=("age", "town"), sizes=(30, 12), in_order=(30, 0))


def private(n=4000, measured=(), epsilon=2.0):
    rng = np.random.default_rng(1)
    town = np.minimum(rng.geometric(0.5, n) - 1, 11)
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(n))
    return PrivateTable(np.column_stack([rng.integers(0, 30, n), town]), DOMAIN, book.rows, book, measured)


def table(counts, sigma=1.0):
    return Table(np.asarray(counts, dtype=np.float64), np.full(len(counts), sigma))


def test_faint_categories_share_a_code():
    assert fold_groups(table([100, 2, 50, -4, 3.5]), False, 10).tolist() == [0, 3, 1, 3, 2]
    assert fold_groups(table([100, 90, 50, 40]), False, 10).tolist() == [0, 1, 2, 3]
    assert fold_groups(table([100, 90, 50, 110]), False, 3).tolist() == [1 - 1, 2, 2, 1]
    assert fold_groups(table([0, 0, 0]), False, 3).tolist() == [0, 0, 0]


@given(st.lists(st.floats(-50, 500), min_size=1, max_size=40), st.booleans(), st.integers(2, 12))
def test_groups_are_whole_and_few(counts, ordered, most):
    groups = fold_groups(table(counts), ordered, most)
    assert np.array_equal(np.unique(groups), np.arange(groups.max() + 1))
    assert groups.max() < most
    if ordered:
        assert (np.diff(groups) >= 0).all()
        assert len(counts) == 1 or groups[-1] != groups[-2]


def test_measuring_spends_its_share_and_uses_what_is_known():
    exact = np.bincount(np.random.default_rng(1).integers(0, 30, 4000), minlength=30)
    sharp = Measurement(names=("age",), counts=np.full(30, 1e4), sigma=np.asarray(1e-3))
    data = private(measured=[sharp])
    rho = rho_budget(data)
    folded = measure_and_fold(data, rho / 4, 8)
    assert rho_budget(data) == pytest.approx(rho * 3 / 4, rel=1e-3)
    assert folded.whole[0].counts == pytest.approx(np.full(30, 1e4))
    assert exact.max() < 1e4
    assert folded.table.domain.sizes[0] <= 8
    assert folded.active == [0, 1]
    assert folded.names((1, 0)) == ("town", "age")
    assert folded.tables[(1,)].counts.sum() == pytest.approx(folded.whole[1].counts.sum())
    measure_rho(data, [("town",)], rho / 4)
    again = spend_rest_on_one_way(data, folded, rho / 2)
    assert 1.999 < renyi_epsilon(data.ledger.events, data.ledger.working_delta) <= 2.0
    assert (again.whole[1].sigma < folded.whole[1].sigma).all()
    (burnt,) = [e for e in data.ledger.events if isinstance(e, SelectionEvent)]  # so that the card reads as on the other path
    assert burnt.epsilon == 1e-6
    assert 1.999 < epsilon_of(data.ledger.events, data.ledger.working_delta) <= 2.0


@pytest.mark.statistical
def test_merged_codes_are_drawn_as_measured():
    """40,000 rows: shares within 0.015 of the projected one-way tables, six standard errors."""
    data = private()
    folded = measure_and_fold(data, rho_budget(data), 8)
    tables = {c: np.log(np.maximum(t.counts, 1e-9)) for c, t in folded.tables.items()}
    fitted = to_fitted(Junction.of(folded.table.domain.sizes, tables), folded)
    assert set(fitted.tensors) == {"given_0", "given_1", "one_way", "groups"}
    codes = draw_rows(fitted, DOMAIN, 40_000, np.random.default_rng(0)).codes
    assert codes.dtype == np.int32
    shares = np.split(fitted.tensors["one_way"], [30])
    for j in range(2):
        assert np.bincount(codes[:, j], minlength=DOMAIN.sizes[j]) / 40_000 == pytest.approx(shares[j], abs=0.015)


def test_expected_noise_is_its_mean_absolute_value():
    draws = np.random.default_rng(0).normal(0, 3.0, 100_000)
    assert noise_size(3.0, 100_000) == pytest.approx(np.abs(draws).sum(), rel=0.02)
