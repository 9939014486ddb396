"""Noise on integers, the selection threshold, and the grid of gradient sums."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2, norm

from synth.errors import AccountingError
from synth.privacy.mechanisms import (
    FLOAT_SLACK,
    GRID_LOSS,
    exponential_choice,
    grid_bits,
    named_values,
    noisy_counts,
    noisy_gradient_sum,
    rounded_sensitivity,
    selection_threshold,
)

ALARM = 1e-7  # false-alarm rate of every statistical threshold here


def test_noise_is_added_to_the_counts_and_does_not_depend_on_them(keystream):
    a, b = np.arange(12).reshape(3, 4), np.arange(12).reshape(3, 4) * 1000
    noisy_a, noisy_b = (noisy_counts(x, sigma=5.0, entropy=keystream(1)) for x in (a, b))
    assert noisy_a.dtype == np.int64
    assert np.array_equal(noisy_b - noisy_a, b - a)


def test_float_counts_are_refused_before_entropy_is_asked_for(script):
    with pytest.raises(AccountingError):
        noisy_counts(np.array([1.0]), sigma=1.0, entropy=script())


@given(st.floats(0.3, 200), st.floats(1e-12, 1e-3))
def test_threshold_is_the_smallest_that_keeps_delta(sigma, delta):
    threshold = selection_threshold(sigma, delta)

    def named(t):
        return norm.sf((t - 0.5) / sigma)

    assert named(threshold) <= delta * (1 + 1e-9)
    assert named(threshold - 1) > delta * (1 - 1e-9)


@pytest.mark.statistical
def test_value_of_one_row_is_named_with_the_probability_accounted_for(keystream):
    sigma, delta, n = 3.0, 0.01, 50_000
    threshold = selection_threshold(sigma, delta)
    named = named_values(
        [f"{i:05d}" for i in range(n)], np.ones(n, np.int64), sigma=sigma, threshold=threshold, entropy=keystream(2)
    )
    share = norm.sf((threshold - 0.5) / sigma)
    assert share <= delta
    assert binom.ppf(ALARM, n, share) <= len(named) <= binom.isf(ALARM, n, share)


def test_named_values_come_sorted_and_strictly_above_the_threshold(keystream):
    counts = np.array([500, 40, 900, 3])
    noise = noisy_counts(np.zeros(4, np.int64), sigma=2.0, entropy=keystream(3))
    named = named_values(["b", "c", "a", "d"], counts, sigma=2.0, threshold=int(40 + noise[1]), entropy=keystream(3))
    assert list(named.items()) == [("a", int(900 + noise[2])), ("b", int(500 + noise[0]))]


def test_no_values_give_no_names(keystream):
    assert named_values([], np.zeros(0, np.int64), sigma=1.0, threshold=3, entropy=keystream(4)) == {}


@given(st.integers(1, 10**8))
def test_grid_loss_stays_small(size):
    assert 1 < rounded_sensitivity(size) <= 1 + GRID_LOSS + 2 * FLOAT_SLACK
    assert grid_bits(size) >= 10


@given(st.integers(1, 60), st.integers(0, 2**31), st.sampled_from([1e-3, 1.0, 7.5]), st.sampled_from([0.0, 1.0, 1e5]))
def test_rounding_a_sum_inflates_its_sensitivity_as_accounted(size, seed, clip, far):
    rng = np.random.default_rng(seed)
    grid = clip * 2.0 ** -grid_bits(size)
    base = rng.normal(size=size) * clip * far + rng.choice([0.0, 0.49999, 0.5], size) * grid
    row = rng.choice([-1.0, 1.0], size) if seed % 2 else rng.normal(size=size)
    row *= clip / np.linalg.norm(row)
    moved = (np.rint((base + row) / grid) - np.rint(base / grid)) * grid
    assert np.linalg.norm(moved) <= rounded_sensitivity(size) * clip


def test_noisy_sum_is_an_integer_multiple_of_the_grid(keystream):
    clip, size = 0.7, 33
    noisy = noisy_gradient_sum(np.linspace(-3, 3, size), max_grad_norm=clip, noise_multiplier=1.1, entropy=keystream(5))
    grid = clip * 2.0 ** -grid_bits(size)
    cells = np.rint(noisy / grid).astype(np.int64)
    assert np.array_equal(noisy, cells * grid)
    assert set(cells % 5) == set(range(5))


@pytest.mark.statistical
@pytest.mark.parametrize("clip", [0.01, 1.0, 30.0])
def test_noise_scale_is_multiplier_times_rounded_sensitivity(clip, keystream):
    size, multiplier = 100_000, 0.8
    noisy = noisy_gradient_sum(np.zeros(size), max_grad_norm=clip, noise_multiplier=multiplier, entropy=keystream(6))
    statistic = ((noisy / (multiplier * rounded_sensitivity(size) * clip)) ** 2).sum()
    assert chi2.isf(1 - ALARM, size) < statistic < chi2.isf(ALARM, size)


def fractions(*values):
    return [Fraction(v) for v in values]


@pytest.mark.statistical
def test_options_are_chosen_with_the_exponential_mechanisms_probabilities(keystream):
    """Pearson's statistic of 20,000 choices; false-alarm rate ALARM."""
    scores, stream, n = fractions(0, 3, 1.5, -2, 3), keystream(5), 20_000
    weight = np.exp(0.8 * np.array([float(s) for s in scores]) / (2 * 2))
    picked = [exponential_choice(scores, sensitivity=Fraction(2), epsilon=0.8, entropy=stream) for _ in range(n)]
    expected = n * weight / weight.sum()
    assert ((np.bincount(picked, minlength=5) - expected) ** 2 / expected).sum() < chi2.isf(ALARM, 4)


def test_a_choice_inverts_its_uniform(script):
    ask = {"sensitivity": Fraction(1), "epsilon": 2 * math.log(3)}
    for point, wanted in ((0.0, 0), (0.2499, 0), (0.2501, 1), (1 - 2.0**-50, 1)):
        word = int(point * 2**64) << 192
        assert exponential_choice(fractions(0, 1), entropy=script(word.to_bytes(32, "little")), **ask) == wanted
    assert exponential_choice(fractions(7), entropy=script(b"\xff" * 32), **ask) == 0


def test_scores_far_apart_and_huge_do_not_overflow(keystream):
    scores = [Fraction(10**15), Fraction(10**15) - 10**9, Fraction(-(10**15))]
    assert exponential_choice(scores, sensitivity=Fraction(1, 1024), epsilon=50.0, entropy=keystream(1)) == 0


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), float("inf")])
def test_a_choice_without_a_sound_epsilon_is_refused(epsilon, script):
    with pytest.raises(AccountingError):
        exponential_choice(fractions(1, 2), sensitivity=Fraction(1), epsilon=epsilon, entropy=script())


@pytest.mark.parametrize(
    ("scores", "sensitivity"),
    [
        ([], Fraction(1)),
        ([1.5], Fraction(1)),
        ([Fraction(1)], 1.0),
        ([Fraction(1)], Fraction(0)),
        ([Fraction(1)], Fraction(-1)),
    ],
)
def test_a_choice_without_options_exact_scores_or_sensitivity_is_refused(scores, sensitivity, script):
    with pytest.raises(AccountingError):
        exponential_choice(scores, sensitivity=sensitivity, epsilon=1.0, entropy=script())


def test_a_value_without_a_count_is_refused(keystream):
    with pytest.raises(AccountingError, match="one count"):
        named_values(["a", "b"], np.array([3]), sigma=1.0, threshold=1, entropy=keystream("short"))
