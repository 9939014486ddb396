import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from synth.models.one_way import combine, log_shares, measure_one_way, noise, pack, project, settled, unpack
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.shares import Measurement
from synth.privacy.vault import PrivateTable
from synth.table import Domain

counts = st.lists(st.floats(-2000, 2000), min_size=1, max_size=12).map(np.array)


@given(counts, st.integers(1, 3000))
def test_a_projection_is_a_distribution(noisy, rows):
    p = project(noisy, rows)
    assert p.shape == noisy.shape
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1.0)


@given(counts, st.integers(1, 3000))
def test_it_is_the_nearest_one(noisy, rows):
    """No other distribution is nearer: the variational inequality of a projection at all corners of the simplex."""
    p, point = project(noisy, rows), noisy / rows
    for corner in np.eye(len(noisy)):
        assert (point - p) @ (corner - p) <= 1e-9 * max(1.0, np.abs(point).max())


def test_it_agrees_with_a_general_solver():
    rng = np.random.default_rng(0)
    for _ in range(5):
        point = rng.normal(0.2, 0.4, 6)
        found = minimize(
            lambda p, at=point: ((p - at) ** 2).sum(), np.full(6, 1 / 6), bounds=[(0, 1)] * 6,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1}, options={"ftol": 1e-14, "maxiter": 1000},
        )  # fmt: skip
        assert project(point * 100, 100) == pytest.approx(found.x, abs=1e-5)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(sum))
def test_exact_counts_are_kept(exact):
    p = project(np.array(exact, dtype=float), sum(exact))
    assert p == pytest.approx(np.array(exact) / sum(exact))


def table(values, sigma):
    return Measurement(names=("a",), counts=np.asarray(values, dtype=float), sigma=np.asarray(sigma, dtype=float))


def test_precise_measurements_count_more():
    assert combine([table([0.0], 1.0), table([10.0], 3.0)]) == pytest.approx([1.0])  # weights 1 and 1/9
    assert combine([table([4.0, 8.0], 2.0)]) == pytest.approx([4.0, 8.0])


def test_the_noise_of_a_mean_is_that_of_its_precisions():
    assert noise([table([0.0, 0.0], 3.0), table([0.0, 0.0], [4.0, np.inf])]) == pytest.approx([2.4, 3.0])


@given(st.lists(st.floats(-2000, 2000), min_size=1, max_size=80).map(np.array), st.integers(0, 3000), st.floats(0.5, 500))
def test_settled_counts_are_a_distribution(noisy, rows, sd):
    p = settled(noisy, np.full(len(noisy), sd), rows)
    assert p.shape == noisy.shape
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1.0)


def test_few_codes_are_projected():
    noisy = np.array([5.0, -3.0, 40.0])
    assert np.array_equal(settled(noisy, np.full(3, 10.0), 40), project(noisy, 40))


@pytest.mark.parametrize(
    "exact", [np.full(70, 240.0), np.append(np.full(60, 10.0), [20_000.0, 5000.0]), 4000 / np.arange(1, 80.0)]
)
def test_many_small_codes_come_out_better_together(exact):
    """Over 40 draws of the noise the mean error is lower by a tenth at least; its standard error is below a fiftieth of it."""
    rng, sd = np.random.default_rng(0), 80.0
    errors = []
    for _ in range(40):
        noisy = exact + rng.normal(0, sd, len(exact))
        found = settled(noisy, np.full(len(exact), sd), int(exact.sum())), project(noisy, int(exact.sum()))
        errors.append([np.abs(p - exact / exact.sum()).sum() for p in found])
    together, alone = np.mean(errors, axis=0)
    assert together < 0.9 * alone


def test_codes_that_stand_out_stay_as_they_are():
    noisy = np.append(np.zeros(40), 9000.0)
    assert settled(noisy, np.full(41, 50.0), 9000)[-1] == pytest.approx(1.0, abs=0.05)


def test_infinite_noise_counts_for_nothing():
    mixed = combine([table([10.0, 20.0], 2.0), table([0.0, 0.0], [2.0, np.inf])])
    assert mixed == pytest.approx([5.0, 20.0])


@pytest.mark.statistical
def test_combining_lowers_the_variance_as_promised():
    """Variance 1 / (1/4 + 1/9) = 2.77; 20,000 draws put the estimate within 4 % (4 standard errors) of it."""
    rng = np.random.default_rng(1)
    n = 20_000
    mixed = combine([table(rng.normal(0, 2, n), 2.0), table(rng.normal(0, 3, n), 3.0)])
    assert mixed.var() == pytest.approx(1 / (1 / 4 + 1 / 9), rel=0.04)


def private(codes, sizes, epsilon, measured=()):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(len(codes)))
    names = tuple("abcdef"[: len(sizes)])
    return PrivateTable(codes, Domain(names=names, sizes=sizes), book.rows, book, measured)


def test_measuring_charges_its_share():
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, 3, 500), rng.integers(0, 2, 500)]).astype(np.int32)
    data = private(codes, (3, 2), 1.0)
    tables = measure_one_way(data, share=0.25)
    assert [t.shape for t in tables] == [(3,), (2,)]
    assert [e.target for e in data.ledger.events] == [("a",), ("b",)]
    assert 0.3 < data.ledger.spent() < 0.6  # a quarter of the squared budget is about half of epsilon
    measure_one_way(data, share=None)
    assert 0.95 < data.ledger.spent() <= 1.0


@pytest.mark.statistical
def test_what_was_paid_for_before_is_used():
    """An exact earlier table dominates a noisy fresh one."""
    codes = np.repeat([[0], [1]], [900, 100], axis=0).astype(np.int32)
    earlier = Measurement(names=("a",), counts=np.array([900.0, 100.0]), sigma=np.array(1e-6))
    found = measure_one_way(private(codes, (2,), 0.01, [earlier]), share=0.5)
    assert found[0] == pytest.approx([0.9, 0.1], abs=1e-6)


def test_logarithms_have_a_floor_below_one_row():
    flat = log_shares([np.array([1.0, 0.0]), np.array([0.25, 0.75])], rows=1000)
    assert np.exp(flat) == pytest.approx([1.0, 1e-4, 0.25, 0.75])
    assert np.isfinite(log_shares([np.array([0.0, 1.0])], rows=0)).all()


def test_packing_and_unpacking():
    tables = [np.array([0.25, 0.75]), np.array([1.0]), np.array([0.5, 0.25, 0.25])]
    flat = pack(tables)
    assert flat.dtype == np.float32
    again = unpack(flat, Domain(names=("a", "b", "c"), sizes=(2, 1, 3)))
    for one, two in zip(tables, again, strict=True):
        assert one.tolist() == two.tolist()
