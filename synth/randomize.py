"""A table, randomised cell by cell at its source: a file of randomised rows and the record that goes with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synth.atomic import atomic_path, check_writable
from synth.errors import InputError
from synth.local import record_path
from synth.privacy.cells import check_source, randomized_blocks
from synth.privacy.ledger import LocalLedger
from synth.privacy.local import LocalPlan, column_facts, plan_local, written_column
from synth.processes import several
from synth.progress import Progress, Silent
from synth.reading.formats import open_source
from synth.reading.source import ReadOptions
from synth.schema import Schema, schema_to_dict
from synth.version import __version__
from synth.writing.files import SHOWN, writer_of

PURPOSE = "randomize"
LIMITS = (
    "The unit is one row: somebody with k rows is protected by k times epsilon.",
    "How many rows there are, and in which order, is told: shuffle or leave rows out beforehand if that says something.",
    "Facts declared in the schema (column names, kinds, bounds, categories) are not protected.",
    "Rules between columns are not kept, and single rows mean next to nothing: estimate shares and means (synth.local).",
    "Side channels (time, memory) on the machine that randomises are out of scope; the source keeps the truth.",
)


def randomize(
    data: str | Path,
    output: str | Path,
    *,
    schema: Schema,
    epsilon: float,
    weights: Mapping[str, float] | None = None,
    bins: int | None = None,
    ledger: str | Path | None = None,
    reading: ReadOptions | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Randomise every cell of a table on its own: epsilon-local differential privacy for a row, delta 0.

    Rows stream through in constant memory. Nothing is learnt from them, and all chance is from the operating system.

    Args:
        data: A file, or the URL of a database.
        output: A file; its suffix says the format. The record goes beside it (``synth.local.record_path``).
        schema: Declares every column; identifiers and personal data are left out.
        epsilon: Of a whole row; split over its columns.
        weights: Parts of epsilon by column; 1 where a column is not named.
        bins: Randomise numbers and dates as so many bins; by default they get Laplace noise.
        ledger: File that records the charge before a row is read; see ``synth budget``.
        reading: How the source is read.
        force: Replace what is there.
        progress: Told about phases.

    Returns:
        The record.

    Raises:
        InputError: A fact is not declared, the header does not match, or a place cannot be written.
        RefusedError: Epsilon is too small, or the data set's total does not carry it.
    """
    if several():
        raise InputError("rows are randomised in one process; split the file to use several")
    progress, target = progress or Silent(), Path(output)
    plan, record = plan_local(schema, epsilon, weights=weights, bins=bins), record_path(target)
    write = writer_of(target.name)
    if write is None:
        raise InputError(f"cannot tell the format of {target.name!r}; use one of {SHOWN}")
    for place in (target, record):
        check_writable(place, force=force)
    source = open_source(data, reading or ReadOptions())
    check_source(source, schema)
    facts = record_of(plan, schema)
    book = LocalLedger(epsilon, Path(ledger) if ledger is not None else None, purpose=PURPOSE)
    with book.settled():
        book.charge(*plan.events)
        progress.phase("randomising")
        with atomic_path(record, force=force) as note, atomic_path(target, force=force) as rows:
            write(randomized_blocks(source, plan), written_schema(plan, schema), rows)
            note.write_text(json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return facts


def written_schema(plan: LocalPlan, schema: Schema) -> Schema:
    """The schema of the randomised rows."""
    columns = tuple(written_column(c.column) for c in plan.columns)
    names = {c.name for c in columns}
    return replace(
        schema, columns=columns, constraints=(), index_columns=(), public_rows=None,
        target=schema.target if schema.target in names else None,
    )  # fmt: skip


def record_of(plan: LocalPlan, schema: Schema) -> dict[str, Any]:
    """What was done and what it means, in plain types; a function of public facts."""
    read = {c.column.name for c in plan.columns}
    return {
        "what": "rows randomised cell by cell",
        "epsilon": plan.epsilon,
        "delta": 0.0,
        "protects": "what one row says: randomised rows of any two rows differ in probability by exp(epsilon) at most",
        "model": "local: whoever holds the randomised rows is not trusted, and no true cell leaves the source",
        "noise": "operating-system entropy; chances of labels are multiples of 2^-64, Laplace noise is right to 2^-180",
        "columns": [column_facts(c) for c in plan.columns],
        "left_out": [name for name in schema.names if name not in read],
        "warnings": plan.warnings(),
        "limits": list(LIMITS),
        "schema": schema_to_dict(written_schema(plan, schema)),
        "synth": __version__,
        "created": datetime.now(UTC).date().isoformat(),
    }
