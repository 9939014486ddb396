"""A smooth estimate of a column's density from noisy histograms: what to draw where single cells drown in the noise.

The logarithm of the density is a cubic spline with a roughness penalty (P-splines, Eilers and Marx 1996,
doi:10.1214/ss/1038425655), fitted to all levels of the histogram at once. The noise is known exactly, so Mallows' Cp says how
smooth it is. What stands out beyond the noise (heavy cells, steps, gaps) is added back from the histogram; bumps and tails that
the noise could have made are taken away: a row drawn far outside the data costs more than a tail too light. Post-processing.

Where public rows lie beside, their histogram is tried as the shape: the spline then is the logarithm of the ratio to it. It is
taken where Mallows' Cp, on the noisy histogram, prefers it; so a misleading one is left aside.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline
from scipy.ndimage import median_filter, uniform_filter1d
from scipy.special import ndtr, ndtri

from synth.encoding.hierarchy import BRANCHING, level_counts, level_sizes

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FEW = 32  # cells below which every one counts for itself
SPLINES = 64
ORDER = 3  # of the penalised differences: what is not seen continues like a normal distribution's logarithm
PENALTIES = (1e4, 300.0, 10.0, 0.3, 0.01)
WORSE = 10.0  # than the best Cp so far: no rougher fit is tried
STEPS = 20  # of Newton's method at most
HALVINGS = 12  # of a step that does not help
ENOUGH = 0.02  # gain of a step below which it stops, in units of the chi-square
WINDOW = 17  # cells that a heavy one is compared with
MARGIN = 1.5  # standard deviations beyond the largest of so many noises
BUMP = 5.0  # standard deviations that a second mode has to hold
BEND = 0.5  # of the logarithm of a tail that is not seen, as a normal distribution's bends
FALSE = 5e-4  # chance, per side of a column, that noise alone passes for rows beyond the outermost ones
TOGETHER = (1, 2, 4)  # neighbouring nodes whose rows are looked for together
FEW_LEFT = 0.15  # share of the rows beyond the body
NEAR = 0.2  # least distance that a rate is taken from, in standard deviations
SLOWER = 1.2  # than the masses fell before, a fall may be
TAIL = 1.0  # standard deviations of mass below which a tail is no longer seen


def smooth_masses(noisy: list[FloatArray], sigma: float, total: float, beside: FloatArray | None = None) -> FloatArray:
    """Plausible rows per fine cell: not negative, smooth where the noise leaves no choice, shape of ``noisy[0]``.

    Args:
        noisy: Noisy counts per level, finest first, shapes ``level_sizes``.
        sigma: Standard deviation of each.
        total: Rows that have a value, as far as known; above 0.
        beside: Public rows per fine cell, where there are some.
    """
    cells = len(noisy[0])
    if cells < FEW:
        out = np.maximum(noisy[0], 0.0)
    else:
        excess = noisy[0] - median_filter(noisy[0], WINDOW, mode="nearest")
        excess[excess < _largest(cells) * sigma] = 0.0
        rest = [level - more for level, more in zip(noisy, level_counts(excess), strict=True)]
        plain = _fit(rest, sigma, total)
        shaped = None if beside is None or not beside.any() else _fit(noisy, sigma, total, np.log(public_shape(beside)))
        if shaped is not None and shaped.score < plain.score + 2 * np.count_nonzero(excess):
            out = np.maximum(shaped.density + _beyond(noisy, shaped.density, sigma), 0.0)
        else:
            out = _plausible(plain.density, rest, sigma) + excess
    return np.asarray(out * (total / out.sum()) if out.sum() > 0 else np.full(cells, total / cells))


def public_shape(counts: FloatArray) -> FloatArray:
    """Shares of cells among public rows, above 0: as smooth as chance among the rows leaves them.

    Counts are drawn towards the mean of their neighbours, the more the less they vary beyond chance (gamma and Poisson).

    Args:
        counts: Public rows per cell, shape (cells,), not all 0.
    """
    near = uniform_filter1d(counts, WINDOW, mode="nearest")
    beyond = max(float(((counts - near) ** 2 - near).sum() / max((near**2).sum(), 1e-300)), 0.0)
    shrunk = near + (counts - near) * beyond * near / (1 + beyond * near)
    shares = np.maximum(shrunk, 0.0) + 1 / len(counts)  # and one row anywhere
    return np.asarray(shares / shares.sum())


def _plausible(base: FloatArray, rest: list[FloatArray], sigma: float) -> FloatArray:
    """A fit without bumps and tails that the noise could have made, and with what stands out beyond it."""
    for _ in range(2):  # the upper side, then the lower
        base = _fade(_level_bumps(base, sigma), sigma)[::-1]
    base, runs = np.maximum(base + _beyond(rest, base, sigma), 0.0), _runs(rest, sigma)
    for _ in range(2):
        base, runs = _confine(base, runs)[::-1], runs.mirrored(len(base))
    return base


def _largest(size: int) -> float:
    """About the largest of ``size`` standard normal noises, and a margin."""
    return float(np.sqrt(2 * np.log(max(size, 2)))) + MARGIN


class _Fitted(NamedTuple):
    """A penalised fit: spline coefficients, density per cell, and Cp."""

    coefficients: FloatArray
    density: FloatArray
    score: float


def _fit(noisy: list[FloatArray], sigma: float, total: float, shape: FloatArray | float = 0.0) -> _Fitted:
    """The fit of the penalty with the best Cp, from smooth to rough; ``shape`` is the logarithm of what it is a ratio to."""
    basis = _basis(len(noisy[0]))
    rough = np.diff(np.eye(basis.shape[1]), ORDER, axis=0)
    seen = np.concatenate(noisy) / sigma
    shape = np.broadcast_to(np.asarray(shape, dtype=np.float64), len(basis))
    start = np.full(basis.shape[1], np.log(total / np.exp(shape).sum()))
    best = found = _Fitted(start, np.exp(shape + basis @ start), np.inf)
    for penalty in PENALTIES:
        found = _newton(basis, rough.T @ rough * penalty, seen, sigma, found.coefficients, shape)
        if found.score > best.score + WORSE:
            break
        best = min(best, found, key=lambda fit: fit.score)
    return best


def _basis(cells: int) -> FloatArray:
    """Cubic splines on even knots, shape (cells, splines)."""
    inner = np.linspace(0, cells, min(SPLINES, cells // 4) - 2)
    pad = inner[1] * np.arange(1, 4)
    knots = np.concatenate([-pad[::-1], inner, cells + pad])
    return np.asarray(BSpline.design_matrix(np.arange(cells) + 0.5, knots, 3).toarray())


def _sums(values: FloatArray) -> FloatArray:
    """All levels of a fine array, end to end, along the first axis."""
    parts = [values]
    for _ in level_sizes(len(values))[1:]:
        parts.append(np.add.reduceat(parts[-1], np.arange(0, len(parts[-1]), BRANCHING), axis=0))
    return np.concatenate(parts)


def _newton(
    basis: FloatArray, penalty: FloatArray, seen: FloatArray, sigma: float, start: FloatArray, shape: FloatArray
) -> _Fitted:
    """Penalised least squares of the exponentiated spline, by damped Gauss-Newton steps."""

    def state(at: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        density = np.exp(np.minimum(shape + basis @ at, 50.0))
        residual = _sums(density) / sigma - seen
        return density, residual, float(residual @ residual + at @ penalty @ at)

    at, ridge = start, penalty + 1e-6 * np.eye(len(start))
    density, residual, cost = state(at)
    for _ in range(STEPS):
        slope = _sums(density[:, None] * basis) / sigma
        bend = slope.T @ slope
        step = np.linalg.solve(bend + ridge, slope.T @ residual + penalty @ at)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-9))
        new = state(at - step)
        for _ in range(HALVINGS):
            if new[2] <= cost:
                break
            step /= 2
            new = state(at - step)
        gain = cost - new[2]
        if gain > 0:
            at, (density, residual, cost) = at - step, new
        if gain < ENOUGH:
            break
    freedom = float(np.trace(np.linalg.solve(bend + ridge, bend)))
    return _Fitted(at, density, float(residual @ residual) + 2 * freedom)


def _level_bumps(density: FloatArray, sigma: float) -> FloatArray:
    """Level the bumps above the mode that hold no more than the noise could have put there."""
    out, i = density.copy(), int(np.argmax(density)) + 1
    floor = out[i - 1]
    while i < len(out):
        if out[i] <= floor:
            floor, i = out[i], i + 1
            continue
        below = np.flatnonzero(out[i:] <= floor)
        end = i + int(below[0]) if len(below) else len(out)
        if (out[i:end] - floor).sum() < BUMP * sigma:
            out[i:end], i = floor, end
        else:
            i += int(np.argmax(out[i:end])) + 1
            floor = out[i - 1]
    return out


def _fade(density: FloatArray, sigma: float) -> FloatArray:
    """Let the upper end, too faint to be seen, fall off from the rate of what is seen before it, and faster further out."""
    above = np.cumsum(density[::-1])[::-1]
    outer, inner = (int(np.sum(above >= mass)) for mass in (TAIL * sigma, 3 * TAIL * sigma))
    if not 0 < inner < outer < len(density):
        return density
    reach = np.log(3) / (outer - inner) * np.arange(len(density) - outer)
    fall = np.exp(-reach * (1 + BEND * reach))
    out = density.copy()
    out[outer:] = above[outer] * fall / fall.sum()
    return out


def _beyond(noisy: list[FloatArray], base: FloatArray, sigma: float) -> FloatArray:
    """What single nodes hold beyond the fit and the noise, from the top level down, shared over their cells."""
    out = np.zeros(len(base))
    for level in range(len(noisy) - 1, -1, -1):
        place = np.arange(len(base)) // BRANCHING**level
        now = np.maximum(base + out, 1e-9)
        fitted = np.bincount(place, now)
        gap = noisy[level] - fitted
        gap[np.abs(gap) < _largest(len(gap)) * sigma] = 0.0
        out += (gap / fitted)[place] * now
    return out


class _Runs(NamedTuple):
    """Neighbouring nodes taken together: first cell, end, and rows in standard deviations of their noise."""

    first: IntArray
    end: IntArray
    score: FloatArray

    def mirrored(self, cells: int) -> _Runs:
        """The same, seen from the other end."""
        return _Runs(cells - self.end, cells - self.first, self.score)

    def outermost(self) -> tuple[int, int]:
        """The last run that surely holds rows, the shortest of those that start there; the best where none is sure."""
        sure = self.score >= min(-ndtri(FALSE / len(self.score)), self.score.max())
        first = int(self.first[sure].max())
        return first, int(self.end[sure & (self.first == first)].min())


def _runs(noisy: list[FloatArray], sigma: float) -> _Runs:
    """All runs of ``TOGETHER`` neighbouring nodes of one level."""
    found = []
    for level, counts in enumerate(noisy):
        width, sums = BRANCHING**level, np.concatenate([[0.0], np.cumsum(counts)])
        for nodes in TOGETHER:
            first = np.arange(max(len(counts) + 1 - nodes, 0)) * width
            end = np.minimum(first + nodes * width, len(noisy[0]))
            found.append(_Runs(first, end, (sums[nodes:] - sums[:-nodes]) / (sigma * np.sqrt(nodes))))
    return _Runs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _confine(masses: FloatArray, runs: _Runs) -> FloatArray:
    """Move mass far above the outermost rows that are surely there inwards, until it fades from them like a normal tail.

    From the middle of the run that holds those rows (or where few rows are left, if that is further out) no more lies beyond a
    cell than beyond it in the normal distribution that falls there as the masses fell before.
    """
    first, end = runs.outermost()
    above = np.append(np.cumsum(masses[::-1])[::-1], 0.0)
    middle = first + int(np.sum(above[first + 1 : end] > (above[first] + above[end]) / 2))
    at = min(max(middle, int(np.sum(above >= FEW_LEFT * above[0]))), len(masses) - 1)
    place = -ndtri(np.clip(above / max(above[0], 1e-300), 1e-300, 1 - 1e-9))  # on a standard normal distribution
    width = 1.0
    for mass in (3 * above[at], max(above[0] / 2, 1.5 * above[at])):
        inner = min(int(np.sum(above >= mass)), at)
        width = max(width, (at - inner) / max(place[at] - place[inner], NEAR))
    most = above[0] * ndtr(-place[at] - np.arange(len(above) - at) / (width * SLOWER))
    most[-1] = 0.0
    out = masses.copy()
    out[at:] = -np.diff(np.minimum(above[at:], most))
    return out
