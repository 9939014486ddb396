"""Exactness and independence of the secret samplers. Every statistical threshold has a false-alarm rate of 1e-7."""

import ast
import os
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom, chi2, norm

import synth.privacy
from synth.errors import AccountingError
from synth.privacy import randomness
from synth.privacy.randomness import geometric_gaps, os_entropy, poisson_sample, rounded_gaussian

ALARM = 1e-7


def by_inverse(magnitude, extra, sigma):
    """|round(N)| by the inverse distribution function at 100 digits."""
    with mpmath.workdps(100):
        tail = (mpmath.mpf(magnitude) + mpmath.mpf(extra) / 2**128) / 2**64
        return int(mpmath.floor(mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * tail) * mpmath.mpf(sigma) + 0.5))


@pytest.mark.statistical
@pytest.mark.parametrize("sigma", [0.3, 1.0, 7.0, 1000.0])
def test_frequencies_are_those_of_a_rounded_gaussian(sigma, keystream):
    n = 200_000
    draws = rounded_gaussian(n, sigma, keystream(f"chi {sigma}"))
    step = max(1, int(sigma / 10))
    inner = np.arange(-int(3 * sigma) - 1, int(3 * sigma) + 2, step) + 0.5
    borders = np.concatenate([[-np.inf], inner, [np.inf]])
    expected = n * np.diff(ndtr(borders / sigma))
    found = np.histogram(draws, bins=np.concatenate([[-1e18], inner, [1e18]]))[0]
    keep = expected > 5
    statistic = ((found - expected)[keep] ** 2 / expected[keep]).sum()
    assert found[~keep].sum() <= 40
    assert statistic < chi2.isf(ALARM, keep.sum())


@pytest.mark.statistical
def test_far_tail_is_not_cut_off(keystream):
    n = 1_000_000
    beyond = (np.abs(rounded_gaussian(n, 64.0, keystream("tail"))) > 4 * 64).sum()
    share = 2 * ndtr(-(4 * 64 + 0.5) / 64)
    assert binom.ppf(ALARM, n, share) <= beyond <= binom.isf(ALARM, n, share)


@pytest.mark.statistical
def test_agrees_with_opendp(keystream):
    dp = pytest.importorskip("opendp.prelude")
    dp.enable_features("contrib")
    n, sigma = 10_000, 7.0
    space = dp.vector_domain(dp.atom_domain(T=float, nan=False), n), dp.l2_distance(T=float)
    theirs = np.rint(dp.m.make_gaussian(*space, scale=sigma)([0.0] * n))
    ours = rounded_gaussian(n, sigma, keystream("opendp"))
    borders = np.array([-1e9, *np.arange(-13.5, 14, 3), 1e9])
    a, b = np.histogram(ours, borders)[0], np.histogram(theirs, borders)[0]
    assert ((a - b) ** 2 / (a + b)).sum() < chi2.isf(ALARM, len(a))


def pieces(magnitude, sign=0):
    """The leading and the further 32 bits of a draw with 63 bits of magnitude."""
    return ((magnitude >> 32) << 1 | sign).to_bytes(4, "little"), (magnitude & 0xFFFFFFFF).to_bytes(4, "little")


def test_fast_and_exact_paths_agree_on_random_words(keystream, script):
    magnitudes = [int(w) >> 1 for w in np.frombuffer(keystream("words")(8 * 60), dtype=np.uint64)]
    for sigma in (0.3, 1.0, 7.3, 12345.678, 1e9):
        fast = [int(rounded_gaussian(1, sigma, script(*pieces(m), b"\x55" * 16))[0]) for m in magnitudes]
        exact = [
            randomness._decide(m, 0 if sigma < 10 else f, sigma, keystream("x")) for m, f in zip(magnitudes, fast, strict=True)
        ]
        assert fast == exact == [by_inverse(m, 0, sigma) for m in magnitudes]


@pytest.mark.parametrize("sigma", [0.3, 1.0, 7.3, 123.4, 65536.0, 3e8])
def test_leading_bits_are_believed_only_where_all_further_ones_agree(sigma, keystream):
    """Both ends of what 31 bits leave open round alike, for numbers near borders of the integers, near zero, and any."""
    with mpmath.workdps(100):
        tails = [mpmath.erfc((k + mpmath.mpf("0.5")) / (mpmath.mpf(sigma) * mpmath.sqrt(2))) for k in (0, 1, int(sigma))]
        beside = [int(t / 2 * 2**32) + step for t in tails for step in (-2, -1, 0, 1, 2)]
    anywhere = np.frombuffer(keystream("bits")(4 * 40), dtype=np.uint32) >> 1
    magnitudes = np.array([*(m for m in beside if 0 <= m < 2**31), *range(5), 2**31 - 1, *anywhere], dtype=np.uint32)
    found, unsure = randomness._rounded(magnitudes, 31, sigma)
    assert 0 in magnitudes[unsure]
    for i in set(range(len(magnitudes))) - set(unsure.tolist()):
        low = int(magnitudes[i]) << 32
        assert by_inverse(low, 0, sigma) == by_inverse(low + 2**32 - 1, 2**128 - 1, sigma) == found[i]


@pytest.mark.parametrize("sigma", [0.3, 1.0, 7.3, 123.4])
@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("sign", [0, 1])
def test_draws_beside_a_half_integer_are_decided_exactly(sigma, k, sign, script):
    with mpmath.workdps(100):
        tail = mpmath.erfc((k + mpmath.mpf("0.5")) / (mpmath.mpf(sigma) * mpmath.sqrt(2))) / 2 * 2**64
        border, rest = int(tail), int((tail - int(tail)) * 2**128)
    seen = set()
    for magnitude, extra in (
        (border, rest - 1),
        (border, rest + 2),
        (border, 1),
        (border, 2**128 - 1),
        (border + 1, 1),
        (border - 1, 1),
    ):
        chunks = *pieces(magnitude, sign), extra.to_bytes(16, "little")
        draw = int(rounded_gaussian(1, sigma, script(*chunks))[0])
        assert abs(draw) == by_inverse(magnitude, extra, sigma)
        assert draw <= 0 if sign else draw >= 0
        seen.add(abs(draw))
    assert seen == {k, k + 1}


@pytest.mark.parametrize("guess", [0, 3, 9])
def test_exact_path_does_not_rely_on_its_guess(guess, script):
    assert randomness._decide(2**60, guess, 2.0, script(b"\1" * 16)) == by_inverse(2**60, 0, 2.0)


def test_smallest_word_is_the_far_tail_and_finite(script):
    draw = rounded_gaussian(1, 1.0, script(b"\0" * 4, b"\0" * 4, b"\xff" * 16))
    assert draw[0] == by_inverse(0, 2**128 - 1, 1.0) == 9


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), float("inf")])
def test_there_is_no_noise_free_setting(sigma):
    with pytest.raises(AccountingError):
        rounded_gaussian(3, sigma, os_entropy)


@pytest.mark.statistical
def test_noise_is_uncorrelated_across_coordinates_and_steps(keystream):
    entropy, steps, size = keystream("corr"), 300, 60
    noise = np.stack([rounded_gaussian(size, 50.0, entropy) for _ in range(steps)]) / 50.0
    across = (noise.T @ noise) / np.sqrt(steps)
    later = (noise[1:].T @ noise[:-1]) / np.sqrt(steps - 1)
    scores = np.concatenate([across[np.triu_indices(size, 1)], later.ravel()])
    assert np.abs(scores).max() < norm.isf(ALARM / len(scores)) * 1.1  # products are not quite Gaussian in the tail
    assert len(np.unique(noise, axis=0)) == steps


@pytest.mark.statistical
def test_poisson_sample_sizes_and_members(keystream):
    entropy, n, q, steps = keystream("poisson"), 2000, 0.3, 400
    taken = np.zeros((steps, n), dtype=bool)
    for t in range(steps):
        taken[t, poisson_sample(n, q, entropy)] = True
    sizes = taken.sum(1)
    assert abs(sizes.sum() - n * q * steps) < norm.isf(ALARM / 2) * np.sqrt(n * q * (1 - q) * steps)
    spread = ((sizes - n * q) ** 2).sum() / (n * q * (1 - q))
    assert chi2.isf(1 - ALARM, steps) < spread < chi2.isf(ALARM, steps)
    per_unit = ((taken.sum(0) - q * steps) ** 2).sum() / (steps * q * (1 - q))
    assert chi2.isf(1 - ALARM, n) < per_unit < chi2.isf(ALARM, n)
    pairs, both = n * (steps - 1), (taken[1:] & taken[:-1]).sum()
    assert abs(both - pairs * q * q) < norm.isf(ALARM / 2) * np.sqrt(pairs * q * q * (1 - q * q) * (1 + 2 * q))


def exact_gap(word, extra, rate):
    with mpmath.workdps(100):
        tail = (mpmath.mpf((word << 128) + extra) + 0.5) / mpmath.mpf(2) ** 192
        return int(mpmath.floor(mpmath.log(tail) / mpmath.log(1 - mpmath.mpf(rate))))


@pytest.mark.parametrize("rate", [0.3, 1e-3, 0.999, 1e-8])
def test_gaps_at_the_border_of_a_whole_number_are_exact(rate, script):
    """Words just above and just below each border (1 - rate)^k, where float64 cannot tell: the further bits decide."""
    for k in (1, 2, 7) if rate < 0.9 else (1, 2):
        with mpmath.workdps(100):
            at = mpmath.mpf(2) ** 64 * (1 - mpmath.mpf(rate)) ** k
        for word in (int(at) - 1, int(at), int(at) + 1):
            for extra in (0, 2**127, 2**128 - 1):
                words = script(np.array([word], dtype=np.uint64).tobytes(), extra.to_bytes(16, "little"))
                (found,) = geometric_gaps(1, rate, words)
                assert found == exact_gap(word, extra, rate)
                assert found in (k, k - 1)


@pytest.mark.parametrize("rate", [0.3, 1e-3, 0.999, 2.0**-40])
def test_gaps_of_any_word_are_exact(rate):
    """Also of the smallest and largest words, whose gaps are longest and shortest."""
    rng = np.random.default_rng(0)
    words = np.concatenate([rng.integers(0, 2**64, 60, dtype=np.uint64), np.array([0, 1, 2**63, 2**64 - 1], dtype=np.uint64)])
    queue = [words.tobytes()]
    found = geometric_gaps(len(words), rate, lambda n: queue.pop() if queue else bytes(n))
    assert found.tolist() == [exact_gap(int(w), 0, rate) for w in words]


def test_gaps_beyond_all_counting_end_a_sample():
    queue = [bytes(8)]
    assert geometric_gaps(1, 1e-300, lambda n: queue.pop() if queue else b"\xff" * n)[0] == 1 << 62
    assert poisson_sample(10**9, 1e-300, lambda n: bytes(n)).tolist() == []


@pytest.mark.statistical
def test_a_sample_of_many_units_asks_for_few_bytes(keystream):
    entropy, n, q, steps = keystream("many"), 10**8, 1e-5, 200
    found = [poisson_sample(n, q, entropy) for _ in range(steps)]
    assert all((np.diff(t) > 0).all() and t[0] >= 0 and t[-1] < n for t in found)
    assert entropy.drawn < steps * n * q * 16
    assert abs(sum(map(len, found)) - n * q * steps) < norm.isf(ALARM / 2) * np.sqrt(n * q * steps)
    halves = np.histogram(np.concatenate(found), [0, n // 2, n])[0]
    assert abs(halves[0] - halves[1]) < norm.isf(ALARM / 2) * np.sqrt(n * q * steps)


def test_rate_one_takes_everybody_and_asks_for_nothing(script):
    assert poisson_sample(4, 1.0, script()).tolist() == [0, 1, 2, 3]


def test_an_empty_sample_is_a_sample():
    assert poisson_sample(2, 0.5, lambda n: bytes(n)).tolist() == []
    assert poisson_sample(0, 0.5, os_entropy).tolist() == []


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, float("nan")])
def test_rates_outside_the_unit_interval_are_refused(rate):
    with pytest.raises(AccountingError):
        poisson_sample(5, rate, os_entropy)


@pytest.mark.statistical
def test_the_only_source_is_the_operating_system(monkeypatch):
    asked = []
    monkeypatch.setattr(os, "urandom", lambda n: asked.append(n) or b"\x42" * n)
    assert os_entropy(5) == b"\x42" * 5
    rounded_gaussian(3, 1.0, os_entropy)
    poisson_sample(8, 0.1, os_entropy)
    assert asked[:2] == [5, 12]
    assert len(asked) > 2


def test_core_uses_no_other_generator():
    allowed = {"secret_normals"}
    found = []
    for path in Path(synth.privacy.__file__).parent.glob("*.py"):
        for outer in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(outer, ast.FunctionDef) and outer.name not in allowed:
                found += [
                    (path.name, outer.name, ast.unparse(node)) for node in ast.walk(outer) if isinstance(node, ast.Attribute)
                ]
    banned = (
        "np.random.",
        "numpy.random",
        "torch.rand",
        "torch.manual_seed",
        "torch.normal",
        "torch.Generator",
        "random.random",
    )
    assert [use for use in found if use[2].startswith(banned)] == []
