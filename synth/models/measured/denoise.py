"""Noisy tables freed of most of their noise before anything is fitted: empirical Bayes over all of them at once.

What a table says beyond its margins is a sum of products of functions of its two columns. A priori these are smooth in
the order of ordered columns, and of a size that differs from table to table: nothing at all for most pairs of a wide
table. The distribution of sizes is learnt from all tables together (expectation maximisation over a grid), each table's
posterior follows from its own cells, and its posterior mean takes the place of the noisy cells. (Robbins 1956; Efron 2014,
"Two modeling strategies for empirical Bayes estimation", section 2.) Post-processing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from synth.models.measured.evidence import Table
from synth.models.prior import posteriors
from synth.table import Domain, EncodedTable

FloatArray = npt.NDArray[np.float64]

SIZES = (0.0, *(1e-4 * 3.0**k for k in range(10)))  # mean-square contingency of a table, a priori
ROUGH = 0.2  # part of an ordered column's variance that follows no order
DECAY = 2.0  # variance of the cosine of frequency k is k to the minus this
ALONE = np.array([(size, 0.0, 0.0) for size in SIZES])
ALIKE = (0.5, 0.9, 1.0)  # correlations of a link with that of public rows, where there is one
BESIDE = np.array([*((s, t, 0.0) for s in SIZES for t in SIZES), *((s, s, r) for s in SIZES[1:] for r in ALIKE)])
PSEUDO = 0.05  # public rows made up per cell
FITS = 20  # rounds of proportional fitting
LEAST_SHARE = 1e-6  # of a code, where its column's distribution sets a scale


@dataclass(frozen=True, slots=True)
class _Effect:
    """Part of a table that has no margins, in a basis where noise and signal are both uncorrelated.

    Attributes:
        table: Position of the table.
        mode: Position of the direction over classes.
        values: Noisy coefficients.
        variances: Of the signal at size 1.
        noise: Variance of the noise.
        known: Coefficients that public rows have, if any.
        blur: Their variances from the sampling of public rows.
    """

    table: int
    mode: int
    values: FloatArray
    variances: FloatArray
    noise: float
    known: FloatArray | float = 0.0
    blur: FloatArray | float = 1.0


def denoise(
    tables: Sequence[Table],
    ones: Sequence[Table],
    domain: Domain,
    split: int,
    public: EncodedTable | None = None,
    profiles: Sequence[Table] = (),
) -> list[Table]:
    """Posterior means of tables of two columns, or of two and the split column.

    Args:
        tables: Noisy shares with one standard deviation per table.
        ones: Noisy distribution of every column.
        domain: Of the groups.
        split: Position of the class target that is last in all tables, or -1.
        public: Public rows on the same groups. What links two columns there, carried over to private margins, is a second
            sight of the link; how alike the two are is learnt with the sizes.
        profiles: Further noisy tables of a column and the split column.

    Returns:
        Tables with the same columns.
    """
    coarse = pooled(tables, ones)
    in_order = domain.in_order or (0,) * len(domain.sizes)
    kernels = [_kernel(np.maximum(p, LEAST_SHARE), n) for p, n in zip(coarse, in_order, strict=True)]
    classes = coarse[split] if split >= 0 else np.ones(1)
    within = _margins(tables, coarse, kernels, split, profiles)
    modes = np.linalg.qr(np.column_stack([classes, np.eye(len(classes))[:, 1:]]))[0]
    nulls = [_null(within[t.columns[0]], within[t.columns[1]], classes) for t in tables]
    options = ALONE if public is None else BESIDE
    effects = []
    for k, (table, null) in enumerate(zip(tables, nulls, strict=True)):
        first, second = (kernels[j] for j in table.columns[:2])
        left = table.shares.reshape(null.shape) - null
        sd = float(table.sd.flat[0])
        scale = np.outer(first[1], second[1]) * float(classes @ classes)
        known = None if public is None else carried_over(public.counts(table.columns).reshape(null.shape), null)
        for m in range(len(classes)):
            effect = _Effect(k, m, first[0].T @ (left @ modes[:, m]) @ second[0], scale, sd**2)
            if known is not None:
                there = first[0].T @ ((known[0] - null) @ modes[:, m]) @ second[0]
                blur = (first[0] ** 2).T @ (known[1] @ modes[:, m] ** 2) @ second[0] ** 2
                effect = replace(effect, known=there, blur=blur)
            effects.append(effect)
    found = [null.copy() for null in nulls]
    for mode in range(len(classes)):
        mine = [e for e in effects if e.mode == mode]
        for effect, kept in zip(mine, _shrink(mine, options), strict=True):
            a, b = tables[effect.table].columns[:2]
            found[effect.table] += (kernels[a][0] @ kept @ kernels[b][0].T)[:, :, None] * modes[:, mode]
    return [replace(t, shares=f.reshape(t.shares.shape)) for t, f in zip(tables, found, strict=True)]


def _kernel(shares: FloatArray, in_order: int) -> tuple[FloatArray, FloatArray]:
    """Directions of a column's cells that sum to nothing, shape (size, size - 1), and their variances a priori."""
    shares = shares / shares.sum()
    rough = np.diag(shares) - np.outer(shares, shares)
    whole = rough / max(len(shares) - 1, 1)
    if in_order > 2:
        middle = (np.cumsum(shares[:in_order]) - shares[:in_order] / 2) / shares[:in_order].sum()
        waves = np.arange(1, min(in_order, 12))
        functions = np.zeros((len(shares), len(waves)))
        functions[:in_order] = math.sqrt(2) * np.cos(math.pi * np.outer(middle, waves))
        functions -= shares @ functions
        part = waves**-DECAY / (waves**-DECAY).sum() * (1 - ROUGH)
        waved = shares[:, None] * functions
        whole = ROUGH * whole + (waved * part) @ waved.T
    values, vectors = np.linalg.eigh(whole)
    return vectors[:, 1:], np.maximum(values[1:], 0)


def pooled(tables: Sequence[Table], ones: Sequence[Table]) -> list[FloatArray]:
    """Distribution of every column, from its own table and from all that it is part of."""
    precision = [1 / np.broadcast_to(t.sd, t.shares.shape) ** 2 for t in ones]
    sums = [w * t.shares for w, t in zip(precision, ones, strict=True)]
    for table in tables:
        for place, j in enumerate(table.columns):
            others = tuple(k for k in range(table.shares.ndim) if k != place)
            weight = 1 / (math.prod(table.shares.shape[k] for k in others) * float(table.sd.flat[0]) ** 2)
            sums[j] = sums[j] + weight * table.shares.sum(others)
            precision[j] = precision[j] + weight
    found = [np.maximum(s / w, 0) for s, w in zip(sums, precision, strict=True)]
    return [p / p.sum() if p.any() else np.full(len(p), 1 / len(p)) for p in found]


def _margins(
    tables: Sequence[Table],
    coarse: Sequence[FloatArray],
    kernels: list[tuple[FloatArray, FloatArray]],
    split: int,
    profiles: Sequence[Table],
) -> list[FloatArray]:
    """Every column against the split column, pooled over all tables and freed of noise; shape (size, classes) each."""
    if split < 0:
        return [p[:, None] for p in coarse]
    sums = [np.zeros((len(p), len(coarse[split]))) for p in coarse]
    precision = np.zeros(len(coarse))
    for table in tables:
        for place in (0, 1):
            j, other = table.columns[place], table.shares.shape[1 - place]
            weight = 1 / (other * float(table.sd.flat[0]) ** 2)
            sums[j] += weight * table.shares.sum(1 - place)
            precision[j] += weight
    for table in profiles:
        weight = 1 / float(table.sd.flat[0]) ** 2
        sums[table.columns[0]] += weight * table.shares
        precision[table.columns[0]] += weight
    effects, columns = [], [j for j in range(len(coarse)) if precision[j] > 0]
    for j in columns:
        left = sums[j] / precision[j] - np.outer(coarse[j], coarse[split])
        scale = np.outer(kernels[j][1], kernels[split][1])
        effects.append(_Effect(j, 0, kernels[j][0].T @ left @ kernels[split][0], scale, 1 / precision[j]))
    found = [np.outer(p, coarse[split]) for p in coarse]
    for effect, kept in zip(effects, _shrink(effects), strict=True):
        j = effect.table
        found[j] = np.maximum(found[j] + kernels[j][0] @ kept @ kernels[split][0].T, 0)
    return found


def _null(first: FloatArray, second: FloatArray, classes: FloatArray) -> FloatArray:
    """Two columns independent given the class; shape (size, size, classes)."""
    return np.asarray(np.einsum("ac,bc,c->abc", first, second, 1 / np.maximum(classes, LEAST_SHARE)))


def carried_over(counts: npt.NDArray[np.int64], null: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Public counts moved onto other margins, and the variance that the sampling of public rows gives each cell.

    Iterative proportional fitting, class by class: margins are those of ``null``, odds ratios those of public rows, of which
    a few more are made up where ``null`` has them. A cell of few public rows that is scaled up is worth little.

    Args:
        counts: Shape (size, size, classes).
        null: Shares with the wanted margins, same shape.
    """
    filled = counts + PSEUDO * null.size * null / null.sum() + 1e-9
    shares = filled / filled.sum()
    for _ in range(FITS):
        for axis in (1, 0):
            shares = shares * np.expand_dims(null.sum(axis) / np.maximum(shares.sum(axis), 1e-12), axis)
    return shares, shares**2 / filled


def _shrink(effects: Sequence[_Effect], options: FloatArray = ALONE) -> list[FloatArray]:
    """Posterior means under the distribution over ``options`` that makes all effects likeliest together.

    Args:
        effects: Of one mode.
        options: Rows of: size of the signal, size that public rows have, and the correlation of the two.
    """
    logs, means = np.empty((len(effects), len(options))), []
    size, other, alike = options.T[:, :, None, None]
    for k, e in enumerate(effects):
        signal, both = size * e.variances, alike * np.sqrt(size * other) * e.variances
        own, public = e.noise + signal, e.blur + other * e.variances
        left, right = public * e.values - both * e.known, own * e.known - both * e.values
        whole = own * public - both**2
        logs[k] = -0.5 * (np.log(whole) + (e.values * left + e.known * right) / whole).sum((1, 2))
        means.append((signal * left + both * right) / whole)
    return [np.einsum("o,oab->ab", chances, mean) for chances, mean in zip(posteriors(logs), means, strict=True)]
