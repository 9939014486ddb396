"""Noise as functions of exact integers. Everything that enters is private, everything that leaves may leave.

Where several processes hold the rows (``Several``), their integers are added up first, noise is drawn once, and all get the
same noisy answer. Nothing gets noise but here, so no process can give an answer about its own rows alone.

Where sites hold them (``Apart``), each adds all of the noise that is charged to its own integers, and only then are they added
up: the answer has the noise of every site in it (``spread``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import mpmath
import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from synth.errors import AccountingError
from synth.privacy.geometric import two_sided_geometric
from synth.privacy.randomness import Apart, Entropy, Several, Value, bind, rounded_gaussian

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

GRID_LOSS = 0.005  # rounding a gradient sum to the grid may raise its sensitivity by at most this share
NOBODYS = "tables cannot be chosen by exact scores that no site may know; take another model"
_DIGITS, _CHOICE_BITS = 60, 256
# Summing n clipped rows in float64, in chunks of K, is off by at most (K + n / K) 2^-53 n clipping norms, and so is the sum
# of the neighbour: together below this for thirty million rows a batch in chunks of 2,048, or seven million in chunks of 128.
# That is far more than any plan expects; a site may get it where others have made the common row count small.
FLOAT_SLACK = 1e-4


def noisy_counts(exact_counts: IntArray, *, sigma: float, entropy: Entropy) -> IntArray:
    r"""Add independent rounded Gaussian noise to counts.

    ``S + round(N) = round(S + N)`` for an integer ``S``: post-processing of the Gaussian mechanism, in any dimension.

    Args:
        exact_counts: Integers of any shape. Private.
        sigma: Standard deviation in counts (not a multiple of the sensitivity).
        entropy: Source of secret bytes, never the user's seed.

    Returns:
        Noisy counts of the same shape; :math:`\Delta_2/\sigma`-GDP.

    Raises:
        AccountingError: The counts are not integers, so the argument above would not hold.
    """
    return _with_noise(exact_counts, repr(sigma), entropy, lambda size: rounded_gaussian(size, sigma, entropy))


def laplace_counts(exact_counts: IntArray, *, scale: float, entropy: Entropy) -> IntArray:
    r"""Add independent Laplace noise on whole numbers (two-sided geometric) to counts.

    Args:
        exact_counts: Integers of any shape. Private.
        scale: In counts.
        entropy: Source of secret bytes.

    Returns:
        Noisy counts of the same shape; :math:`\Delta_1/scale`-DP.

    Raises:
        AccountingError: See ``noisy_counts``.
    """
    return _with_noise(exact_counts, f"laplace {scale!r}", entropy, lambda size: two_sided_geometric(size, scale, entropy))


def _with_noise(exact_counts: IntArray, asked: str, entropy: Entropy, draw: Callable[[int], IntArray]) -> IntArray:
    """Counts of all processes plus independent noise for each."""
    if not np.issubdtype(exact_counts.dtype, np.integer):
        raise AccountingError("counts must be integers before noise is added")
    exact_counts = exact_counts.astype(np.int64)
    if isinstance(entropy, Several):
        whole = entropy.total(exact_counts, asked)
        answer: IntArray = entropy.told(lambda: _noisy(whole, asked, entropy, draw))
        return answer
    if isinstance(entropy, Apart):
        return entropy.pooled(_noisy(exact_counts, asked, entropy, draw), asked)
    return _noisy(exact_counts, asked, entropy, draw)


def noisy_size(exact_units: int, *, sigma: float, entropy: Entropy) -> int:
    """How many units there are, with noise: the answer that later noise and rates depend on.

    The argument for that (``synth.privacy.budget``) wants an answer which differs from the exact number by own noise and by
    what was fixed before: sites therefore commit to their parts before they see any.
    """
    exact_counts = np.array([exact_units], dtype=np.int64)
    if isinstance(entropy, Apart):
        own = _noisy(exact_counts, repr(sigma), entropy, lambda size: rounded_gaussian(size, sigma, entropy))
        return int(entropy.committed(own, sigma)[0])
    return int(noisy_counts(exact_counts, sigma=sigma, entropy=entropy)[0])


def spread(entropy: Entropy) -> float:
    """Standard deviation of the noise in an answer, in that of the noise which is charged: every site adds it once. Public."""
    return math.sqrt(entropy.size) if isinstance(entropy, Apart) else 1.0


def _noisy(exact_counts: IntArray, asked: str, entropy: Entropy, draw: Callable[[int], IntArray]) -> IntArray:
    bind(entropy, f"{asked} {exact_counts.shape}".encode() + exact_counts.tobytes())
    return exact_counts + draw(exact_counts.size).reshape(exact_counts.shape)


def selection_threshold(sigma: float, delta: float, *, cap: int = 1, scale: int = 1) -> int:
    r"""Smallest integer threshold that names any value of a single unit with probability at most ``delta``.

    A value that one row alone holds is named when ``round(1 + N) > threshold``, that is when ``N >= threshold - 1/2``:
    probability :math:`\Phi(-(t - 1/2)/\sigma)` (Korolova et al. 2009; Gopi et al. 2020, arXiv:2002.09745, for the Gaussian).

    A unit of ``m`` rows may alone hold ``r`` values, with weights that sum to at most ``scale``. See ``naming_chance``.

    Args:
        sigma: Of the noise, in units.
        delta: Chance that may be spent.
        cap: Most rows of a unit.
        scale: What a unit counts at most.

    Returns:
        In ``1 / scale``.
    """
    low = high = math.ceil(scale - 0.5 - sigma * scale * float(ndtri(delta)))  # enough for a single value
    if cap == 1:
        return low
    low = high = max(low, scale)
    while naming_chance(high, sigma * scale, cap, scale) > delta:
        low, high = high, high + math.ceil(0.5 * sigma * scale)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if naming_chance(middle, sigma * scale, cap, scale) <= delta else (middle + 1, high)
    return high


def naming_chance(threshold: int, sigma: float, cap: int, scale: int) -> float:
    r"""Most that the chance may be to name one of the values that a single unit alone holds.

    With ``m`` rows on ``r`` values the chances add up to :math:`\sum_j f(c_j)` at most, where ``c_j`` rows hold value j and
    :math:`f(c) = \Phi(-(t + 1/2 - c \lfloor s/m \rfloor)/\sigma)`. Up to a weight of ``t + 1/2`` this is convex, so the sum
    is largest where all values but one are held by one row; what is returned is the largest over m and r.

    Args:
        threshold: In ``1 / scale``, at least ``scale``.
        sigma: Of the noise, in ``1 / scale``.
        cap: Most rows of a unit.
        scale: What a unit counts at most.
    """
    rows = np.repeat(np.arange(1, cap + 1), np.arange(1, cap + 1))
    values = np.concatenate([np.arange(1, m + 1) for m in range(1, cap + 1)])
    share = scale // rows
    single, rest = (ndtr(-(threshold + 0.5 - weight) / sigma) for weight in (share, (rows - values + 1) * share))
    return float((rest + (values - 1) * single).max())


def named_values(
    values: Sequence[Value], exact_counts: IntArray, *, sigma: float, threshold: int, entropy: Entropy
) -> dict[Value, int]:
    """Values whose noisy count exceeds the threshold, in order, with their noisy counts.

    Args:
        values: Distinct values that occur at least once. Private.
        exact_counts: How often, same length, all >= 1. Private.
        sigma: Standard deviation of the noise.
        threshold: From ``selection_threshold``.
        entropy: Source of secret bytes.

    Returns:
        Of sites: what every one of them names for itself, with the sum of their noisy counts.
    """
    if isinstance(entropy, Several):
        found, counts = entropy.merged(values, exact_counts)
        named: list[tuple[Value, int]] = entropy.told(lambda: _named(found, counts, sigma, threshold, entropy))
        return dict(named)
    own = _named(values, exact_counts, sigma, threshold, entropy)
    return dict(entropy.shared(own, repr((sigma, threshold))) if isinstance(entropy, Apart) else own)


def _named(
    values: Sequence[Value], exact_counts: IntArray, sigma: float, threshold: int, entropy: Entropy
) -> list[tuple[Value, int]]:
    noisy = _noisy(exact_counts, repr(sigma), entropy, lambda size: rounded_gaussian(size, sigma, entropy))
    if len(noisy) != len(values):
        raise AccountingError("every value has one count")
    return sorted((values[int(i)], int(noisy[i])) for i in np.flatnonzero(noisy > threshold))


def exact_whole(exact_counts: IntArray, entropy: Entropy) -> IntArray:
    """Sums that scores or votes are computed from: of all processes where there are several. Private.

    In processes other than the one that will draw these are zeros.

    Raises:
        AccountingError: They lie at several sites, of which none may know them.
    """
    if isinstance(entropy, Apart):
        raise AccountingError(NOBODYS)
    return entropy.total(exact_counts, "scores") if isinstance(entropy, Several) else exact_counts


def exact_agreed(own: int, entropy: Entropy) -> int:
    """One of several processes' figures, the same in all of them: for how work is cut, never for an answer. Private.

    Sites, which tell nobody, do all of the work at once.
    """
    if isinstance(entropy, Apart):
        return 1
    return int(entropy.told(lambda: own)) if isinstance(entropy, Several) else own


def exponential_choice(exact_scores: Sequence[Fraction], *, sensitivity: Fraction, epsilon: float, entropy: Entropy) -> int:
    r"""Exponential mechanism: option i with probability proportional to :math:`\exp(\epsilon s_i / (2 \Delta))`.

    Scores are rational numbers, so nothing is lost before the exponential; that and the inversion run in 60-digit arithmetic
    on 256 secret bits. Probabilities are right up to ``options * 2^-190``, which the slack in ``budget`` covers.

    Args:
        exact_scores: One per option, at least one, from counts that went through ``exact_whole``. Private.
        sensitivity: How far one unit can move any score. Public.
        epsilon: Range of the privacy loss.
        entropy: Source of secret bytes.

    Returns:
        Position of the chosen option; ``epsilon``-DP and :math:`\epsilon^2/8`-zCDP.

    Raises:
        AccountingError: No options, scores that are not fractions, parameters outside their range, or rows at several sites.
    """
    sound = 0 < epsilon < math.inf and isinstance(sensitivity, Fraction) and sensitivity > 0
    if not sound or not exact_scores or not all(isinstance(s, Fraction) for s in exact_scores):
        raise AccountingError("a choice needs options with exact scores, and a finite epsilon and sensitivity above 0")
    if isinstance(entropy, Several):
        return int(entropy.told(lambda: _chosen(exact_scores, sensitivity, epsilon, entropy)))
    if isinstance(entropy, Apart):
        raise AccountingError(NOBODYS)
    return _chosen(exact_scores, sensitivity, epsilon, entropy)


def _chosen(exact_scores: Sequence[Fraction], sensitivity: Fraction, epsilon: float, entropy: Entropy) -> int:
    bind(entropy, repr((exact_scores, sensitivity, epsilon)).encode())
    rate, top = Fraction(epsilon) / (2 * sensitivity), max(exact_scores)
    with mpmath.workdps(_DIGITS):
        weights = [mpmath.exp(mpmath.mpf(q.numerator) / q.denominator) for q in ((s - top) * rate for s in exact_scores)]
        point = mpmath.mpf(int.from_bytes(entropy(_CHOICE_BITS // 8), "little")) / mpmath.mpf(2) ** _CHOICE_BITS
        point, running = point * mpmath.fsum(weights), mpmath.mpf(0)
        for i, weight in enumerate(weights[:-1]):
            running += weight
            if point < running:
                return i
    return len(weights) - 1


def grid_bits(n_parameters: int) -> int:
    """Binary digits of the grid, relative to the clipping norm, that keep the rounding loss below ``GRID_LOSS``."""
    return max(10, math.ceil(math.log2(math.sqrt(n_parameters) / GRID_LOSS)))


def rounded_sensitivity(n_parameters: int) -> float:
    r"""L2 sensitivity of a clipped sum rounded to the grid, in clipping norms.

    :math:`\|round(S+v) - round(S)\| \le \|v\| + \sqrt{d}\, g`, as each coordinate moves by at most one cell more.
    """
    return 1 + math.sqrt(n_parameters) * 2.0 ** -grid_bits(n_parameters) + FLOAT_SLACK


def noisy_gradient_sum(exact_sum: FloatArray, *, max_grad_norm: float, noise_multiplier: float, entropy: Entropy) -> FloatArray:
    r"""Round a sum of clipped per-unit gradients to a grid and add rounded Gaussian noise there.

    Each of several processes rounds the sum of its own rows. One row more moves the borders between their rows, and with them
    every shard's sum; of these only the total is known to move by ``v``. So W roundings lose up to :math:`W \sqrt{d}\, g`,
    and the grid g is finer by W.

    Args:
        exact_sum: Sum over the sample of gradients of norm at most ``max_grad_norm``, shape (d,), float64. Private.
        max_grad_norm: Clipping norm.
        noise_multiplier: As charged: noise over the sensitivity of the *rounded* sum.
        entropy: Source of secret bytes.

    Returns:
        Noisy sum, shape (d,): integers times the grid.
    """
    shards = entropy.size if isinstance(entropy, Several) else 1
    finer = math.ceil(math.log2(shards))  # so that the roundings of all shards together lose no more than that of one sum
    grid = max_grad_norm * 2.0 ** -(grid_bits(exact_sum.size) + finer)
    sigma = noise_multiplier * rounded_sensitivity(exact_sum.size) * max_grad_norm / grid
    cells = np.rint(exact_sum / grid).astype(np.int64)
    return np.asarray(noisy_counts(cells, sigma=sigma, entropy=entropy) * grid, dtype=np.float64)
