"""What a fit would ask and how exact the answers would be, from public facts alone: no row is read and nothing is spent.

Noise is what the code would draw for a table of that size. Groups of codes depend on answers; here every code counts as
equally common. Expected errors are those of the noise alone, before models smooth it: half the sum of absolute errors of a
table's shares, as in the report's total variation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from synth.encoding.axis import make_axis
from synth.encoding.bins import wanted_bins
from synth.encoding.rounding import units_of
from synth.entity import learnt_schema
from synth.errors import InputError
from synth.fewer_columns import CHOICE_SHARE, Purpose, aimed, bound, purpose_of
from synth.models.measured.protect import Protection, check_protection
from synth.models.measured.regress import share_beside
from synth.models.measured.stage import PRODUCT_SHARE, REFINE_SHARE, one_way_share
from synth.models.measured.warm import TABLE_SHARE, trains
from synth.models.measured.workload import PLANNED_SHARE, choose_workload, too_many
from synth.privacy.bins import CELLS_SHARE, ROUNDING_SHARE, SINGLES_SHARE
from synth.privacy.budget import Budget, RowCount, counted_rows, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import selection_threshold
from synth.privacy.prepare import BOUNDS_SHARE, DOMAINS_SHARE, KINDS_SHARE, MAX_NAMED, ROWS_SHARE
from synth.privacy.shares import SELECTION_SHARE, measurement_mu, sigma_for
from synth.privacy.vault import PrivateTable
from synth.registry import PROTECTED, protecting
from synth.schema import Column, Schema
from synth.table import Domain

MODELS = ("hybrid", "marginal", "independent")
GUESSED_CODES = 30  # of a column whose domain is not declared, where the budget could name as many
LOST = 3.0  # standard deviations that the average cell of a column has to hold
MEAN_ERROR = math.sqrt(2 / math.pi)  # of a standard normal, in absolute value


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """One column.

    Attributes:
        name: Of the column.
        codes: Codes that it would have, about; an upper guess where the domain is not declared.
        sigma: Standard deviation of each count of its one-way table, in rows.
        error: Expected total variation of that table.
        threshold: Rows that have to share a value before it is named, where values are learnt; 0 otherwise.
        wide: Whether its average cell drowns in the noise.
    """

    name: str
    codes: int
    sigma: float
    error: float
    threshold: int
    wide: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """One table of two columns (and the classes of a class target): columns, cells, noise in rows, expected total variation."""

    columns: tuple[str, ...]
    cells: int
    sigma: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would happen.

    Attributes:
        model: Name of the synthesizer.
        epsilon: Granted.
        delta: In force.
        rows: As said.
        shares: Of the squared Gaussian budget, by phase.
        columns: One-way tables.
        pairs: Tables of two columns; none where the budget does not carry them.
        private_training: Whether DP-SGD would run.
        cpu_seconds: About, within a factor of 3, on one core of a server.
        mebibytes: About, at the peak.
        crowded: A warning where there are more columns than rows and budget carry.
        chosen: What a reader should know about a choice of columns.
        protected: What a reader should know about protected groups.
    """

    model: str
    epsilon: float
    delta: float
    rows: int
    shares: dict[str, float]
    columns: tuple[ColumnPlan, ...]
    pairs: tuple[PairPlan, ...] = field(default=())
    private_training: bool = False
    cpu_seconds: float
    mebibytes: float
    crowded: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """What to do about it, in sentences."""
        out = [
            f"column {c.name!r} is too wide for this budget: its {c.codes} codes have {self.rows / c.codes:.0f} rows each on "
            f"average, and the noise has {c.sigma:.0f}; coarsen it, drop it, or raise epsilon"
            for c in self.columns
            if c.wide
        ]
        named = [c for c in self.columns if c.threshold]
        if named:
            most = max(c.threshold for c in named)
            names = ", ".join(repr(c.name) for c in named[:5]) + (", ..." if len(named) > 5 else "")
            out.append(f"values of {names} are learnt: what more than about {most} rows share is named; declare them if public")
        if self.model != "independent" and not self.pairs and len(self.columns) > 1:
            out.append("the budget does not carry tables of two columns: columns would be independent")
        out += [*self.chosen, *self.protected, *self.crowded]
        if self.model == "hybrid" and not self.private_training:
            out.append("DP-SGD would add nothing here and is left out: all is learnt from tables")
        return out


def make_plan(
    schema: Schema, *, rows: int | None = None, epsilon: float, delta: float | None = None, model: str = "hybrid",
    purpose: str | None = None, max_columns: int | None = None, protect_groups: Sequence[str] = (),
) -> Plan:  # fmt: skip
    """Predict a fit.

    Args:
        schema: Public facts.
        rows: Rows that the table has, about, as far as that may be known; by default the schema's ``public_rows``.
        epsilon: To grant.
        delta: To grant; as in ``fit``.
        model: One of ``MODELS``.
        purpose: To grant it for, as in ``fit``.
        max_columns: To keep, as in ``fit``.
        protect_groups: To protect, as in ``fit``, with the share that is preset.

    Raises:
        InputError: No row count, a model whose plan is not known, or columns that cannot be kept or protected.
        RefusedError: ``delta`` is not below 1 / rows.
    """
    given = schema if purpose is None else aimed(schema, purpose)
    schema = learnt_schema(given)  # of persons, whose number stands for that of rows
    count = schema.public_rows if rows is None else rows
    if count is None or count < 1:
        raise InputError("say about how many rows there are (--rows), as far as that may be known; they are not counted here")
    if model not in MODELS:
        raise InputError(f"plans are made for {', '.join(MODELS)}, not for {model!r}")
    protection = Protection(names=tuple(protecting(model, None, protect_groups).get(PROTECTED, ())))
    check_protection(protection.names, schema.only_modelled().names, schema.target)
    fewer = purpose_of(purpose, max_columns, given, protection.names)
    learnt, book = schema.only_modelled(), Ledger(Budget(epsilon=epsilon, delta=delta))
    known = declared_rows(count) if schema.public_rows is not None else counted_rows(count, sigma_for(book, ROWS_SHARE))
    book.set_rows(known)
    shares, thresholds = _prepare_shares(learnt), _thresholds(learnt, book)
    sizes = tuple(_codes(c, learnt, book, count, thresholds.get(c.name, 0)) for c in learnt.columns)
    names = learnt.names
    in_order = tuple(s if c.kind is not None and c.kind.is_numeric else 0 for c, s in zip(learnt.columns, sizes, strict=True))
    domain = Domain(names=names, sizes=sizes, target=learnt.target, in_order=in_order)
    chosen: tuple[str, ...] = ()
    if fewer is not None and (kept := _kept(domain, given, fewer)) != names:
        shares["choice of columns"] = CHOICE_SHARE
        domain, chosen = domain.only(kept), (_told(fewer, kept, names),)
        names, sizes = domain.names, domain.sizes
    empty = PrivateTable(np.empty((0, len(names)), dtype=np.int32), domain, known, book)
    rest = 1 - sum(shares.values())
    reserved = protection.reserved
    taken = TABLE_SHARE + reserved
    training = model == "hybrid" and trains(known, epsilon, book.working_delta, len(names), table_share=taken)
    pairs: tuple[PairPlan, ...] = ()
    if model == "independent":
        shares["one-way tables"] = rest
    else:
        shares["one-way tables"] = one_way_share(empty, taken if training else None)
        tables = TABLE_SHARE if training else rest - shares["one-way tables"] - PRODUCT_SHARE - REFINE_SHARE - reserved
        pairs = _pairs(domain, known, book, tables, planned=TABLE_SHARE if training else PLANNED_SHARE - reserved)
        if pairs:
            shares |= {"tables of protected groups": reserved} if reserved else {}
            shares |= {"tables of pairs": tables, "products of signs": PRODUCT_SHARE + REFINE_SHARE}
            shares |= {"regression of the target": share_beside(taken)} if training and learnt.may_aim_at_number else {}
            shares["DP-SGD"] = max(1 - sum(shares.values()), 0.0) if training else 0.0
        elif not training:
            shares["one-way tables"] = rest
    sigma = sigma_for(book, shares["one-way tables"], len(names))
    cells = count * len(names)
    return Plan(
        model=model, epsilon=epsilon, delta=book.delta, rows=count, shares={k: v for k, v in shares.items() if v > 0},
        columns=tuple(_column(n, s, sigma, count, thresholds.get(n, 0)) for n, s in zip(names, sizes, strict=True)),
        pairs=pairs, private_training=training and bool(pairs),
        cpu_seconds=_seconds(model, len(names), cells, training=training), mebibytes=_memory(model, cells),
        crowded=tuple(too_many(empty, model)), chosen=chosen, protected=protection.notes() if pairs else (),
    )  # fmt: skip


def _kept(domain: Domain, given: Schema, purpose: Purpose) -> tuple[str, ...]:
    """Columns that a fit might keep: those that stay anyhow, then those with the most codes, which cost most."""
    stay = bound(given, str(domain.target)) | set(purpose.kept)
    free = sorted((n for n in domain.names if n not in stay), key=lambda n: -domain.sizes[domain.names.index(n)])
    room = max(purpose.most - len(stay), 0)
    return tuple(n for n in domain.names if n in stay or n in free[:room])


def _told(purpose: Purpose, kept: tuple[str, ...], names: tuple[str, ...]) -> str:
    return (
        f"{len(kept)} of {len(names)} columns would be kept for {purpose.target!r}; which is not known before, so this plan "
        "takes those with the most codes"
    )


def _column(name: str, codes: int, sigma: float, rows: int, threshold: int) -> ColumnPlan:
    error = min(0.5 * codes * sigma * MEAN_ERROR / rows, 1.0)
    return ColumnPlan(
        name=name, codes=codes, sigma=sigma, error=error, threshold=threshold, wide=codes > 1 and rows / codes < LOST * sigma
    )


def _prepare_shares(schema: Schema) -> dict[str, float]:
    """Phases that the declared facts pay for; see ``synth.privacy.prepare`` and ``synth.privacy.bins``."""
    unknown = [c for c in schema.columns if c.kind is None]
    numeric = [c for c in schema.columns if c.kind is not None and c.kind.is_numeric]
    loose = bool(unknown) or any(c.needs_bounds for c in numeric)
    axes = [(c, make_axis(c, c.numeric_bounds())) for c in numeric if not c.needs_bounds]
    paid = {
        "row count": (schema.public_rows is None, ROWS_SHARE),
        "kinds": (bool(unknown), KINDS_SHARE),
        "bounds": (loose, BOUNDS_SHARE),
        "single values": (loose or any(axis.wide for _, axis in axes), SINGLES_SHARE),
        "histograms": (bool(unknown) or bool(numeric), CELLS_SHARE),
        "round values": (loose or any(units_of(c, axis) is not None for c, axis in axes), ROUNDING_SHARE),
        "category domains": (bool(unknown) or any(c.is_open for c in schema.columns), DOMAINS_SHARE),
    }
    return {what: share for what, (asked, share) in paid.items() if asked}


def _thresholds(schema: Schema, book: Ledger) -> dict[str, int]:
    """Rows that have to share a value of an open column before it is named."""
    named = [c.name for c in schema.columns if c.is_open or c.kind is None]
    if not named:
        return {}
    delta = book.working_delta * SELECTION_SHARE / 2 / len(named)
    return dict.fromkeys(named, selection_threshold(sigma_for(book, DOMAINS_SHARE, len(named)), delta))


def _codes(column: Column, schema: Schema, book: Ledger, rows: int, threshold: int) -> int:
    """Codes that a column would have, about."""
    if threshold:
        return int(min(MAX_NAMED, max(rows // threshold, 1), GUESSED_CODES)) + 1 + column.nullable
    if column.kind is not None and column.kind.is_numeric:
        bins = wanted_bins(measurement_mu(book), rows, len(schema.columns), target=column.name == schema.target)
        cells = bins if column.needs_bounds else min(bins, make_axis(column, column.numeric_bounds()).cells)
        return max(round(cells), 1) + column.nullable
    listed = 2 if column.categories is None else len(column.categories)
    return listed + (column.policy == "other") + column.nullable


def _pairs(domain: Domain, rows: RowCount, book: Ledger, share: float, *, planned: float) -> tuple[PairPlan, ...]:
    even = [np.full(size, 1 / size) for size in domain.sizes]
    mu = measurement_mu(book) * math.sqrt(planned)
    work = choose_workload(even, domain, rows=float(rows.estimate), mu=mu)
    if work.groups is None or share <= 0:
        return ()
    weights, sizes = np.asarray(work.weights()), work.groups.domain.sizes
    out = []
    for subset, weight in zip(work.subsets, weights / weights.sum(), strict=True):
        cells, sigma = math.prod(sizes[j] for j in subset), sigma_for(book, share * float(weight))
        error = min(0.5 * cells * sigma * MEAN_ERROR / rows.estimate, 1.0)
        out.append(PairPlan(columns=tuple(domain.names[j] for j in subset), cells=cells, sigma=sigma, error=error))
    return tuple(out)


def _seconds(model: str, columns: int, cells: int, *, training: bool) -> float:
    """A rough line through the records of ``evaluation/bench/results``."""
    read = 2 + cells / 1.5e6
    if model == "independent":
        return read
    return read + 7 + 0.3 * columns + (0 if model == "marginal" else 3 + 0.2 * columns) + (12 + 0.2 * columns) * training


def _memory(model: str, cells: int) -> float:
    return (220 if model == "independent" else 620) + cells * 50 / 2**20
