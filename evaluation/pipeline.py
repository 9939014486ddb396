"""The order of an evaluation: read, measure part by part, and gather one report.

A new part is a function from ``Tables`` to ``Section``, added to the ``parts`` of ``evaluate``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from evaluation.attacks.copies import score_copies
from evaluation.attacks.suite import score_attacks
from evaluation.fidelity.detection import score_detection
from evaluation.fidelity.marginals import score_marginals
from evaluation.fidelity.sdmetrics_bridge import run_sdmetrics
from evaluation.fidelity.validity import score_validity
from evaluation.inputs import Tables, check_overlap, prepare
from evaluation.report import Report
from evaluation.shapes import column_shapes
from evaluation.utility.tstr import score_utility
from synth.schema import Schema


def evaluate(
    real: pd.DataFrame,
    holdout: pd.DataFrame | None,
    synthetic: pd.DataFrame,
    schema: Schema,
    *,
    target: str | None = None,
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
        seed: Seed of every random choice in the evaluation; equal inputs and seed give equal scores.
        card: Release card to show; its ``epsilon`` and ``delta`` bound the attacks.
        measured: Columns of the tables that the release says it measured, which an attacker may read as well.
        progress: Called with the name of each part before it starts.

    Returns:
        The report.

    Raises:
        InputError: A header differs from the schema, a table has fewer than 20 rows, a kind is undeclared, or the
            target is unknown. The text names columns, never a value.
    """
    say = progress if progress is not None else _silent
    say("reading the tables")
    tables = prepare(real, holdout, synthetic, schema, target=target, seed=seed)
    say("SDMetrics")
    bridge = run_sdmetrics(tables)
    parts: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("marginal distributions", lambda: score_marginals(tables)),
        ("detection", lambda: score_detection(tables)),
        ("validity", lambda: score_validity(tables, synthetic, holdout)),
        ("utility", lambda: score_utility(tables)),
        ("copies", lambda: score_copies(tables)),
        ("attacks", lambda: score_attacks(tables, card, measured)),
    )
    sections = [check_overlap(tables), bridge.section]
    for name, run in parts:
        say(name)
        sections.append(run())
    say("figures")
    return Report(
        scores=tuple(score for section in sections for score in section.scores),
        notes=tuple(note for section in sections for note in section.notes),
        tables={name: table for section in sections for name, table in section.tables.items()},
        shapes=column_shapes(tables),
        facts=_facts(tables, synthetic),
        card=card,
        bridge=bridge,
    )


def _silent(_: str) -> None:
    """Tell nobody."""


def _facts(tables: Tables, raw_synthetic: pd.DataFrame) -> dict[str, Any]:
    """Sizes and settings, plain types."""
    return {
        "table": tables.schema.name,
        "columns": len(tables.schema.columns),
        "rows_real": len(tables.real),
        "rows_holdout": None if tables.holdout is None else len(tables.holdout),
        "rows_synthetic": len(tables.synthetic),
        "same_header": True,  # reading refuses any other header
        "same_column_order": [str(name) for name in raw_synthetic.columns] == list(tables.schema.names),
        "target": tables.target,
        "seed": tables.seed,
    }
