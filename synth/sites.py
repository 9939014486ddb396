"""A fit of one of several sites: each keeps its rows and its ledger, and tells the others noisy sums only.

What is learnt, and the guarantee for each site's rows, are those of ``synth.privacy.sites``. How messages travel is not known
here: an ``Exchange`` is given.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from synth.api import learn
from synth.column import Column
from synth.entity import learnt_schema, unit_of
from synth.errors import InputError, SchemaError
from synth.models.base import Run
from synth.privacy.account import SITE
from synth.privacy.budget import Budget
from synth.privacy.ingest import load_public, load_table, open_frame, read_rows
from synth.privacy.keyed import surroundings
from synth.privacy.ledger import Ledger, check_admission
from synth.privacy.public import PublicRows, filled
from synth.privacy.rows import StoredRows
from synth.privacy.sites import Exchange, Sites, digest
from synth.processes import several
from synth.progress import Progress, Silent
from synth.reading.frames import Loaded
from synth.reading.source import ReadOptions
from synth.registry import make_synthesizer
from synth.release import Release
from synth.schema import Schema, schema_to_dict

MODELS = ("marginal", "hybrid", "independent")  # those that ask for sums only
GRADE = (
    "exact: rounded Gaussian and Poisson sampling from operating-system entropy, at each of {size} sites for its own rows, "
    "before anything left it"
)
LIMIT = (
    "{size} sites fitted together. Each added the noise of the events to its own sums before they left it, so for its rows the "
    "guarantee holds against whoever coordinated and against all other sites; sums of all carry sqrt({size}) times that noise. "
    "Whoever has rows at several sites is protected less: epsilon and delta add up over these sites. Others see how long "
    "a site takes to answer, and so about how many rows it has: that is not covered."
)


def fit_site(
    data: Any,
    connect: Callable[[], AbstractContextManager[Exchange]],
    *,
    schema: Schema,
    epsilon: float,
    delta: float | None = None,
    model: str = MODELS[0],
    options: dict[str, Any] | None = None,
    public: Any = None,
    ledger: str | Path | None = None,
    reading: ReadOptions | None = None,
    progress: Progress | None = None,
) -> tuple[Release, bool]:
    """Learn, together with all other sites, one release of the rows of all.

    Every argument but the rows and the ledger must be the same at all sites, which is checked before a row is read.

    Args:
        data: This site's rows: a file, a pattern, a folder, or a frame.
        connect: Opens the line that carries this site's messages, and gives the answers.
        schema: Public facts, complete (with those of public rows): kinds, bounds and categories are not learnt.
        epsilon: The whole budget of the rows of this site.
        delta: See ``synth.api.fit``.
        model: One of ``MODELS``.
        options: Of the synthesizer.
        public: Rows of the same columns that are no secret, the same at all sites; see ``synth.api.fit``.
        ledger: Of this site's data set: every charge, before the noise is drawn.
        reading: How to read the file.
        progress: Told about phases.

    Returns:
        The release, and whether every site learnt the same to the last digit.

    Raises:
        InputError: Data, schema or options cannot be used.
        RefusedError: The budget does not carry the request.
        SiteError: The sites differ, or one is gone. What was charged stays charged.
    """
    progress, reading = progress or Silent(), reading or ReadOptions()
    budget, place = Budget(epsilon=float(epsilon), delta=delta), None if ledger is None else Path(ledger)
    if several():
        raise InputError("a site is one process, or its rows would count once for each; start it without torchrun")
    if model not in MODELS:
        raise InputError(
            f"model {model!r} chooses by exact figures of all rows, which no site may know; take one of {', '.join(MODELS)}"
        )
    synthesizer = make_synthesizer(model, options)
    beside = None if public is None else load_public(public, reading)
    check_complete(schema if beside is None else filled(schema, beside))
    unit = unit_of(schema)
    if place is not None:
        check_admission(place, budget, unit)
    named = isinstance(data, str | Path)
    if named and not Path(data).exists() and not set(str(data)) & set("*?[:"):
        raise InputError(f"there is no table {str(data)!r}")
    progress.phase("waiting for the other sites")
    with connect() as exchange:
        sites = Sites(exchange, _facts(budget, schema, model, synthesizer, beside))
        progress.phase("reading")
        found = read_rows(data, schema, reading, progress) if named else load_table(data)
        book = Ledger(budget, place, purpose=SITE, unit=unit)
        return _fitted(found, sites, book, schema, Run(seed=sites.seed, progress=progress), model, synthesizer, beside)


def _fitted(
    found: Loaded | StoredRows, sites: Sites, book: Ledger, schema: Schema, run: Run, model: str, synthesizer: Any,
    public: PublicRows | None,
) -> tuple[Release, bool]:  # fmt: skip
    with book.settled():
        sites.agree("the delta that their ledgers grant (say it with --delta)", repr(book.budget))
        rows = [open_frame(found, schema, book, entropy=sites, public=public)]
        sites.agree("the types of their columns", repr(schema_to_dict(rows[0].whole)))
        release = told(learn(rows, model, synthesizer, run, GRADE.format(size=sites.size), public), sites.size)
        run.progress.phase("comparing with the other sites")
        return release, sites.close(fingerprint(release), packed(release))


def check_complete(schema: Schema) -> None:
    """Refuse a schema that leaves something to be learnt: sites would learn different things.

    Raises:
        SchemaError: Names the column.
    """
    for column in learnt_schema(schema).only_modelled().columns:
        missing = _missing(column)
        if missing is not None:
            raise SchemaError(
                f"column {column.name!r} has no {missing}: several sites need all of it declared, as each would learn another; "
                f"agree on {missing} and declare it in the schema that all sites use"
            )


def _missing(column: Column) -> str | None:
    if column.kind is None:
        return "kind"
    if column.needs_bounds:
        return "bounds"
    return "categories" if column.is_open else None


def _facts(budget: Budget, schema: Schema, model: str, synthesizer: Any, public: PublicRows | None) -> dict[str, str]:
    """What all sites must agree on, as digests."""
    around = surroundings()
    facts = {
        "epsilon or delta": dataclasses.asdict(budget),
        "schema": schema_to_dict(schema),
        "model": [model, dataclasses.asdict(synthesizer)],
        "public rows": None if public is None else public.digest(),
        "version of synth": around["program"],
        "versions of libraries": [around["versions"], around["python"]],
    }
    return {name: digest(json.dumps(fact, sort_keys=True, default=str)) for name, fact in facts.items()}


def told(release: Release, size: int) -> Release:
    """The release with what its reader should know about sites on its card."""
    limits = [LIMIT.format(size=size), *release.receipt.limits]
    return dataclasses.replace(release, receipt=dataclasses.replace(release.receipt, limits=limits))


def fingerprint(release: Release) -> str:
    """Digest of what was learnt: encoders, facts, weights."""
    whole = hashlib.sha256(json.dumps([release.codec.to_list(), release.fitted.facts], sort_keys=True).encode())
    for name in sorted(release.fitted.tensors):
        values = np.ascontiguousarray(release.fitted.tensors[name])
        whole.update(f"{name} {values.dtype} {values.shape}".encode() + values.tobytes())
    return whole.hexdigest()


def packed(release: Release) -> bytes:
    """The file that ``save`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        return release.save(Path(folder) / "model.synth").read_bytes()
