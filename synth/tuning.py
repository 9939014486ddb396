"""Fit by a paid choice: several candidates are tried on the private rows, and the whole of it costs one (epsilon, delta).

Of all tries only the best one's release leaves (``synth.privacy.attempts``). Where there are public rows, or simulated
ones that are alike, it is better to choose on these, which is free (``evaluation.choosing``).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.api import check_groups, learn, read_schema
from synth.candidates import tuner_of
from synth.entity import unit_of
from synth.errors import InputError
from synth.fewer_columns import aimed, pointed, purpose_of
from synth.models.base import Run
from synth.notebook import notebook_progress
from synth.privacy.attempts import expected, planned_part
from synth.privacy.budget import Budget
from synth.privacy.events import RepeatedSelectionEvent
from synth.privacy.ingest import header_of, load_public, load_table, open_frame, read_rows
from synth.privacy.ledger import Ledger, check_admission
from synth.processes import several
from synth.progress import Progress, Silent
from synth.reading.source import ReadOptions
from synth.release import Release
from synth.schema import Schema

PURPOSE = "tune"


def tune(
    data: Any,
    *,
    epsilon: float,
    candidates: Sequence[str],
    runs: float | None = None,
    delta: float | None = None,
    schema: Schema | str | Path | None = None,
    seed: int | None = None,
    public: Any = None,
    purpose: str | None = None,
    max_columns: int | None = None,
    protect_groups: Sequence[str] = (),
    ledger: str | Path | None = None,
    progress: Progress | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    quote: str | None = None,
    sql: str | None = None,
    sheet: str | None = None,
) -> Release:
    """The release of the best of several tries, under one (epsilon, delta) for all of them.

    It cannot go on after an interruption: what it charged stays charged.

    Args:
        data: As for ``synth.fit``.
        epsilon: The whole budget: preparing the table, all tries and the choice.
        candidates: Models with options, as in ``hybrid.table_share=0.5,steps=100``.
        runs: Tries on average; three for each candidate by default. Their number is random, and stays secret.
        delta: As for ``synth.fit``.
        schema: Public facts.
        seed: For initial weights.
        public: Rows of the same columns that are no secret, as for ``synth.fit``: every try has them.
        purpose: See ``synth.fit``.
        max_columns: See ``synth.fit``; columns are chosen once, before the tries, and all tries have these.
        protect_groups: See ``synth.fit``; every candidate has to be able to.
        ledger: File that every charge is written to before it runs.
        progress: Told about phases, but not about tries.
        delimiter: Of a text file.
        encoding: Of a text file.
        quote: Of a text file.
        sql: Query of a database.
        sheet: Of a workbook.

    Raises:
        InputError: Data, schema or candidates cannot be used.
        RefusedError: The budget does not carry it, or the best try failed.
    """
    progress = progress or notebook_progress() or Silent()
    budget, tuner = Budget(epsilon=float(epsilon), delta=delta), tuner_of(candidates, runs, protect_groups)
    if several():
        raise InputError("a choice between tries is made in one process; start it without torchrun")
    declared = schema if isinstance(schema, Schema | None) else read_schema(schema)
    if purpose is not None and declared is not None:
        declared = aimed(declared, purpose)
    if declared is not None:
        check_groups(tuner, declared)
    fewer = purpose_of(purpose, max_columns, declared, tuner.protect_groups)
    options = ReadOptions(delimiter=delimiter, encoding=encoding, quote=quote, sql=sql, sheet=sheet)
    beside = None if public is None else load_public(public, replace(options, sql=None, sheet=None))
    place, unit = None if ledger is None else Path(ledger), unit_of(declared)
    expected(budget, tuner.runs)
    if place is not None:
        check_admission(place, budget, unit)
    progress.phase("reading")
    found = read_rows(data, declared, options, progress) if isinstance(data, str | Path) else load_table(data)
    declared = pointed(header_of(found), declared, purpose, fewer)
    book = Ledger(budget, place, purpose=PURPOSE, unit=unit)
    book.part = planned_part(book.budget, tuner.runs)
    with book.settled():
        held = [open_frame(found, declared, book, public=beside)]
        del found, data
        run = Run(seed=secrets.randbits(63) if seed is None else seed, progress=progress)
        return learn(held, "", tuner, run, public=beside, purpose=fewer)


def promised(
    epsilon: float, delta: float | None, candidates: Sequence[str], runs: float | None, protect_groups: Sequence[str] = ()
) -> RepeatedSelectionEvent:
    """About what one try will have, before anything is read; exact once the table is prepared.

    Raises:
        InputError: See ``tune``.
        RefusedError: See ``tune``.
    """
    return expected(Budget(epsilon=epsilon, delta=delta), tuner_of(candidates, runs, protect_groups).runs)
