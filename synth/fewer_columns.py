"""The columns that matter for a purpose: a paid choice, after which the others are dropped from the release.

One noisy table of each column with the purpose is measured, on so few groups of codes that an average cell stands about as
high as its noise. What is chosen from them is post-processing: each column's chi-squared distance from independence, each cell
weighed by what chance and noise make of it, less what these two make of independent columns. Columns that a constraint
joins are kept together, so that the rule still holds. All figures are declared or paid for; nothing here sees a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from synth.constraints import columns_of, single_steps
from synth.encoding.codec import Codec
from synth.entity import learnt_schema
from synth.errors import InputError
from synth.privacy.ingest import settled_schema
from synth.privacy.shares import Measurement, sigma_for
from synth.privacy.vault import PrivateTable
from synth.privacy.views import with_columns
from synth.receipt import Receipt
from synth.schema import Schema
from synth.table import Domain

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

CHOICE_SHARE = 0.05  # of the squared Gaussian budget
AIM = "table for choosing columns"
CHOSEN = "which columns go with it"  # what a receipt says was learnt about the purpose
MOST_GROUPS = 32
LEAST_GROUPS = 2
TARGET_GROUPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a release is for, and how many columns it may have for it.

    Attributes:
        target: Column that people will predict, or ask about.
        most: Columns that are kept, the target among them; columns that are made anew or follow from others do not count.
        kept: Columns that stay in any case, as learnt: those whose small groups are protected.
    """

    target: str
    most: int
    kept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.most < 2:
            raise InputError(f"max_columns must be at least 2, the purpose's column among them, not {self.most}")


def purpose_of(target: str | None, most: int | None, declared: Schema | None, kept: tuple[str, ...] = ()) -> Purpose | None:
    """What was asked for, checked against the declared schema as far as there is one.

    Args:
        target: The purpose's column; by default the schema's target.
        most: Columns to keep; ``None`` keeps all.
        declared: The schema.
        kept: See ``Purpose``.

    Raises:
        InputError: No purpose is named, or there are columns that must stay and exceed ``most``.
    """
    if most is None:
        return None
    target = target if target is not None or declared is None else declared.target
    if target is None:
        raise InputError("to choose columns, say what they are for: --purpose COLUMN, or a target in the schema")
    found = Purpose(target=target, most=most, kept=kept)
    if declared is not None:
        check_purpose(found, declared)
    return found


def aimed(schema: Schema, target: str) -> Schema:
    """The schema with the purpose's column as target.

    Raises:
        InputError: It has no such column.
    """
    if target not in schema.names:
        raise InputError(f"the purpose {target!r} is not a column of the table")
    return replace(schema, target=target)


def pointed(header: list[str], declared: Schema | None, target: str | None, purpose: Purpose | None) -> Schema | None:
    """What was declared; where that is nothing and a purpose is named, the header with it as target.

    Args:
        header: Names of the table's columns.
        declared: The schema.
        target: The purpose's column.
        purpose: What columns are chosen for, where not all are kept.

    Raises:
        InputError: The header has no such column, or cannot be learnt.
    """
    if target is None or declared is not None:
        return declared
    whole = aimed(settled_schema(header, None), target)
    if purpose is not None:
        check_purpose(purpose, whole)
    return whole


def check_purpose(purpose: Purpose, schema: Schema) -> None:
    """Refuse, before a row is read, what cannot be kept.

    Raises:
        InputError: The purpose is not learnt as one column, or more columns must stay than may.
    """
    learnt = learnt_schema(aimed(schema, purpose.target)).only_modelled()
    if learnt.target is None:
        raise InputError(f"the purpose {purpose.target!r} is not learnt as a column of its own; name another one")
    kept = bound(schema, learnt.target) | set(purpose.kept)
    if len(kept) > purpose.most:
        raise InputError(
            f"max_columns = {purpose.most} is too few: {len(kept)} columns have to stay (the purpose, those that "
            "constraints join or protect_groups names, and the number of rows per person where there are persons)"
        )


def bound(schema: Schema, target: str) -> set[str]:
    """Learnt columns that are never dropped, the target among them.

    Args:
        schema: Of the table.
        target: As it is learnt.
    """
    learnt = learnt_schema(schema)
    joined = {name for one in single_steps(schema.constraints) for name in columns_of(one)}
    joined |= set(learnt.names) - set(schema.names)  # rows per person
    return {c.name for c in learnt.modelled if c.name in joined} | {target}


def fewer_columns(
    table: PrivateTable, codec: Codec, purpose: Purpose, persons: Schema | None = None
) -> tuple[PrivateTable, Codec, tuple[str, ...], str]:
    """Choose columns, and drop the others.

    Args:
        table: Codes behind their ledger.
        codec: Of all columns.
        purpose: What they are for.
        persons: Schema of the table as it was given, where entities are the units.

    Returns:
        Table and codec of the columns that are kept, the names of those that are not, and a sentence for the reader.

    Raises:
        RefusedError: The budget does not carry the choice.
    """
    domain, target = table.domain, str(table.domain.target)
    given = persons if persons is not None else codec.schema
    kept = bound(given, target) | set(purpose.kept)
    free = [name for name in domain.names if name not in kept]
    room = max(purpose.most - len(kept), 0)
    if len(free) <= room:
        return table, codec, (), ""
    sigma = sigma_for(table.ledger, CHOICE_SHARE, len(free))
    groups = even_groups(domain, rows=float(table.rows.estimate), sigma=sigma)
    view = table.coarsen(groups)
    tables = view.noisy_marginals([(name, target) for name in free], share=CHOICE_SHARE, aim=AIM)
    score = [dependence(m) for m in tables]
    best = {free[i] for i in np.argsort(-np.array(score), kind="stable")[:room]}
    lost = tuple(name for name in free if name not in best)
    fewer = tuple(c for c in codec.columns if c.column.name not in lost)
    note = (
        f"{len(fewer)} of {len(domain.names)} columns were chosen for {purpose.target!r} with {100 * CHOICE_SHARE:g} % of the "
        f"squared Gaussian budget; not in the release: {', '.join(lost)}"
    )
    return with_columns(table, [c.column.name for c in fewer]), Codec(without(codec.schema, lost), fewer), lost, note


def without(schema: Schema, lost: Sequence[str]) -> Schema:
    """The schema without some columns."""
    return replace(
        schema,
        columns=tuple(c for c in schema.columns if c.name not in lost),
        index_columns=tuple(name for name in schema.index_columns if name not in lost),
    )


def has_fewer_columns(receipt: Receipt) -> bool:
    """Whether columns were dropped from the release of a receipt: tables that it is compared with have more."""
    return any(CHOSEN in facts for facts in receipt.learnt.values())


def even_groups(domain: Domain, *, rows: float, sigma: float) -> list[IntArray]:
    """Codes merged into groups of about as many codes, in their order: nothing is known yet about how common they are."""
    most = int(np.clip(math.sqrt(rows / sigma), LEAST_GROUPS, MOST_GROUPS))
    found = []
    for name, size, ordered in zip(domain.names, domain.sizes, domain.in_order, strict=True):
        wide = min(2 * most, TARGET_GROUPS) if name == domain.target else most if ordered else 2 * most
        found.append(np.arange(size, dtype=np.int64) * min(size, wide) // size)
    return found


def dependence(measured: Measurement) -> float:
    r"""How far two columns are from independent, less what chance and noise make of it.

    :math:`\sum (N_{ij} - E_{ij})^2 / (E_{ij} + \sigma^2) - (a - 1)(b - 1)`, with :math:`E` from the table's own margins. The
    denominator is a cell's variance, Poisson and noise; 0 on average for independent columns.
    """
    counts, variance = measured.counts, float(measured.sigma) ** 2
    total = max(float(counts.sum()), 1.0)
    rows, columns = np.maximum(counts.sum(1), 0), np.maximum(counts.sum(0), 0)
    expected = np.outer(rows, columns) / total
    distance = float(((counts - expected) ** 2 / (expected + variance)).sum())
    return distance - float(counts.shape[0] - 1) * float(counts.shape[1] - 1)
