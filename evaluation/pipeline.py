"""The order of an evaluation: read, measure part by part, and gather one report.

A new part is a function from ``Tables`` to ``Section``, added to the ``parts`` of ``evaluate``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from evaluation.attacks.copies import score_copies
from evaluation.attacks.suite import score_attacks
from evaluation.fidelity.dependence import score_dependence
from evaluation.fidelity.detection import score_detection
from evaluation.fidelity.marginals import score_marginals
from evaluation.fidelity.missing import score_missing
from evaluation.fidelity.persons import score_persons
from evaluation.fidelity.sdmetrics_bridge import run_sdmetrics
from evaluation.fidelity.validity import score_validity
from evaluation.fidelity.workload import score_workload
from evaluation.inputs import Tables, check_overlap, prepare, sample_rows, text_hashes, without_key
from evaluation.report import Report
from evaluation.scores import Section
from evaluation.shapes import column_shapes
from evaluation.utility.tstr import score_utility
from synth.schema import Schema

NAMES = {"real": "fitted real", "holdout": "held-out", "synthetic": "synthetic"}


def evaluate(
    real: pd.DataFrame,
    holdout: pd.DataFrame | None,
    synthetic: pd.DataFrame,
    schema: Schema,
    *,
    target: str | None = None,
    groups: Sequence[str] = (),
    max_rows: int | None = None,
    seed: int = 0,
    card: dict[str, Any] | None = None,
    measured: tuple[tuple[str, ...], ...] = (),
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Score synthetic rows against the real rows they stand for.

    The result is computed on real rows: it is private, and no epsilon covers it.

    Args:
        real: Rows the generator was fitted on, shape (n, d); texts as from CSV, or typed.
        holdout: Fresh rows that the generator never saw, shape (h, d). ``None`` leaves out what needs them.
        synthetic: Rows to judge, shape (m, d).
        schema: Public facts about the table, every kind declared.
        target: Column that models will predict; the schema's target by default.
        groups: Columns whose values are subgroups; utility is shown for each.
        max_rows: Rows of each table to score, a seeded random sample; ``None`` scores all. The report says it.
        seed: Seed of every random choice in the evaluation; equal inputs and seed give equal scores.
        card: Release card to show; its ``epsilon`` and ``delta`` bound the attacks.
        measured: Columns of the tables that the release says it measured, which an attacker may read as well.
        progress: Called with the name of each part before it starts.

    Returns:
        The report.

    Raises:
        InputError: A header differs from the schema, a table has fewer than 20 rows, a kind is undeclared, the target
            or a group is unknown, or ``max_rows`` is below 20. The text names columns, never a value.
    """
    say = progress if progress is not None else _silent
    say("reading the tables")
    rows = sample_rows(real, max_rows, seed, 0)
    fresh = None if holdout is None else sample_rows(holdout, max_rows, seed, 1)
    made = sample_rows(synthetic, max_rows, seed, 2)
    tables = prepare(rows, fresh, made, schema, target=target, seed=seed, groups=tuple(groups))
    given: Frames = {"real": real, "holdout": holdout, "synthetic": synthetic}
    scored: Frames = {"real": rows, "holdout": fresh, "synthetic": made}
    keyless = None if fresh is None else without_key(fresh, schema)
    say("SDMetrics")
    bridge = run_sdmetrics(tables)
    parts: tuple[tuple[str, Callable[[], Section]], ...] = (
        ("marginal distributions", lambda: score_marginals(tables)),
        ("correlation and mutual information", lambda: score_dependence(tables)),
        ("missing values", lambda: score_missing(tables)),
        ("counting questions", lambda: score_workload(tables)),
        ("detection", lambda: score_detection(tables)),
        ("persons", lambda: score_persons(real, holdout, synthetic, schema)),
        (
            "validity",
            lambda: score_validity(tables, without_key(made, schema), keyless),
        ),
        ("utility", lambda: score_utility(tables)),
        ("copies", lambda: score_copies(tables)),
        ("attacks", lambda: score_attacks(tables, card, measured)),
    )
    sections = [_sampling(given, scored), _overlap(tables, given, scored), bridge.section]
    for name, run in parts:
        say(name)
        sections.append(run())
    say("figures")
    return Report(
        scores=tuple(score for section in sections for score in section.scores),
        notes=tuple(note for section in sections for note in section.notes),
        tables={name: table for section in sections for name, table in section.tables.items()},
        shapes=column_shapes(tables),
        facts=_facts(tables, given, max_rows),
        card=card,
        bridge=bridge,
    )


Frames = dict[str, pd.DataFrame | None]


def _sampling(given: Frames, scored: Frames) -> Section:
    """Which tables were sampled, in words."""
    cut = [
        f"{len(part):,} of {len(whole):,} {NAMES[what]} rows"
        for what, whole in given.items()
        if whole is not None and (part := scored[what]) is not None and len(part) < len(whole)
    ]
    if not cut:
        return Section()
    return Section(notes=(f"Scored on a random sample (--max-rows): {', '.join(cut)}. Intervals are those of the sample.",))


def _overlap(tables: Tables, given: Frames, scored: Frames) -> Section:
    """Look for shared rows among all rows given, by their texts where reading all of them would take long."""
    if all(part is whole for part, whole in zip(scored.values(), given.values(), strict=True)):
        return check_overlap(tables.real, tables.holdout, tables.synthetic)
    real, holdout, synthetic = (_texts(frame, tables.schema) for frame in given.values())
    return check_overlap(real, holdout, synthetic)


def _texts(frame: Any, schema: Schema) -> Any:
    """A hash of each row's texts, columns in schema order; ``None`` where there is no table."""
    return None if frame is None else pd.DataFrame({"row": text_hashes(frame[list(schema.names)])})


def _silent(_: str) -> None:
    """Tell nobody."""


def _facts(tables: Tables, given: Frames, max_rows: int | None) -> dict[str, Any]:
    """Sizes and settings, plain types."""
    synthetic = given["synthetic"]
    return {
        "table": tables.schema.name,
        "columns": len(tables.schema.columns),
        "rows_real": len(tables.real),
        "rows_holdout": None if tables.holdout is None else len(tables.holdout),
        "rows_synthetic": len(tables.synthetic),
        "rows_given": {what: None if frame is None else len(frame) for what, frame in given.items()},
        "max_rows": max_rows,
        "same_header": True,  # reading refuses any other header
        "same_column_order": synthetic is not None and list(map(str, synthetic.columns)) == list(tables.schema.names),
        "target": tables.target,
        "groups": list(tables.groups),
        "seed": tables.seed,
    }
