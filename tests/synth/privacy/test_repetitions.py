"""The number of tries and what they cost: against exact distributions, and against the papers' closed forms."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, norm

from synth.errors import AccountingError
from synth.privacy.gaussian import gaussian_delta
from synth.privacy.repetitions import MOST_RUNS, TAIL, Repetitions, repetitions_for

ALL = [Repetitions(shape=s, gamma=g) for s in (0.0, 0.5, 1.0, 2.0) for g in (0.5, 0.1, 0.02)]


def chances(runs, most=20_000):
    """The truncated negative binomial as Papernot and Steinke define it (Definition 1)."""
    k = np.arange(1, most)
    if runs.shape == 0:
        return (1 - runs.gamma) ** k / (k * math.log(1 / runs.gamma))
    rising = np.cumprod((np.arange(most - 1) + runs.shape) / k)
    return (1 - runs.gamma) ** k * rising / (runs.gamma**-runs.shape - 1)


@pytest.mark.parametrize("runs", ALL)
def test_mean_and_generating_function_are_those_of_the_distribution(runs):
    p = chances(runs)
    k = np.arange(1, len(p) + 1)
    assert p.sum() == pytest.approx(1)
    assert runs.mean == pytest.approx((k * p).sum())
    for x in (0.0, 0.3, 0.9, 1.0):
        assert runs.generating(x) == pytest.approx((p * x**k).sum(), abs=1e-12)


@pytest.mark.parametrize("runs", [Repetitions(gamma=0.05), Repetitions(shape=1.0, gamma=0.2)])
def test_numbers_are_drawn_with_these_chances(runs, keystream):
    """Chi-square at 1e-7 each."""
    stream, number = keystream(3), 20_000
    drawn = np.array([runs.draw(stream) for _ in range(number)])
    p = chances(runs)[:10]
    expected = np.append(p, 1 - p.sum()) * number
    seen = np.append([np.sum(drawn == k) for k in range(1, 11)], np.sum(drawn > 10))
    assert ((seen - expected) ** 2 / expected).sum() < chi2.ppf(1 - 1e-7, 10)


def test_the_ends_of_the_secret_bits_are_numbers_as_well():
    runs = Repetitions(gamma=0.05)
    assert runs.draw(lambda n: b"\x00" * n) == 1
    assert 300 < runs.draw(lambda n: b"\xff" * n) < 2000


def test_the_logarithmic_distribution_is_found_for_a_mean():
    for mean in (1.5, 6.0, 100.0):
        assert repetitions_for(mean).mean == pytest.approx(mean, rel=1e-6)
    for mean in (1.0, 5000.0, math.nan):
        with pytest.raises(AccountingError):
            repetitions_for(mean)


@pytest.mark.parametrize(
    "facts",
    [
        {"gamma": 0.0},
        {"gamma": 1.0},
        {"gamma": math.nan},
        {"shape": -0.5, "gamma": 0.5},
        {"shape": 1e-90, "gamma": 0.5},
        {"gamma": 2e-5},
        {"shape": 100.0, "gamma": 1e-3},
    ],
)
def test_impossible_distributions_are_refused_and_those_that_would_be_cut_off(facts):
    """Where most draws reached the largest number, it would be fixed rather than secret, and the bound void."""
    with pytest.raises(AccountingError):
        Repetitions(**facts)


@pytest.mark.parametrize("runs", [repetitions_for(1000.0), Repetitions(shape=0.001, gamma=1.1e-4), Repetitions(gamma=1.0e-4)])
def test_the_chance_of_more_runs_than_are_ever_drawn_is_as_small_as_the_slack_says(runs):
    """The rest of the series is at most its next term over gamma, as terms fall by a factor of 1 - gamma at least."""
    first = math.log(1 / runs.gamma) if runs.shape == 0 else (runs.gamma**-runs.shape - 1) / runs.shape
    assert MOST_RUNS * math.log1p(-runs.gamma) - math.log(first * MOST_RUNS * runs.gamma) < math.log(TAIL)


def hockey(p, q, epsilon):
    return max(np.maximum(p - math.exp(epsilon) * q, 0).sum(), np.maximum(q - math.exp(epsilon) * p, 0).sum())


def best(runs, p):
    """Exact distribution of the best of all runs: outcomes in order of their score."""
    below = np.concatenate([[0.0], np.cumsum(p)])
    return np.diff([runs.generating(min(x, 1.0)) for x in below])


def cells(mu, edges):
    """A Gaussian whose answer is its own score, in cells, with and without a row."""
    return [np.diff(norm.cdf(np.concatenate([[-np.inf], edges, [np.inf]]) - m)) for m in (0.0, mu)]


@pytest.mark.parametrize("runs", ALL)
@pytest.mark.parametrize("mu", [0.2, 1.0])
def test_the_exact_curve_of_the_best_lies_below_the_bound(runs, mu):
    """The adversarial case: the answer is the score, so that the best of the runs is the largest one."""
    p, q = cells(mu, np.linspace(-6, 6 + mu, 4001))
    near = runs.nearest(mu)
    assert hockey(p, q, near[0]) <= near[1] * (1 + 1e-3)
    shift = runs.shift(*near)
    for epsilon in np.linspace(shift, shift + 4 * mu, 9):
        exact = hockey(best(runs, p), best(runs, q), epsilon)
        assert exact <= runs.mean * gaussian_delta(mu, epsilon - shift) * (1 + 1e-6) + 1e-12


def test_the_bound_is_no_more_than_half_as_much_again_as_the_exact_epsilon():
    runs, mu, delta = repetitions_for(9.0), 0.3, 1e-5
    p, q = (best(runs, x) for x in cells(mu, np.linspace(-7, 7, 20_001)))
    exact = next(e for e in np.linspace(0, 4, 2001) if hockey(p, q, e) <= delta)
    shift = runs.shift(*runs.nearest(mu))
    claimed = next(e for e in np.linspace(shift, 4, 2001) if runs.mean * gaussian_delta(mu, e - shift) <= delta)
    assert exact <= claimed <= 1.5 * exact


def test_what_runs_before_is_composed_as_usual():
    """Two answers: one before, once; the other the best of several. The exact joint curve lies below the bound."""
    runs, before, mu = Repetitions(gamma=0.1), 0.5, 0.4
    first, second = cells(before, np.linspace(-5, 5, 201)), cells(mu, np.linspace(-5, 5, 201))
    joint = [np.outer(f, best(runs, s)).ravel() for f, s in zip(first, second, strict=True)]
    shift = runs.shift(*runs.nearest(mu))
    for epsilon in (shift, shift + 0.5, shift + 1.5):
        assert hockey(*joint, epsilon) <= runs.mean * gaussian_delta(math.hypot(before, mu), epsilon - shift) * (1 + 1e-6)


@pytest.mark.parametrize("shape", [0.0, 1.0])
def test_a_pure_run_costs_what_the_papers_say(shape):
    """Papernot and Steinke, Corollary 3: (2 + shape) epsilon; Liu and Talwar's 3 epsilon for the geometric distribution."""
    runs = Repetitions(shape=shape, gamma=0.01)
    assert 0.7 + runs.shift(0.7, 0.0) == pytest.approx((2 + shape) * 0.7)
    p = np.array([1.0, math.e**0.7]) / (1 + math.e**0.7)
    exact = np.log(np.maximum(*(best(runs, p) / best(runs, p[::-1]), best(runs, p[::-1]) / best(runs, p)))).max()
    assert 0.7 < exact <= (2 + shape) * 0.7
