"""Fit by a paid choice: several candidates are tried on the private rows, and the whole of it costs one (epsilon, delta).

Of all tries only the best one's release leaves (``synth.privacy.attempts``). Where there are public rows, or simulated
ones that are alike, it is better to choose on these, which is free (``evaluation.tuning``).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synth.api import learn, read_schema
from synth.candidates import tuner_of
from synth.entity import unit_of
from synth.errors import InputError
from synth.models.base import Run
from synth.notebook import notebook_progress
from synth.privacy.attempts import expected, planned_part
from synth.privacy.budget import Budget
from synth.privacy.events import RepeatedSelectionEvent
from synth.privacy.ingest import load_table, open_frame, read_rows
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
    ledger: str | Path | None = None,
    progress: Progress | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
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
        ledger: File that every charge is written to before it runs.
        progress: Told about phases, but not about tries.
        delimiter: Of a text file.
        encoding: Of a text file.

    Raises:
        InputError: Data, schema or candidates cannot be used.
        RefusedError: The budget does not carry it, or the best try failed.
    """
    progress = progress or notebook_progress() or Silent()
    budget, tuner = Budget(epsilon=float(epsilon), delta=delta), tuner_of(candidates, runs)
    if several():
        raise InputError("a choice between tries is made in one process; start it without torchrun")
    declared = schema if isinstance(schema, Schema | None) else read_schema(schema)
    place, unit = None if ledger is None else Path(ledger), unit_of(declared)
    expected(budget, tuner.runs)
    if place is not None:
        check_admission(place, budget, unit)
    options = ReadOptions(delimiter=delimiter, encoding=encoding)
    progress.phase("reading")
    found = read_rows(data, declared, options, progress) if isinstance(data, str | Path) else load_table(data)
    book = Ledger(budget, place, purpose=PURPOSE, unit=unit)
    book.part = planned_part(book.budget, tuner.runs)
    with book.settled():
        held = [open_frame(found, declared, book)]
        del found, data
        run = Run(seed=secrets.randbits(63) if seed is None else seed, progress=progress)
        return learn(held, "", tuner, run)


def promised(epsilon: float, delta: float | None, candidates: Sequence[str], runs: float | None) -> RepeatedSelectionEvent:
    """About what one try will have, before anything is read; exact once the table is prepared.

    Raises:
        InputError: See ``tune``.
        RefusedError: See ``tune``.
    """
    return expected(Budget(epsilon=epsilon, delta=delta), tuner_of(candidates, runs).runs)
