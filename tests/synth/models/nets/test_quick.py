"""The quick way draws the rows of the slow one."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from synth.models.nets import quick as module
from synth.models.nets.autoregressive import Autoregressive, even_uniforms, target_scores
from synth.models.nets.quick import QuickDraw
from synth.table import Domain

SIZES = (4, 9, 1, 30, 3, 25, 3)


def net(target, seed=0, columns=7):
    rng, names = np.random.default_rng(seed), tuple("abcdefg")[:columns]
    domain = Domain(names=names, sizes=SIZES[:columns], target=target, in_order=(0, 9, 0, 30, 0, 0, 0)[:columns])
    one_way = [rng.dirichlet(np.ones(k)) for k in domain.sizes]
    at = names.index(target) if target else -1
    scores = target_scores(domain, one_way, [None if j == at else rng.normal(size=k) for j, k in enumerate(domain.sizes)])
    bias = torch.from_numpy(np.log(np.concatenate(one_way))).float()
    model = Autoregressive(domain, bias, scores if target else None)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(rng.normal(0, 0.3, p.shape)).float())
    return model


@pytest.mark.parametrize("target", [None, "c", "e", "g", "f"])
def test_rows_are_those_of_the_net_up_to_rounding(target):
    model = net(target)
    uniforms = even_uniforms(9000, len(SIZES), np.random.default_rng(1))
    quick, slow = QuickDraw(model).rows(uniforms), model.draw_rows(uniforms)
    assert quick.dtype == torch.long
    assert (quick == slow).all(1).float().mean() > 0.998  # a uniform number close to a border of single precision
    assert all(int(quick[:, j].max()) < size for j, size in enumerate(SIZES))


def test_one_column_and_broken_weights_draw_codes_that_exist():
    model = net(None, columns=1)
    assert QuickDraw(model).rows(torch.rand(50, 1)).shape == (50, 1)
    broken = net("g")
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    rows = QuickDraw(broken).rows(torch.rand(20, len(SIZES)))
    assert all(int(rows[:, j].min()) >= 0 and int(rows[:, j].max()) < size for j, size in enumerate(SIZES))
    with pytest.raises(ValueError, match="negative"), np.errstate(invalid="ignore"):
        QuickDraw(broken).many(20, np.random.default_rng(0))


@pytest.mark.parametrize("cells", [1, 40, 1 << 20])
@pytest.mark.parametrize("target", [None, "e"])
def test_very_many_rows_follow_the_net(target, cells, monkeypatch):
    """Whatever columns the first table holds. False alarms: 1e-7 each."""
    monkeypatch.setattr(module, "FIRST_CELLS", cells)
    model = net(target, columns=5)
    every = torch.tensor(list(product(*map(range, SIZES[:5]))))
    with torch.no_grad():
        expected = 100_000 * np.exp(-model(every).double().numpy())
    codes = QuickDraw(model).many(100_000, np.random.default_rng(2))
    assert (codes.shape, codes.dtype) == ((5, 100_000), np.uint8)
    found = np.bincount(np.ravel_multi_index(tuple(codes.astype(int)), SIZES[:5]), minlength=len(every))
    common = expected > 10
    gaps = np.append((found - expected)[common], (found - expected)[~common].sum())
    scale = np.append(expected[common], expected[~common].sum())
    assert (gaps**2 / scale).sum() < chi2.isf(1e-7, len(gaps) - 1)


def test_very_many_rows_of_one_column():
    model = net(None, columns=1)
    found = np.bincount(QuickDraw(model).many(10_000, np.random.default_rng(0))[0], minlength=4) / 10_000
    assert np.abs(found - model.bias.softmax(0).numpy()).max() < 0.03  # six standard deviations
