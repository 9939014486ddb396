"""Randomized response: chances that are exact, a ratio that never exceeds its bound, draws that follow them."""

import os

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from synth.errors import AccountingError
from synth.privacy.response import WORD, Response, responded, response_of


@given(st.integers(2, 100_000), st.floats(1e-4, 100))
def test_the_likelihood_ratio_is_bounded_exactly(size, epsilon):
    """In exact fractions: no output is more than exp(epsilon) times likelier for one cell than for another."""
    kept, other = response_of(size, epsilon).chances
    assert kept + (size - 1) * other == 1
    with mpmath.workdps(80):
        bound = mpmath.exp(mpmath.mpf(epsilon))
        ratio = kept / other
        assert mpmath.mpf(ratio.numerator) / ratio.denominator <= bound
        assert 1 / bound <= mpmath.mpf(ratio.numerator) / ratio.denominator
        if epsilon < 20:
            assert mpmath.mpf(ratio.numerator) / ratio.denominator > bound * (1 - mpmath.mpf(2) ** -16)


@pytest.mark.statistical
@pytest.mark.parametrize(("size", "epsilon"), [(2, 0.5), (5, 1.0), (5, 4.0)])
def test_answers_follow_the_chances(size, epsilon):
    """Chi-square of 40,000 answers for each true code; false alarm 1e-8 each."""
    response, n = response_of(size, epsilon), 40_000
    kept, other = map(float, response.chances)
    for code in range(size):
        seen = np.bincount(responded(np.full(n, code), response, os.urandom), minlength=size)
        expected = n * np.where(np.arange(size) == code, kept, other)
        assert ((seen - expected) ** 2 / expected).sum() < chi2.isf(1e-8, size - 1)


def test_a_single_code_is_told_and_draws_nothing(script):
    response = response_of(1, 0.0)
    assert response.chances == (1, 0)
    assert responded(np.zeros(3, np.int64), response, script()).tolist() == [0, 0, 0]


def test_other_codes_are_even_because_words_beyond_the_last_round_are_drawn_again(script):
    words = [np.array(w, dtype=np.uint64).tobytes() for w in ([WORD - 1] * 3, [4, WORD - 1, 5], [7])]
    told = responded(np.array([0, 1, 2]), Response(4, 1), script(*words))
    assert told.tolist() == [2, 2, 3]  # 4, 7 and 5 modulo 3 among the codes but the true one


def test_no_answers_for_no_rows(script):
    assert responded(np.zeros(0, np.int64), response_of(3, 1.0), script(b"", b"")).tolist() == []


@pytest.mark.parametrize(("size", "epsilon"), [(0, 1.0), (2, 0.0), (2, float("nan")), (2, 101.0)])
def test_impossible_figures_are_refused(size, epsilon):
    with pytest.raises(AccountingError, match="randomized response"):
        response_of(size, epsilon)


@pytest.mark.parametrize("code", [-1, 3])
def test_codes_outside_are_refused(code, script):
    with pytest.raises(AccountingError, match="outside"):
        responded(np.array([0, code]), response_of(3, 1.0), script())
