import numpy as np
import pytest

from synth.errors import InputError
from synth.models.base import Fitted, Run
from synth.models.independent import Independent
from synth.models.one_way import pack
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.events import GaussianEvent, LaplaceEvent
from synth.privacy.ledger import Ledger
from synth.privacy.vault import PrivateTable
from synth.table import Domain

DOMAIN = Domain(names=("a", "b"), sizes=(3, 2))
SHARES = [np.array([0.5, 0.5, 0.0]), np.array([0.9, 0.1])]


def test_it_spends_everything_on_one_way_tables():
    rng = np.random.default_rng(0)
    n = 5000
    codes = np.column_stack([rng.choice(3, n, p=SHARES[0]), rng.choice(2, n, p=SHARES[1])]).astype(np.int32)
    book = Ledger(Budget(epsilon=1.0, delta=1e-6))
    book.set_rows(declared_rows(n))
    fitted = Independent().fit(PrivateTable(codes, DOMAIN, book.rows, book), Run())
    assert all(isinstance(e, GaussianEvent) and len(e.target) == 1 for e in book.events)
    assert 0.99 < book.spent() <= 1.0
    assert fitted.facts == {}
    assert fitted.tensors["one_way"] == pytest.approx(
        pack([np.bincount(codes[:, 0], minlength=3) / n, np.bincount(codes[:, 1]) / n]), abs=0.02
    )


def test_laplace_noise_is_an_option():
    rng, n = np.random.default_rng(0), 5000
    codes = np.column_stack([rng.choice(3, n, p=SHARES[0]), rng.choice(2, n, p=SHARES[1])]).astype(np.int32)
    book = Ledger(Budget(epsilon=1.0, delta=1e-6))
    book.set_rows(declared_rows(n))
    fitted = Independent(mechanism="laplace").fit(PrivateTable(codes, DOMAIN, book.rows, book), Run())
    assert all(isinstance(e, LaplaceEvent) and len(e.target) == 1 for e in book.events)
    assert 0.99 < book.spent() <= 1.0
    assert fitted.tensors["one_way"] == pytest.approx(
        pack([np.bincount(codes[:, 0], minlength=3) / n, np.bincount(codes[:, 1]) / n]), abs=0.02
    )
    with pytest.raises(InputError, match="one of gaussian, laplace"):
        Independent(mechanism="cauchy")


@pytest.mark.statistical
def test_columns_are_drawn_as_measured_and_apart():
    """40,000 draws: shares within 0.011 (over four standard errors), correlation within 0.022."""
    codes = Independent().sample(Fitted({"one_way": pack(SHARES)}, {}), DOMAIN, 40_000, np.random.default_rng(0)).codes
    assert codes.dtype == np.int32
    assert np.bincount(codes[:, 0], minlength=3) / 40_000 == pytest.approx(SHARES[0], abs=0.011)
    assert np.bincount(codes[:, 1], minlength=2) / 40_000 == pytest.approx(SHARES[1], abs=0.011)
    assert (codes[:, 0] != 2).all()
    assert abs(np.corrcoef(codes.T)[0, 1]) < 0.022
