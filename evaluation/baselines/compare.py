"""A generator without noise beside the release, in the same report: what could be done if nobody needed protection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from evaluation.attacks.suite import score_attacks
from evaluation.baselines.generators import MARK, make_baseline
from evaluation.fidelity.dependence import score_dependence
from evaluation.fidelity.detection import score_detection
from evaluation.fidelity.marginals import score_marginals
from evaluation.inputs import Tables, prepare, sample_rows
from evaluation.report import Report
from evaluation.scores import Score
from evaluation.utility.tstr import score_utility
from synth.schema import Schema

TABLE = "Baseline without privacy"


def score_baseline(
    real: pd.DataFrame,
    holdout: pd.DataFrame | None,
    schema: Schema,
    name: str,
    *,
    target: str | None = None,
    groups: Sequence[str] = (),
    max_rows: int | None = None,
    seed: int = 0,
) -> dict[str, Score]:
    """Main scores of a baseline fitted to the real rows, by name. NOT PRIVATE.

    Args:
        real: Rows the release was fitted on, as for ``evaluate``.
        holdout: Fresh rows, as for ``evaluate``.
        schema: Every kind declared.
        name: Of the baseline.
        target: Column to predict.
        groups: Columns of subgroups.
        max_rows: Rows of each table to use.
        seed: Of everything.

    Raises:
        InputError: No such baseline, or tables that cannot be scored.
    """
    generator = make_baseline(name)
    rows = sample_rows(real, max_rows, seed, 0)
    fresh = None if holdout is None else sample_rows(holdout, max_rows, seed, 1)
    plain = prepare(rows, fresh, rows, schema, target=target, seed=seed, groups=tuple(groups))
    aimed = replace(schema, target=plain.target) if plain.target in plain.real.columns else schema
    tables = replace(plain, synthetic=generator.generate(plain.real, aimed, len(plain.real), seed))
    return {score.name: score for part in PARTS for score in part(tables)}


PARTS: tuple[Callable[[Tables], Sequence[Score]], ...] = (
    lambda tables: score_marginals(tables).scores,
    lambda tables: score_dependence(tables).scores,
    lambda tables: score_detection(tables).scores,
    lambda tables: score_utility(tables).scores,
    lambda tables: score_attacks(tables).scores,
)


def with_baseline(report: Report, found: dict[str, Score], name: str) -> Report:
    """The report with one more table: each score of the release beside that of the baseline, and a note."""
    both = [(score, found[score.name]) for score in report.scores if score.name in found]
    table = pd.DataFrame(
        {
            "Score": [score.label for score, _ in both],
            "Release": [score.value for score, _ in both],
            f"Baseline ({MARK})": [other.value for _, other in both],
            "Fresh real rows": [score.ceiling for score, _ in both],
            "Floor": [score.floor for score, _ in both],
            "Better": [score.better for score, _ in both],
        }
    )
    note = (
        f"The baseline {name!r} is {MARK}: it was fitted to the real rows without noise, for comparison only. Where the "
        "release is behind it, that is the price of privacy; what both miss is the price of the kind of model."
    )
    return replace(report, notes=(*report.notes, note), tables={**report.tables, TABLE: table})
