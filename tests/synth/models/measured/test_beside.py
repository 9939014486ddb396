"""Public rows teach a net as far as noisy private tables bear them out; misleading ones not at all."""

from itertools import combinations

import numpy as np
import pytest
import torch

from synth.models.measured.beside import HALF_ROWS, MOST, Beside, rows_beside, worth
from synth.models.measured.evidence import Evidence, Table
from synth.table import Domain, EncodedTable

DOMAIN = Domain(names=("a", "b", "c"), sizes=(4, 4, 3))
ROWS, SD = 20_000, 0.002


def rows(n, seed, linked=True, shift=0.0):
    """``a`` and ``b`` are mostly equal, ``c`` hangs on both."""
    rng = np.random.default_rng(seed)
    a = rng.choice(4, n, p=np.array([0.4 - shift, 0.3, 0.2, 0.1 + shift]))
    b = np.where(rng.random(n) < 0.7, a if linked else 3 - a, rng.integers(0, 4, n))
    c = np.where(rng.random(n) < 0.6, (a + b) % 3, rng.integers(0, 3, n))
    return np.column_stack([a, b, c])


def table(codes, columns):
    return EncodedTable(DOMAIN, codes.astype(np.int32)).counts(columns) / len(codes)


def evidence(sd=SD, seed=9):
    rng, private = np.random.default_rng(seed), rows(ROWS, 0)
    pairs = [table(private, pair) for pair in combinations(range(3), 2)]
    tables = tuple(
        Table(columns=pair, shares=p + rng.normal(0, sd, p.shape), sd=np.asarray(sd))
        for pair, p in zip(combinations(range(3), 2), pairs, strict=True)
    )
    return Evidence(domain=DOMAIN, rows=ROWS, tables=tables), [table(private, (j,)) for j in range(3)]


def share(codes, sd=SD):
    found, one_way = evidence(sd)
    beside = rows_beside(EncodedTable(DOMAIN, codes.astype(np.int32)), found, one_way)
    return 0.0 if beside is None else beside.share


def test_like_rows_are_learnt_from_the_more_of_them_there_are():
    few, many = share(rows(500, 1)), share(rows(20_000, 1))
    assert 0 < few < many < MOST
    assert many > 0.6 * MOST * 20_000 / (20_000 + HALF_ROWS)


def test_margins_may_differ_but_links_may_not():
    found, one_way = evidence()
    shifted = rows(20_000, 1, shift=0.2)
    beside = rows_beside(EncodedTable(DOMAIN, shifted.astype(np.int32)), found, one_way)
    assert beside.share > 0
    first = np.bincount(beside.codes[:, 0].numpy(), beside.weights.numpy(), 4)
    assert first == pytest.approx(one_way[0], abs=0.01)
    drawn = beside.draw(4000, torch.Generator().manual_seed(0))
    assert drawn.shape == (4000, 3)
    assert np.bincount(drawn[:, 0].numpy(), minlength=4) / 4000 == pytest.approx(one_way[0], abs=0.05)
    assert share(rows(20_000, 1, linked=False)) == 0
    apart = np.column_stack([np.random.default_rng(j).permutation(c) for j, c in enumerate(rows(20_000, 1).T)])
    assert share(apart) == 0


def test_nothing_is_believed_where_noise_hides_the_links_or_nothing_is_there():
    assert share(rows(20_000, 1), sd=10.0) == 0
    found, one_way = evidence()
    assert rows_beside(None, found, one_way) is None
    assert rows_beside(EncodedTable(DOMAIN, np.empty((0, 3), np.int32)), found, one_way) is None
    alone = Evidence(domain=DOMAIN, rows=ROWS, tables=(Table(columns=(0,), shares=one_way[0], sd=np.full(4, SD)),))
    codes = rows(100, 1)
    assert worth(codes, np.full(100, 0.01), alone, one_way) == 0


def test_a_draw_follows_the_weights():
    beside = Beside(torch.tensor([[0, 0, 0], [1, 1, 1]]), torch.tensor([0.0, 1.0]), 0.1)
    assert beside.draw(5, torch.Generator().manual_seed(0)).tolist() == [[1, 1, 1]] * 5
