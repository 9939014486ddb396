"""From raw cells to codes: everything that was not declared is learnt here, each phase for a fixed share of the budget.

Which phases are paid for depends on the declared schema alone. A phase that turns out to have nothing to ask burns its
share, so that what is left for the model does not depend on the rows (see ``synth.privacy.budget`` on adaptivity).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from synth.column import LONGEST_DURATION, can_hold
from synth.encoding.category import CategoryCodec, closed_codec, open_codec
from synth.encoding.codec import Codec, ColumnCodec
from synth.errors import RefusedError
from synth.privacy.bins import learn_bins
from synth.privacy.budget import RowCount, counted_rows, declared_rows
from synth.privacy.exact import MAX_DIGITS, VALUE_CLASSES, bucket_edges
from synth.privacy.frame import PrivateFrame
from synth.privacy.rows import Rows
from synth.privacy.shares import SELECTION_SHARE, Measurement, sigma_for
from synth.privacy.vault import PrivateTable
from synth.progress import Progress
from synth.schema import LARGEST_INTEGER, Column, Kind, Outside, Schema
from synth.storage import Family

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ROWS_SHARE = 0.005
KINDS_SHARE = 0.015
BOUNDS_SHARE = 0.02
DOMAINS_SHARE = 0.05
MAX_NAMED = 1000
ROWS_SIGMAS = 2.0  # fewer rows than this many standard deviations of their count are refused
MOSTLY = 0.99  # share of the cells that decides a kind
PROSE_SIGMAS = 6.0  # a column is refused as free text only beyond what noise makes of a thousand columns
LOOKS = {
    "integer": Kind.INTEGER, "float": Kind.FLOAT, "boolean": Kind.BOOLEAN, "date": Kind.DATETIME, "datetime": Kind.DATETIME,
    "clock": Kind.TIME, "time": Kind.TIME, "duration": Kind.DURATION,
    **{f"decimal_{digits}": Kind.DECIMAL for digits in range(1, MAX_DIGITS + 1)},
}  # fmt: skip
BUCKET_SIGMAS = 4.5  # a bucket counts as occupied above this many standard deviations


def prepare(frame: PrivateFrame, progress: Progress, beside: Rows | None = None) -> tuple[PrivateTable, Codec]:
    """Learn what the schema leaves open, within its shares, and encode.

    Args:
        frame: Raw rows.
        progress: Told about phases.
        beside: Public rows of the same columns, where there are some.

    Returns:
        The codes behind the same ledger, and the public codec whose schema is complete.

    Raises:
        RefusedError: The budget does not carry it.
    """
    declared = frame.schema
    progress.phase("counting rows")
    rows = _count_rows(frame)
    progress.phase("learning kinds")
    columns = _learn_kinds(frame, declared)
    progress.phase("learning bounds")
    columns = _learn_bounds(frame, declared, columns)
    progress.phase("learning bins")
    numeric, tables = learn_bins(frame, declared, columns, rows, beside)
    progress.phase("learning categories")
    categorical, more = _learn_domains(frame, declared, columns)
    codecs: list[ColumnCodec] = []
    for column in columns:
        found = numeric.get(column.name) or categorical.get(column.name)
        codecs.append(found if found is not None else closed_codec(column))
    complete = {c.column.name: c.column for c in codecs}
    codec = Codec(frame.whole.completed(complete), tuple(codecs))
    progress.phase("encoding")
    progress.spent(frame.ledger.spent())
    return frame.encode(codec, rows, [*tables, *more]), codec


def _count_rows(frame: PrivateFrame) -> RowCount:
    if frame.schema.public_rows is not None:
        rows = declared_rows(frame.schema.public_rows)
    else:
        sigma = sigma_for(frame.ledger, ROWS_SHARE)
        noisy = frame.noisy_row_count(sigma=sigma)
        sigma *= frame.spread
        if noisy < ROWS_SIGMAS * sigma:
            raise RefusedError(
                f"the table has too few rows to learn from at epsilon = {frame.ledger.budget.epsilon:g}: their number cannot "
                f"be told from {ROWS_SIGMAS * sigma:.0f} or fewer; raise --epsilon, or gather more rows"
            )
        rows = counted_rows(noisy, sigma)
    frame.ledger.set_rows(rows)
    return rows


def _learn_kinds(frame: PrivateFrame, declared: Schema) -> tuple[Column, ...]:
    unknown = [c.name for c in declared.columns if c.kind is None]
    if not unknown:
        return declared.columns
    sigma = sigma_for(frame.ledger, KINDS_SHARE, len(unknown))
    found = {name: frame.noisy_value_classes(name, sigma=sigma) for name in unknown}
    columns = tuple(c if c.kind is not None else guess_kind(c, found[c.name], sigma) for c in declared.columns)
    prose = next((c.name for c in columns if c.kind is Kind.TEXT), None)
    if prose is not None:
        raise RefusedError(free_text(prose))
    return columns


def free_text(name: str) -> str:
    """What to do about a column of free text."""
    return (
        f"column {name!r} is free text, which cannot be learnt privately: drop it, or declare it as kind pii (made by Faker), "
        "identifier (made from a pattern) or category (values that many rows share)"
    )


def guess_kind(column: Column, noisy_classes: FloatArray, sigma: float) -> Column:
    """Choose a kind from noisy counts of what cells look like. Post-processing.

    Args:
        column: What is declared about it.
        noisy_classes: Counts in the order of ``exact.VALUE_CLASSES``.
        sigma: Their standard deviation.
    """
    count = {name: float(max(value, 0)) for name, value in zip(VALUE_CLASSES, noisy_classes, strict=True)}
    count = {name: value if value > 3 * sigma and _possible(column, name) else 0.0 for name, value in count.items()}
    whole = count["integer"]
    decimals = [count[f"decimal_{d}"] for d in range(1, MAX_DIGITS + 1)]
    real = sum(decimals) + count["float"]
    dates = count["date"] + count["datetime"]
    times = count["clock"] + count["time"]
    known = whole + real + dates + times + sum(count[name] for name in ("duration", "boolean", "prose", "text"))
    numeric = None if column.outside is Outside.OTHER else column.outside
    if known > 0 and (whole + real) >= MOSTLY * known:
        if real <= 0.02 * known:
            return replace(column, kind=Kind.INTEGER, outside=numeric)
        digits = next((d for d in range(1, MAX_DIGITS + 1) if sum(decimals[:d]) + whole >= 0.98 * (whole + real)), None)
        kind = Kind.FLOAT if digits is None else Kind.DECIMAL
        return replace(column, kind=kind, precision=digits, outside=numeric)
    if known > 0 and dates >= MOSTLY * known:
        form = "%Y-%m-%d" if count["datetime"] == 0 else None
        return replace(column, kind=Kind.DATETIME, format=form, outside=numeric)
    if known > 0 and times >= MOSTLY * known:
        return replace(column, kind=Kind.TIME, granularity="minute" if count["time"] == 0 else None, outside=numeric)
    if known > 0 and count["duration"] >= MOSTLY * known:
        return replace(column, kind=Kind.DURATION, outside=numeric)
    if count["prose"] > PROSE_SIGMAS * sigma and count["prose"] >= MOSTLY * known:
        return replace(column, kind=Kind.TEXT, outside=None)
    if known > 0 and count["boolean"] >= MOSTLY * known:
        return replace(column, kind=Kind.BOOLEAN, outside=Outside.NULL if column.outside is Outside.NULL else None)
    return replace(column, kind=Kind.CATEGORY, outside=None if column.outside is Outside.CLIP else column.outside)


def _possible(column: Column, looks: str) -> bool:
    """Whether cells of the column's type, which is public, can look like that; noise alone may say so."""
    return looks not in LOOKS or can_hold(column, LOOKS[looks])


def _learn_bounds(frame: PrivateFrame, declared: Schema, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    if not any(c.kind is None or c.needs_bounds for c in declared.columns):
        return columns
    unknown = [c for c in columns if c.needs_bounds]
    if not unknown:
        frame.burn("bounds", sigma=sigma_for(frame.ledger, BOUNDS_SHARE))
        return columns
    sigma = sigma_for(frame.ledger, BOUNDS_SHARE, len(unknown))
    found = {c.name: guess_bounds(c, frame.noisy_magnitudes(c, sigma=sigma), sigma) for c in unknown}
    return tuple(replace(c, bounds=found[c.name]) if c.name in found else c for c in columns)


def guess_bounds(column: Column, noisy_buckets: FloatArray, sigma: float) -> tuple[float, float] | tuple[str, str]:
    """Outermost buckets that are surely occupied; the fullest one where none is. Post-processing."""
    edges = bucket_edges(column)
    occupied = np.flatnonzero(noisy_buckets > BUCKET_SIGMAS * sigma)
    if not len(occupied):
        occupied = np.array([int(np.argmax(noisy_buckets))])
    low, high = edges[occupied[0]], edges[occupied[-1] + 1]
    if column.kind is Kind.DATETIME:
        days = [str(np.datetime64(int(v // 86_400), "D")) for v in (low, high - 86_400)]
        clock = "T00:00:00" if column.format is None else ""  # bounds with a time of day keep it in the values
        return days[0] + clock, days[1] + clock
    if column.kind is Kind.INTEGER:
        low, high = (min(max(v, -LARGEST_INTEGER), LARGEST_INTEGER) for v in (low, high))
        low, high = _whole(low, up=True), max(_whole(low, up=True), _whole(high, up=False))
    if column.kind is Kind.DURATION:
        low, high = (min(max(v, -LONGEST_DURATION), LONGEST_DURATION) for v in (low, high))
    storage = column.storage
    if storage is not None and storage.family is Family.INTEGER:  # what the type cannot hold is not there
        first, last = storage.whole_bounds()
        low, high = (min(max(v, first), last) for v in (low, high))
    return float(low), float(high)


def _whole(edge: float, *, up: bool) -> float:
    """Borders of the zero bucket are fractions of one; those of the others are whole."""
    if abs(edge) < 1:
        return 0.0
    return float(edge if (up and edge > 0) or (not up and edge < 0) else edge + (1 if up else -1)) if edge else 0.0


def _learn_domains(
    frame: PrivateFrame, declared: Schema, columns: tuple[Column, ...]
) -> tuple[dict[str, CategoryCodec], list[Measurement]]:
    if not any(c.kind is None or c.is_open for c in declared.columns):
        return {}, []
    delta = frame.ledger.working_delta * SELECTION_SHARE / 2  # the other half: single values of numbers
    unknown = [c for c in columns if c.is_open]
    if not unknown:
        frame.burn_selection("category domain", sigma=sigma_for(frame.ledger, DOMAINS_SHARE), delta=delta)
        return {}, []
    sigma = sigma_for(frame.ledger, DOMAINS_SHARE, len(unknown))
    codecs, tables = {}, []
    for column in unknown:
        named = frame.named_values(column, sigma=sigma, delta=delta / len(unknown))
        kept = sorted(sorted(named, key=lambda v: -named[v])[:MAX_NAMED])
        codec = open_codec(column, tuple(kept))
        counts, sd = np.zeros(codec.size), np.full(codec.size, np.inf)  # nothing is known of "other" and "missing"
        counts[: len(kept)], sd[: len(kept)] = [named[v] for v in kept], sigma
        codecs[column.name] = codec
        tables.append(Measurement(names=(column.name,), counts=counts, sigma=sd))
    return codecs, tables
