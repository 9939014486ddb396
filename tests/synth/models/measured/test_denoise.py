"""Noisy tables are cleared of noise: what is nothing becomes nothing, what is something stays, margins are pooled."""

from itertools import combinations

import numpy as np
import pytest

from synth.models.measured.denoise import carried_over, denoise
from synth.models.measured.evidence import Table
from synth.table import Domain, EncodedTable

D, SIZE = 12, 8
NAMES = tuple("abcdefghijkl")


def truth(linked, classes=1, rng=None):
    """Tables of all pairs on ``D`` columns of 8 ordered codes; those in ``linked`` lie about the diagonal."""
    grid = np.arange(SIZE)
    near = np.exp(-0.1 * (grid[:, None] - grid) ** 2)
    for _ in range(200):
        near /= near.sum(0) * SIZE
        near /= near.sum(1, keepdims=True) * SIZE
    flat = np.full((SIZE, SIZE), 1 / SIZE**2)
    out = {}
    for pair in combinations(range(D), 2):
        first = near if pair in linked else flat
        shares = [first / classes] if classes == 1 else [first / 2, (near[:, ::-1] if pair in linked else flat) / 2]
        out[pair] = shares[0] if classes == 1 else np.stack(shares, 2)
    return out


def noisy(exact, sd, rng, split=None):
    return [
        Table(
            columns=(*pair,) if split is None else (*pair, split),
            shares=p + rng.normal(0, sd, p.shape),
            sd=np.full(p.shape, sd),
        )
        for pair, p in exact.items()
    ]


def ones(sizes, sd, rng):
    return [Table(columns=(j,), shares=1 / k + rng.normal(0, sd, k), sd=np.full(k, sd)) for j, k in enumerate(sizes)]


def test_links_stay_and_noise_goes():
    """Noise of a third of a cell: the error falls to a quarter where nothing is, below two thirds where something is."""
    rng = np.random.default_rng(0)
    linked = {(0, 1), (2, 3), (4, 5), (6, 7)}
    exact, sd = truth(linked), 0.005
    domain = Domain(names=NAMES, sizes=(SIZE,) * D, in_order=(SIZE,) * D)
    tables = noisy(exact, sd, rng)
    for before, after in zip(tables, denoise(tables, ones(domain.sizes, sd, rng), domain, -1), strict=True):
        assert after.columns == before.columns
        assert after.shares.sum() == pytest.approx(1, abs=1e-9)
        want = exact[before.columns]
        error = [np.sqrt(((t.shares - want) ** 2).sum()) for t in (before, after)]
        assert error[1] < (0.65 if before.columns in linked else 0.25) * error[0]


def test_differences_between_classes_stay():
    rng = np.random.default_rng(1)
    exact, sd = truth({(0, 1), (2, 3)}, classes=2), 0.002
    domain = Domain(names=(*NAMES, "y"), sizes=(*(SIZE,) * D, 2), target="y", in_order=(*(SIZE,) * D, 0))
    tables = noisy(exact, sd, rng, split=D)
    for before, after in zip(tables, denoise(tables, ones(domain.sizes, sd, rng), domain, D), strict=True):
        want = exact[before.columns[:2]]
        assert after.shares.shape == want.shape
        most = 0.7 if before.columns[:2] in {(0, 1), (2, 3)} else 0.4
        assert np.abs(after.shares - want).sum() < most * np.abs(before.shares - want).sum()


def test_without_noise_nothing_changes():
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(20)).reshape(4, 5)
    table = Table(columns=(0, 1), shares=p, sd=np.full(p.shape, 1e-9))
    single = [Table(columns=(j,), shares=p.sum(1 - j), sd=np.full(p.shape[j], 1e-9)) for j in (0, 1)]
    for in_order in ((0, 0), (4, 5), (4, 3)):
        domain = Domain(names=("a", "b"), sizes=(4, 5), in_order=in_order)
        (after,) = denoise([table], single, domain, -1)
        assert after.shares == pytest.approx(p, abs=2e-4)


def test_columns_of_one_code():
    domain = Domain(names=("a", "b"), sizes=(1, 3), in_order=(0, 0))
    p = np.array([[0.2, 0.3, 0.5]])
    table = Table(columns=(0, 1), shares=p, sd=np.full(p.shape, 0.01))
    single = [Table(columns=(j,), shares=p.sum(1 - j), sd=np.full(p.shape[j], 0.01)) for j in (0, 1)]
    (after,) = denoise([table], single, domain, -1)
    assert after.shares == pytest.approx(p, abs=0.05)


def test_all_noise_is_finite():
    """Tables of nothing but noise, many negative cells: shares stay finite and sum to one."""
    rng = np.random.default_rng(3)
    exact = truth(set())
    domain = Domain(names=NAMES, sizes=(SIZE,) * D)
    for after in denoise(noisy(exact, 5.0, rng), ones(domain.sizes, 1.0, rng), domain, -1):
        assert np.isfinite(after.shares).all()
        assert after.shares.sum() == pytest.approx(1, abs=1e-6)


def carried(public_linked, seed=0):
    """Mean error of the cleared tables with and without public rows whose links are those of ``public_linked``."""
    rng = np.random.default_rng(seed)
    exact, sd = truth({(0, 1), (2, 3), (4, 5), (6, 7)}), 0.02
    domain = Domain(names=NAMES, sizes=(SIZE,) * D, in_order=(SIZE,) * D)
    tables, single = noisy(exact, sd, rng), ones(domain.sizes, 0.002, rng)
    shares = truth(public_linked)
    codes = rng.integers(0, SIZE, (4000, D))
    for a, b in public_linked:
        codes[:, [a, b]] = np.stack(np.divmod(rng.choice(SIZE**2, 4000, p=shares[a, b].ravel()), SIZE), 1)
    public = EncodedTable(domain, codes.astype(np.int32))
    out = []
    for known in (None, public):
        cleared = denoise(tables, single, domain, -1, public=known)
        out.append(np.mean([np.abs(t.shares - exact[t.columns]).sum() for t in cleared]))
    return out


def test_links_that_public_rows_share_come_out_better():
    """Error falls to about a half."""
    before, after = carried({(0, 1), (2, 3), (4, 5), (6, 7)})
    assert after < 0.65 * before


def test_wrong_links_of_public_rows_do_little_harm():
    before, after = carried({(0, 2), (1, 3), (4, 6), (5, 7)})
    assert after < 1.15 * before


def test_public_tables_take_on_private_margins_and_keep_their_odds():
    rng = np.random.default_rng(3)
    counts = rng.integers(50, 500, (3, 4, 2))
    null = np.einsum("ac,bc,c->abc", rng.dirichlet(np.ones(3), 2).T, rng.dirichlet(np.ones(4), 2).T, [0.3, 0.7])
    shares, variances = carried_over(counts, null)
    for axis in (0, 1):
        np.testing.assert_allclose(shares.sum(axis), null.sum(axis), atol=1e-6)
    odds = [t[0, 0] * t[1, 1] / (t[0, 1] * t[1, 0]) for t in (shares[..., 0], counts[..., 0])]
    assert odds[0] == pytest.approx(odds[1], rel=0.02)
    np.testing.assert_allclose(variances, shares**2 / counts, rtol=0.02)
