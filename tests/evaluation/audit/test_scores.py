import numpy as np
import pytest
from scipy.stats import norm

from evaluation.audit.scores import gaussian_score, laplace_score, preset_thresholds, sgd_scores, simulated_scores
from synth.errors import AccountingError
from synth.privacy.events import GaussianEvent, LaplaceEvent, SelectionEvent, SubsampledGaussianEvent


def test_scores_are_log_ratios_of_densities():
    x = np.linspace(-3, 3, 13)
    assert np.allclose(gaussian_score(x, 0.7), norm.logpdf(x, 0.7) - norm.logpdf(x))
    event = SubsampledGaussianEvent(what="x", noise_multiplier=1.3, sample_rate=0.2, steps=1)
    inside = 0.8 * norm.pdf(x, 0, 1.3) + 0.2 * norm.pdf(x, 1, 1.3)
    assert np.allclose(sgd_scores(x, event), np.log(inside) - norm.logpdf(x, 0, 1.3))
    every = SubsampledGaussianEvent(what="x", noise_multiplier=1.3, sample_rate=1.0, steps=1)
    assert np.allclose(sgd_scores(x, every), norm.logpdf(x, 1, 1.3) - norm.logpdf(x, 0, 1.3))


def test_simulation_is_repeatable_and_adds_up_mechanisms():
    one = simulated_scores((GaussianEvent(what="x", sigma=1.0),))
    assert np.array_equal(one[0], simulated_scores((GaussianEvent(what="x", sigma=1.0),))[0])
    assert one[0].mean() == pytest.approx(0.5, abs=0.1)
    assert one[1].mean() == pytest.approx(-0.5, abs=0.1)
    two = simulated_scores((GaussianEvent(what="x", sigma=1.0),) * 2)
    assert two[0].mean() == pytest.approx(1.0, abs=0.15)
    with pytest.raises(AccountingError):
        simulated_scores((SelectionEvent(what="x", epsilon=1.0),))


def test_thresholds_cover_rare_alarms_and_rare_misses():
    inside, outside = simulated_scores((GaussianEvent(what="x", sigma=1.0),))
    found = preset_thresholds(inside, outside)
    assert len(found) == 24
    assert np.all(np.diff(found) >= 0)
    assert (outside > found[-1]).mean() < 0.005
    assert (inside <= found[0]).mean() < 0.005


def test_laplace_noise_tells_one_of_two_things():
    assert laplace_score(np.array([-3.0, 0.0, 1.0, 5.0]), 0.5) == pytest.approx([-0.5, -0.5, 0.5, 0.5])
    inside, outside = simulated_scores((LaplaceEvent(what="x", scale=1.0),))
    assert set(np.unique(inside)) == set(np.unique(outside)) == {-1.0, 1.0}
    share = 1 / (1 + np.exp(-1.0))  # six standard errors of 4,000 draws
    assert ((inside > 0).mean(), (outside < 0).mean()) == pytest.approx((share, share), abs=0.042)
