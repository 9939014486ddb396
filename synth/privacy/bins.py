"""Columns of numbers and datetimes: single values, bins, and what is drawn inside them, for fixed shares of the budget.

Four questions per column, the later ones shaped by the answers to the earlier: which single values do many rows share
(partition selection, where the declared grid has more values than cells); how are the other rows spread (a histogram at
several resolutions); how round are their values. What each phase spends is fixed by the declared schema: a column of unknown
kind or bounds may turn out to have nothing to ask, and then the phase burns its share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from synth.encoding.axis import Axis, Split, apply_policy, cell_index, make_axis, split_axis
from synth.encoding.bins import Cells, coarse_bins, make_cells, wanted_bins
from synth.encoding.hierarchy import estimate
from synth.encoding.lattice import on_lattice
from synth.encoding.numeric import NumericCodec
from synth.encoding.rounding import Rounding, estimate_shares, groups, units_of
from synth.encoding.smooth import smooth_masses
from synth.privacy.budget import RowCount
from synth.privacy.frame import PrivateFrame
from synth.privacy.rows import Rows
from synth.privacy.shares import SELECTION_SHARE, Measurement, measurement_mu, sigma_for
from synth.schema import Column, Schema

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SINGLES_SHARE = 0.02
CELLS_SHARE = 0.08
ROUNDING_SHARE = 0.02
MAX_SINGLES = 4096


def learn_bins(
    frame: PrivateFrame, declared: Schema, columns: tuple[Column, ...], rows: RowCount, beside: Rows | None = None
) -> tuple[dict[str, NumericCodec], list[Measurement]]:
    """Codecs of the numeric columns, and their one-way tables.

    Args:
        frame: Raw rows.
        declared: What was declared, which decides what is spent.
        columns: The same with kinds and bounds filled in.
        rows: Row count in force.
        beside: Public rows, which noisy histograms are smoothed towards as far as they agree.
    """
    axes = {c: make_axis(c, c.numeric_bounds()) for c in columns if c.kind is not None and c.kind.is_numeric}
    singles, single_sigma = _learn_singles(frame, declared, axes)
    learnt = _learn_cells(frame, declared, axes, singles, single_sigma, rows, beside)
    mu, codecs, tables = measurement_mu(frame.ledger) / frame.spread, {}, []
    for column, (cells, gone) in learnt.items():
        wanted = wanted_bins(mu, rows.estimate, len(columns), target=column.name == declared.target)
        zero = int(cell_index(np.zeros(1), cells.split.axis)[0])
        starts = coarse_bins(cells.masses, sigma=cells.found.sigma, n_bins=wanted, zero=zero)
        codecs[column.name] = NumericCodec(
            column=column,
            axis=cells.split.axis,
            starts=tuple(int(s) for s in starts),
            weights=tuple(float(w) for w in cells.masses),
            missing=column.nullable,
        )
        tables.append(_merged(column, cells, starts, gone))
    rounding = _learn_rounding(frame, declared, codecs, {column: cells for column, (cells, _) in learnt.items()})
    return {name: replace(codec, rounding=rounding.get(name)) for name, codec in codecs.items()}, tables


def _may_ask(declared: Schema, asks: Callable[[Column, Axis], bool]) -> bool:
    """Whether a phase is paid for: some column asks, or its declared facts leave open whether it does."""
    return any(
        c.kind is None or (c.kind.is_numeric and (c.bounds is None or asks(c, make_axis(c, c.numeric_bounds()))))
        for c in declared.columns
    )


def _learn_singles(
    frame: PrivateFrame, declared: Schema, axes: dict[Column, Axis]
) -> tuple[dict[Column, dict[float, float]], float]:
    """Values that many rows share, with noisy counts, of columns with more values than cells; and the noise."""
    if not _may_ask(declared, lambda _, axis: axis.wide):
        return {}, 0.0
    delta = frame.ledger.working_delta * SELECTION_SHARE / 2  # the other half: open categories
    wide = [c for c, axis in axes.items() if axis.wide]
    if not wide:
        frame.burn_selection("single values", sigma=sigma_for(frame.ledger, SINGLES_SHARE), delta=delta)
        return {}, 0.0
    sigma = sigma_for(frame.ledger, SINGLES_SHARE, len(wide))
    out = {}
    for column in wide:
        named = frame.named_numbers(column, axes[column], sigma=sigma, delta=delta / len(wide))
        out[column] = {v: named[v] for v in sorted(sorted(named, key=lambda v: -named[v])[:MAX_SINGLES])}
    return out, sigma * frame.spread


def _learn_cells(
    frame: PrivateFrame,
    declared: Schema,
    axes: dict[Column, Axis],
    singles: dict[Column, dict[float, float]],
    single_sigma: float,
    rows: RowCount,
    beside: Rows | None,
) -> dict[Column, tuple[Cells, float]]:
    """Fine cells of each column from histograms of the rows beside the single values, and rows with a missing value."""
    if not any(c.kind is None or c.kind.is_numeric for c in declared.columns):
        return {}
    if not axes:
        frame.burn("histograms", sigma=sigma_for(frame.ledger, CELLS_SHARE))
        return {}
    mu = 1 / sigma_for(frame.ledger, CELLS_SHARE, len(axes))
    out = {}
    for column, axis in axes.items():
        named = singles.get(column, {})
        split, counts = split_axis(axis, np.asarray(list(named))), np.asarray(list(named.values()), dtype=np.float64)
        levels, gone, sigma = frame.noisy_levels(column, split, mu=mu)
        shape = None if beside is None else public_counts(beside, column, split, frame.schema.missing)
        masses = smooth_masses(levels, sigma, max(rows.estimate - gone - counts.sum(), 1.0), shape)
        if axis.step and not axis.wide:
            masses = on_lattice(masses, levels[0], sigma, round(axis.low / axis.step))
        out[column] = make_cells(split, estimate(levels, sigma), masses, counts, single_sigma), gone
    return out


def public_counts(beside: Rows, column: Column, split: Split, missing: tuple[str, ...]) -> FloatArray:
    """Public rows per cell of a histogram, shape (cells,), as the private ones are counted."""
    owner, counts = np.append(split.owner, -1), np.zeros(split.cells)  # an index of -1 means missing
    for values in beside.numbers(column, missing):
        place = owner[cell_index(apply_policy(values, split.axis, column.policy), split.axis)]
        counts += np.bincount(place[place >= 0], minlength=split.cells)
    return counts


def _learn_rounding(
    frame: PrivateFrame, declared: Schema, codecs: dict[str, NumericCodec], cells: dict[Column, Cells]
) -> dict[str, Rounding]:
    """How round the values beside the single ones are, per group of bins."""
    if not _may_ask(declared, lambda c, axis: units_of(c, axis) is not None):
        return {}
    asked = [(c, units) for c, known in cells.items() if (units := units_of(c, known.split.axis)) is not None]
    if not asked:
        frame.burn("round values", sigma=sigma_for(frame.ledger, ROUNDING_SHARE))
        return {}
    sigma = sigma_for(frame.ledger, ROUNDING_SHARE, len(asked))
    out = {}
    for column, units in asked:
        axis, bins = cells[column].split.axis, np.asarray(codecs[column.name].starts)
        several = axis.room() > 1
        starts = groups(np.add.reduceat(np.where(several, cells[column].masses, 0.0), bins), sigma * frame.spread)
        group = np.searchsorted(bins[starts][1:], np.arange(axis.cells), side="right")
        noisy = frame.noisy_roundness(column, axis, np.where(several, group, -1), units, sigma=sigma)
        shares = estimate_shares(noisy, sigma * frame.spread, units)
        if shares is not None:
            out[column.name] = Rounding(units=units, starts=tuple(starts.tolist()), shares=tuple(map(tuple, shares.tolist())))
    return out


def _merged(column: Column, cells: Cells, starts: IntArray, gone: float) -> Measurement:
    """One-way table of the codes, summed from the fine cells."""
    counts = np.add.reduceat(cells.counts, starts)
    ends = np.append(starts, len(cells.counts))[1:]
    sd = np.array([cells.range_sigma(int(first), int(last)) for first, last in zip(starts, ends, strict=True)])
    if column.nullable:
        counts, sd = np.append(counts, gone), np.append(sd, cells.found.sigma)
    else:  # a missing cell counts as the lowest value
        counts[0] += gone
        sd[0] = np.hypot(sd[0], cells.found.sigma)
    return Measurement(names=(column.name,), counts=counts, sigma=sd)
