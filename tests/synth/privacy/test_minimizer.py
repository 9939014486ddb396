"""Output perturbation: how far one unit moves the minimiser, what float64 may hide, and the charge before the training."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import AccountingError, InputError, RefusedError
from synth.privacy import minimizer
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.chain import read_ledger
from synth.privacy.codes import Codes
from synth.privacy.events import GaussianEvent
from synth.privacy.ledger import Ledger
from synth.privacy.minimizer import (
    LIPSCHITZ,
    TOLERANCE,
    RidgePlan,
    check_ridge,
    exact_minimizer,
    gradient_slack,
    largest_weights,
    ridge_event,
    shape_of,
)
from synth.privacy.randomness import os_entropy
from synth.privacy.units import PrivacyUnits
from synth.privacy.vault import PrivateTable
from synth.table import Domain

SIZES = (3, 2, 3)
DOMAIN = Domain(names=("a", "b", "y"), sizes=SIZES, target="y")
TABLES = st.lists(st.tuples(*(st.integers(0, k - 1) for k in SIZES)), min_size=0, max_size=12)
RIDGES = st.floats(0.05, 20)


def minimum(rows, plan, units=None):
    codes = Codes.of(np.array(rows, dtype=np.int64).reshape(-1, len(SIZES)), SIZES)
    units = units or PrivacyUnits(len(rows))
    return exact_minimizer(codes, units.exact_weights(), units.scale, plan)


def slope(rows, at, ridge):
    """The gradient, row by row, the slow way."""
    whole = ridge * at
    for a, b, y in rows:
        x = np.zeros(len(at))
        x[[a, 3 + b, 5]] = 1 / math.sqrt(3)
        chances = np.exp(x @ at - (x @ at).max())
        whole = whole + np.outer(x, chances / chances.sum() - np.eye(3)[y])
    return whole


@settings(deadline=None)
@given(TABLES, RIDGES)
def test_the_gradient_there_is_within_the_tolerance(rows, ridge):
    found = minimum(rows, RidgePlan(2, ridge))
    assert found.shape == shape_of(RidgePlan(2, ridge), DOMAIN) == (6, 3)
    assert np.linalg.norm(slope(rows, found, ridge)) <= TOLERANCE


@settings(deadline=None)
@given(TABLES, st.tuples(*(st.integers(0, k - 1) for k in SIZES)), RIDGES)
def test_one_row_more_moves_the_weights_by_no_more_than_is_charged(rows, row, ridge):
    plan = RidgePlan(2, ridge)
    moved = np.linalg.norm(minimum([*rows, row], plan) - minimum(rows, plan))
    assert moved <= plan.sensitivity


@settings(deadline=None)
@given(TABLES, st.lists(st.tuples(*(st.integers(0, k - 1) for k in SIZES)), min_size=1, max_size=4), RIDGES)
def test_one_entity_more_moves_the_weights_by_no_more_than_is_charged(rows, person, ridge):
    plan, owner = RidgePlan(2, ridge), np.arange(len(rows))
    whole = PrivacyUnits(len(rows) + len(person), np.append(owner, np.full(len(person), len(rows))), cap=4)
    before = minimum(rows, plan, PrivacyUnits(len(rows), owner, cap=4))
    assert np.linalg.norm(minimum([*rows, *person], plan, whole) - before) <= plan.sensitivity


def test_the_charge_is_not_far_from_what_a_row_can_do():
    """Half of it at a large ridge: the gradient of a row at even chances of three is sqrt(2 / 3)."""
    plan = RidgePlan(2, 1000.0)
    moved = np.linalg.norm(minimum([(0, 0, 0)], plan) - minimum([], plan))
    assert moved > 0.5 * plan.sensitivity


def test_gradient_steps_go_on_where_the_search_ends_too_early(monkeypatch):
    rows, plan = [(0, 0, 0), (1, 1, 1), (2, 0, 2)] * 5, RidgePlan(2, 1.0)
    known = minimum(rows, plan)

    class Stopped:
        x = np.full(18, 3.0)  # worse than zeros: begins there

    monkeypatch.setattr(minimizer.optimize, "minimize", lambda *_, **__: Stopped)
    found = minimum(rows, plan)
    assert np.linalg.norm(found - known) <= 2 * TOLERANCE / plan.ridge
    Stopped.x = known.ravel() + 1e-3
    assert np.linalg.norm(minimum(rows, plan) - known) <= 2 * TOLERANCE / plan.ridge


def test_what_float64_may_hide_is_small_and_grows_with_the_rows():
    """Held against sums in another order and in longer numbers: the true error is far below."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.integers(0, k, 4000) for k in SIZES])
    plan, at = RidgePlan(2, 3.0), rng.normal(size=(6, 3))
    slow = slope(rows.tolist(), at.astype(np.longdouble), np.longdouble(3.0))
    blocks = minimizer._blocks(Codes.of(rows, SIZES), None, 1, 2)
    fast = plan.ridge * at
    for x, labels, _ in blocks:
        logits = x @ at
        chances = np.exp(logits - logits.max(1, keepdims=True))
        fast = fast + x.T @ (chances / chances.sum(1, keepdims=True) - np.eye(3)[labels])
    slack = gradient_slack(4000, float(np.linalg.norm(at)), 3, 3)
    assert np.linalg.norm((slow - fast).astype(float)) < slack < 1e-6
    assert gradient_slack(10**6, 100.0, 15, 2) > gradient_slack(10**5, 100.0, 15, 2)
    assert gradient_slack(10**5, 100.0, 15, 2, rows=10**6) > gradient_slack(10**5, 100.0, 15, 2)
    assert largest_weights(100, 2.0, 1) == 0


def ledger_at(path=None):
    book = Ledger(Budget(epsilon=2.0, delta=1e-6), path)
    book.set_rows(declared_rows(1000))
    return book


def test_weights_are_charged_before_they_are_trained_and_a_refusal_trains_none(tmp_path, keystream, script, monkeypatch):
    path, seen = tmp_path / "l", []
    book, plan, stream = ledger_at(path), RidgePlan(2, 5.0), keystream(1)
    codes = np.array([[0, 0, 0], [1, 1, 1], [2, 0, 2]])
    real = minimizer.exact_minimizer

    def watched(*rest):
        seen.append(sum(r["record"] == "event" for r in read_ledger(path)))
        return real(*rest)

    monkeypatch.setattr(minimizer, "exact_minimizer", watched)
    found = PrivateTable(codes, DOMAIN, book.rows, book, (), stream).noisy_minimizer(plan, share=0.5)
    assert seen == [1]
    assert found.shape == (6, 3)
    (event,) = book.events
    assert event.l2_sensitivity == pytest.approx(plan.sensitivity, rel=0.006)
    assert event.l2_sensitivity > plan.sensitivity > LIPSCHITZ / plan.ridge
    with pytest.raises(RefusedError):
        PrivateTable(codes, DOMAIN, book.rows, book, (), script()).noisy_minimizer(plan, share=0.9)
    assert seen == [1]


@pytest.mark.statistical
def test_the_noise_is_that_of_the_event_around_the_minimiser():
    """Eighteen weights, 400 times: mean and standard deviation within six standard errors."""
    codes, plan = np.array([[0, 0, 0], [1, 1, 1], [2, 0, 2]]), RidgePlan(2, 5.0)
    found = []
    for _ in range(400):
        book = ledger_at()
        found.append(PrivateTable(codes, DOMAIN, book.rows, book).noisy_minimizer(plan, share=0.9))
    noise = (np.array(found) - minimum(codes.tolist(), plan)) / book.events[0].sigma
    assert abs(noise.mean()) < 6 / math.sqrt(noise.size)
    assert abs(noise.std() - 1) < 6 / math.sqrt(2 * noise.size)


def test_events_scale_with_the_noise():
    plan = RidgePlan(2, 5.0)
    event = ridge_event(plan, DOMAIN, 3.0)
    assert event == GaussianEvent(
        what="weights of a convex model", target=("y",), sigma=3 * event.l2_sensitivity, l2_sensitivity=event.l2_sensitivity
    )


@pytest.mark.parametrize("plan", [RidgePlan(3, 1.0), RidgePlan(-1, 1.0), RidgePlan(2, 0.0), RidgePlan(2, math.inf)])
def test_impossible_plans_are_refused(plan):
    with pytest.raises(AccountingError, match="convex model"):
        check_ridge(plan, DOMAIN, declared_rows(100), os_entropy)


@pytest.mark.parametrize("domain", [Domain(names=("y",), sizes=(3,)), Domain(names=("a", "y"), sizes=(3, 1))])
def test_tables_without_a_conditional_are_refused(domain):
    with pytest.raises(AccountingError, match="convex model"):
        check_ridge(RidgePlan(len(domain.sizes) - 1, 1.0), domain, declared_rows(100), os_entropy)


def test_what_cannot_be_certified_is_refused_by_public_figures():
    check_ridge(RidgePlan(2, 30.0), DOMAIN, declared_rows(10**5), os_entropy)
    with pytest.raises(RefusedError, match="too many rows"):
        check_ridge(RidgePlan(2, 30.0), DOMAIN, declared_rows(10**8), os_entropy)
    with pytest.raises(RefusedError, match="too many rows"):  # of few persons, each with many
        check_ridge(RidgePlan(2, 30.0), DOMAIN, declared_rows(10**5), os_entropy, cap=10**6)


def test_several_processes_are_refused():
    class Crew:
        size = 2

        def __call__(self, n_bytes):
            raise AssertionError

        total = merged = told = __call__

    with pytest.raises(InputError, match="one process"):
        check_ridge(RidgePlan(2, 1.0), DOMAIN, declared_rows(100), Crew())
