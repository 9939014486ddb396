"""Public rows help as far as they are borne out: like ones lower the error, misleading ones leave it about as it was."""

import numpy as np
import pytest

from synth.models.one_way import settled
from synth.models.prior import informed, posteriors

ROWS, SD, PUBLIC = 20_000, 150.0, 3000


def columns(rng, count=12, size=12):
    return [rng.dirichlet(np.full(size, 0.8)) for _ in range(count)]


def error(found, truth):
    return float(np.mean([np.abs(f - t).sum() / 2 for f, t in zip(found, truth, strict=True)]))


def run(rng, others):
    """Noisy shares of columns, alone and with public rows drawn from ``others``; both errors and the stated ones."""
    truth = columns(np.random.default_rng(1))
    counts = [ROWS * p + rng.normal(0, SD, len(p)) for p in truth]
    sd = [np.full(len(p), SD) for p in truth]
    alone = [settled(c, s, ROWS) for c, s in zip(counts, sd, strict=True)]
    public = [rng.multinomial(PUBLIC, q).astype(float) for q in others(truth)]
    found = informed(counts, sd, alone, public, ROWS)
    for p, s in found:
        assert p.sum() == pytest.approx(1)
        assert (p >= 0).all()
        assert (s > 0).all()
    return error(alone, truth), error([p for p, _ in found], truth), float(np.mean([s.mean() for _, s in found])) * ROWS


def test_like_rows_help():
    """Public sampling has about a half of the noise here; the error falls by a fifth at least (it has fallen by a third)."""
    before, after, sd = run(np.random.default_rng(2), lambda truth: truth)
    assert after < 0.8 * before
    assert sd < 0.7 * SD


def test_misleading_rows_do_no_harm():
    """Distributions that have nothing to do with the private ones lose their weight."""
    before, after, sd = run(np.random.default_rng(3), lambda truth: columns(np.random.default_rng(4)))
    assert after < 1.1 * before
    assert sd > 0.9 * SD


def test_one_shifted_column_is_told_from_the_others():
    def others(truth):
        return [truth[0][::-1], *truth[1:]]

    before, after, _ = run(np.random.default_rng(5), others)
    assert after < 0.9 * before


def test_posteriors_learn_what_all_cases_share():
    logs = np.array([[0.0, 1.0]] * 30 + [[5.0, 0.0]])
    found = posteriors(logs)
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found[:30, 1] > 0.9).all()  # together they say what one of them could not
    assert found[30, 0] > 0.5
