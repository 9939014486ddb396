"""Fit and load, in a few lines each."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synth.candidates import Tuner
from synth.entity import completed, learnt_schema, unit_of
from synth.fewer_columns import CHOSEN, Purpose, aimed, fewer_columns, pointed, purpose_of, without
from synth.models.base import Run
from synth.models.measured.protect import check_protection
from synth.models.measured.workload import too_many
from synth.notebook import notebook_progress
from synth.privacy.budget import Budget
from synth.privacy.frame import PrivateFrame
from synth.privacy.going import Going
from synth.privacy.ingest import header_of, load_public, load_table, open_frame, read_rows
from synth.privacy.keyed import keyed_stream, read_noise_key, seed_of
from synth.privacy.ledger import check_admission
from synth.privacy.prepare import prepare
from synth.privacy.public import PublicRows, rows_beside, set_beside
from synth.privacy.randomness import Entropy, FreshBytes
from synth.privacy.rows import StoredRows
from synth.privacy.together import check_alike, crew, follow, tell
from synth.progress import Progress, Silent
from synth.reading.frames import Loaded
from synth.reading.source import ReadOptions
from synth.receipt import FRESH, KEYED, write_receipt
from synth.registry import DEFAULT, PROTECTED, check_circumstances, make_synthesizer, protecting, require_installed
from synth.release import Release, load
from synth.schema import Schema, schema_to_dict
from synth.schema_toml import read_schema_toml
from synth.sdv_metadata import read_sdv_metadata

if TYPE_CHECKING:
    from synth.privacy.workers import Workers

__all__ = ["fit", "load", "read_schema"]


def read_schema(path: str | Path) -> Schema:
    """Read ``schema.toml``, or SDV metadata where the file is ``.json``.

    Raises:
        SchemaError: The file cannot be read or contradicts itself.
    """
    path = Path(path)
    return read_sdv_metadata(path) if path.suffix.lower() == ".json" else read_schema_toml(path)


def fit(
    data: Any,
    *,
    epsilon: float,
    delta: float | None = None,
    schema: Schema | str | Path | None = None,
    model: str = DEFAULT,
    options: dict[str, Any] | None = None,
    seed: int | None = None,
    public: Any = None,
    purpose: str | None = None,
    max_columns: int | None = None,
    protect_groups: Sequence[str] = (),
    ledger: str | Path | None = None,
    noise_key: str | Path | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    quote: str | None = None,
    sql: str | None = None,
    sheet: str | None = None,
    own_rows: bool = False,
) -> Release:
    """Learn a release of ``data`` under one (epsilon, delta), for neighbours that differ in one row.

    Where the schema names an entity, they differ in all rows of one entity.

    In several processes (torchrun and its like) each keeps its part of a file's rows, or gives a frame of its own rows
    and says so (``own_rows``); all get the same release, and the first one writes the ledger.

    Args:
        data: A file, a pattern or folder of files, a table of a DuckDB database (``file.duckdb::table``), the URL of a
            database (with ``sql``), a pandas or polars frame, or an Arrow table; see ``synth.reading.formats``. The dtypes of
            a frame count as public facts: where pandas inferred them from the rows, as ``read_csv`` does, give the file.
        epsilon: The whole budget: domains, bounds, row count and training included.
        delta: Default: ``1 / (10 n^1.1)`` of the paid row count, at most 1e-5.
        schema: Public facts; what is missing is learnt from the same budget.
        model: Synthesizer; see ``synth.registry``.
        options: Of the synthesizer.
        seed: For initial weights only. Noise and selection never depend on it.
        public: Rows of the same columns that are no secret (another year, a public extract), never rows of ``data``: a file,
            frame or Arrow table. They give facts that the schema leaves open and a prior that noisy answers correct, for free;
            nothing protects them. That the two share no rows is checked by a paid count.
        purpose: Column that the release is for; the schema's target by default, in whose place it is put.
        max_columns: How many columns are kept, those that tell most about ``purpose``: a paid choice, see
            ``synth.fewer_columns``. All by default.
        protect_groups: Columns whose small groups count more (``hybrid`` and ``marginal``): a share of the budget (the option
            ``protected_share``, 0.15) goes to tables with them, which everything else lacks.
        ledger: File that every charge is written to before it runs; ``None`` keeps it in memory. It stands for the data set:
            where ``synth budget set`` put a total in it, a run that does not fit beside all others is refused, and delta
            defaults to a tenth of the total's.
        noise_key: File with a secret (``synth noise-key``) that makes this fit repeatable bit for bit, but for the date on
            its receipt, for whoever holds it and the rows; operating-system entropy by default.
        checkpoint: File that keeps what was answered and trained, so that an interrupted fit can go on. Delete it once the
            release is saved. Needs a ledger, and no noise key. In several processes the first one keeps it.
        resume: Go on with the fit that left ``checkpoint``: every other argument as it was. Nothing is charged or drawn twice.
        progress: Told about phases, steps and epsilon; by default nobody, or the reader of a notebook.
        delimiter: Of a text file.
        encoding: Of a text file.
        quote: Character around texts of a text file.
        sql: Query of a database.
        sheet: Of a workbook.
        own_rows: In several processes: no row of this frame is in another process's. A row in two frames would count twice, and
            the guarantee would be wrong.

    Returns:
        The release: sample from it, save it, publish it.

    Raises:
        InputError: Data, schema or options cannot be used.
        RefusedError: The budget does not carry the request.
    """
    progress = progress or notebook_progress() or Silent()
    budget = Budget(epsilon=float(epsilon), delta=delta)
    synthesizer = make_synthesizer(model, protecting(model, options, protect_groups))
    require_installed(model)
    declared = schema if isinstance(schema, Schema | None) else read_schema(schema)
    if purpose is not None and declared is not None:
        declared = aimed(declared, purpose)
    if declared is not None:
        check_groups(synthesizer, declared)
    fewer = purpose_of(purpose, max_columns, declared, getattr(synthesizer, PROTECTED, ()))
    options_read = ReadOptions(delimiter=delimiter, encoding=encoding, quote=quote, sql=sql, sheet=sheet)
    beside = None if public is None else load_public(public, replace(options_read, sql=None, sheet=None))
    secret = read_noise_key(Path(noise_key)) if noise_key is not None else None
    unit = unit_of(declared)
    asked = [purpose, max_columns]
    workers = crew(
        data, entity=declared is not None and declared.entity is not None, keyed=secret is not None, own_rows=own_rows
    )
    target = declared.only_modelled().target if declared is not None and declared.modelled else None
    check_circumstances(model, target=target, several=workers is not None)
    leads = workers is None or workers.leads
    settings = _settings(budget, declared, model, synthesizer, seed, beside, asked)
    way = {"way of reading": dataclasses.asdict(options_read)}
    if workers is not None:
        check_alike(workers, settings | way, data)
    place = Path(ledger) if ledger is not None and leads else None
    keep = Path(checkpoint) if checkpoint is not None and leads else None
    plan = Going(place, keep, resume=resume and leads, keyed=secret is not None)
    told = settings | way | {"data": str(data) if isinstance(data, str | Path) else None}
    kept = plan.kept(told)
    if place is not None and kept is None:
        check_admission(place, budget, unit)
    found = _rows(data, declared, progress, options_read, workers)
    declared = pointed(header_of(found), declared, purpose, fewer)
    fresh = secrets.randbits(63) if kept is None else kept.seed
    if workers is None or workers.leads:
        book = plan.ledger(budget, kept, told, fresh, unit)
    else:
        book, fresh = follow(workers, unit)
    with book.settled():
        if workers is not None and workers.leads:
            tell(workers, book, fresh)
        source = FreshBytes() if workers is None else workers
        book.watch(source)
        noise = Noise(source, fresh, FRESH)
        if secret is not None:
            noise = _keyed(secret, found, _settings(book.budget, declared, model, synthesizer, seed, beside, asked))
        rows = [open_frame(found, declared, book, entropy=noise.entropy, public=beside)]
        del found, data
        run = Run(seed=noise.seed if seed is None else seed, progress=progress)
        return learn(rows, model, synthesizer, run, noise.grade, beside, fewer)


def learn(
    held: list[PrivateFrame],
    model: str,
    synthesizer: Any,
    run: Run,
    noise_grade: str = FRESH,
    public: PublicRows | None = None,
    purpose: Purpose | None = None,
) -> Release:
    """A release of rows that stand behind their ledger.

    Args:
        held: The one frame; it is taken out of the list, so that raw cells do not stay in memory while the model trains.
        model: Name of the synthesizer.
        synthesizer: With its options; or the tuner that chooses one, with no ``model``.
        run: Seed and progress.
        noise_grade: How the noise is drawn.
        public: Public rows of the same columns.
        purpose: What columns are chosen for, where not all are kept.
    """
    rows = held.pop()
    check_groups(synthesizer, rows.schema)
    book, known, persons = rows.ledger, rows.whole, rows.persons
    table, codec = prepare(rows, run.progress, None if public is None else rows_beside(rows, public))
    warnings = [] if public is None else set_beside(rows, table, codec, public)
    del rows
    lost: tuple[str, ...] = ()
    if purpose is not None:
        run.progress.phase("choosing columns")
        table, codec, lost, told = fewer_columns(table, codec, purpose, persons)
        known, persons = without(known, lost), None if persons is None else without(persons, lost)
        warnings = [*warnings, *([told] if told else [])]
    warnings += too_many(table, model)
    if isinstance(synthesizer, Tuner):
        model, synthesizer, fitted = synthesizer.best(table, run)
    else:
        fitted = synthesizer.fit(table, run)
    if warnings:
        fitted.facts["notes"] = [*warnings, *fitted.facts.get("notes", [])]
    run.progress.spent(book.spent())
    run.progress.phase("checking the account")
    learnt = learnt_facts(known, codec.schema)
    if lost and purpose is not None:
        learnt[purpose.target] = [*learnt.get(purpose.target, []), CHOSEN]
    receipt = write_receipt(
        book, model=model, learnt=learnt, noise_grade=noise_grade,
        public_rows=0 if table.public is None else len(table.public.codes),
    )  # fmt: skip
    filled = dataclasses.asdict(synthesizer)
    given = None if persons is None else completed(persons, codec.schema)
    return Release(model=model, options=filled, codec=codec, fitted=fitted, receipt=receipt, persons=given)


def check_groups(synthesizer: Any, schema: Schema) -> None:
    """Refuse small groups that cannot be protected; the synthesizer may be a tuner.

    Raises:
        InputError: See ``check_protection``.
    """
    names = getattr(synthesizer, PROTECTED, ())
    if names:
        check_protection(names, learnt_schema(schema).only_modelled().names, schema.target)


class Noise(NamedTuple):
    """Where a run's secret bytes come from.

    Attributes:
        entropy: The source.
        seed: For initial weights, where the user names none.
        grade: What the receipt says about it.
    """

    entropy: Entropy
    seed: int
    grade: str


def _settings(
    budget: Budget, declared: Schema | None, model: str, synthesizer: Any, seed: int | None, public: PublicRows | None,
    purpose: list[Any],
) -> dict[str, Any]:  # fmt: skip
    """Everything that steers a fit; the seed as well, since noise must not be shared by runs that ask other questions."""
    return {
        "epsilon": budget.epsilon, "delta": budget.delta, "model": model, "options": dataclasses.asdict(synthesizer),
        "schema": None if declared is None else schema_to_dict(declared), "seed": seed,
        "public table": None if public is None else public.digest(), "purpose": purpose,
    }  # fmt: skip


def _keyed(secret: bytes, found: Loaded | StoredRows, settings: dict[str, Any]) -> Noise:
    rows = found.frame if isinstance(found, Loaded) else found
    return Noise(keyed_stream(secret, rows, settings), seed_of(secret, settings), KEYED)


def _rows(
    data: Any, schema: Schema | None, progress: Progress, options: ReadOptions, workers: Workers | None
) -> Loaded | StoredRows:
    if isinstance(data, str | Path):
        progress.phase("reading")
        part = (0, 1) if workers is None else (workers.rank, workers.size)
        return read_rows(data, schema, options, progress, part=part)
    return load_table(data)


def learnt_facts(declared: Schema, complete: Schema) -> dict[str, list[str]]:
    """Names of the facts that were learnt with budget, by column."""
    found = {}
    for before, after in zip(declared.columns, complete.columns, strict=True):
        facts = [key for key in ("kind", "bounds", "precision") if getattr(before, key) != getattr(after, key)]
        if after.is_open:
            facts.append("categories")
        if facts:
            found[after.name] = facts
    return found
