"""SDMetrics' quality and diagnostic reports, under the names that SDV users know.

The only module that imports SDMetrics. Its scores are reported as they are (version 0.32): note that a pair of columns
counts only where the real data correlate or associate strongly enough (its thresholds 0.5 and 0.3), and that it bins
each table by that table's own range.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sdmetrics.errors import VisualizationUnavailableError
from sdmetrics.reports import DiagnosticReport, QualityReport

from evaluation.inputs import Tables
from evaluation.scores import Score, Section, finite
from synth.schema import Kind, Schema
from synth.sdv_metadata import schema_to_sdv

MAX_ROWS = 50_000
N_BATCHES = 5
MIN_BATCH = 50
T_BATCHES = 2.7764451051977987  # 97.5 % quantile of Student's t with N_BATCHES - 1 degrees of freedom
MAX_CATEGORIES = 1_000  # its pair metric unstacks a dense table of categories by categories
QUALITY = ("Column Shapes", "Column Pair Trends")
DIAGNOSTIC = ("Data Validity", "Data Structure")
TABLE = "table"
_STREAM = 5
_FAILURES = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    ArithmeticError,
    AttributeError,
    VisualizationUnavailableError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """Finished SDMetrics reports; ``None`` where SDMetrics could not score the tables.

    Attributes:
        section: Its scores and gaps in this package's form.
        quality: The generated ``QualityReport``.
        diagnostic: The generated ``DiagnosticReport``.
    """

    section: Section
    quality: Any
    diagnostic: Any

    def properties(self) -> pd.DataFrame:
        """Columns ``Property`` and ``Score`` (0 to 1, NaN where there is none), one row per property."""
        rows = [(name, _property(self._holder(name), name)) for name in (*QUALITY, *DIAGNOSTIC)]
        return pd.DataFrame(rows, columns=["Property", "Score"]).astype({"Score": float})

    def details(self, name: str) -> pd.DataFrame:
        """Score per column or pair, as SDMetrics' ``get_details`` gives it; empty where there is none."""
        report = self._holder(name)
        return pd.DataFrame() if report is None else report.get_details(name).drop(columns="Table", errors="ignore")

    def figure(self, name: str) -> Any | None:
        """SDMetrics' Plotly figure of a property; ``None`` where it draws none."""
        report = self._holder(name)
        try:
            with _quiet():
                return None if report is None else report.get_visualization(name, table_name=TABLE)
        except _FAILURES:
            return None

    def _holder(self, name: str) -> Any:
        return self.quality if name in QUALITY else self.diagnostic


def run_sdmetrics(tables: Tables) -> Bridge:
    """Generate both reports on the synthetic rows, and the quality report on both controls.

    Args:
        tables: Conformed tables; beyond ``MAX_ROWS`` rows a seeded sample is scored.

    Returns:
        The reports with the overall quality and diagnostic scores.
    """
    rng = tables.rng(_STREAM)
    frames = {"real": tables.real, "synthetic": tables.synthetic, "floor": tables.permuted}
    if tables.holdout is not None:
        frames["ceiling"] = tables.holdout
    frames = {what: _sample(frame, rng) for what, frame in frames.items()}
    schema, notes = scorable(frames, tables.schema)
    if schema is None:
        return Bridge(section=Section(notes=tuple(notes)), quality=None, diagnostic=None)
    ready = {what: for_sdmetrics(frame, schema) for what, frame in frames.items()}
    reports = {
        what: _generate(QualityReport(), ready["real"], ready[what], schema)
        for what in ("synthetic", "ceiling", "floor")
        if what in ready
    }
    diagnostic = _generate(DiagnosticReport(), ready["real"], ready["synthetic"], schema)
    errors = batch_errors(ready["real"], ready["synthetic"], schema)
    scores, gaps = _scores({what: _overall(report) for what, report in reports.items()}, diagnostic, errors)
    section = Section(scores=tuple(scores), notes=(*notes, *gaps))
    return Bridge(section=section, quality=reports["synthetic"], diagnostic=diagnostic)


def batch_errors(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema) -> tuple[float | None, float | None]:
    """Half the width of 95 % intervals of the quality and the diagnostic score, by batch means.

    Real and synthetic rows are cut into ``N_BATCHES`` disjoint batches and each pair is scored: the spread of the
    batches' scores over the root of their number is the standard error of a score on all rows. The diagnostic keeps
    all real rows, since it asks for their range.

    Returns:
        The half widths; ``None`` where the tables are too small or SDMetrics cannot score a batch.
    """
    if min(len(real), len(synthetic)) < N_BATCHES * MIN_BATCH:
        return None, None
    pairs = [(real.iloc[k::N_BATCHES], synthetic.iloc[k::N_BATCHES]) for k in range(N_BATCHES)]
    quality = [_overall(_generate(QualityReport(), a, b, schema)) for a, b in pairs]
    diagnostic = [_overall(_generate(DiagnosticReport(), real, b, schema)) for _, b in pairs]
    return _half_width(quality), _half_width(diagnostic)


def _half_width(batches: list[float | None]) -> float | None:
    known = [value for value in batches if value is not None]
    return None if len(known) < len(batches) else T_BATCHES * float(np.std(known, ddof=1)) / N_BATCHES**0.5


def scorable(frames: dict[str, pd.DataFrame], schema: Schema) -> tuple[Schema | None, list[str]]:
    """The columns SDMetrics can score, as a schema (``None`` if there is none), with a note per gap.

    Args:
        frames: Conformed tables.
        schema: Public facts.
    """
    empty, wide, kept = [], [], []
    for column in schema.columns:
        parts = [frame[column.name] for frame in frames.values()]
        numeric = column.kind is not None and column.kind.is_numeric
        if any(part.isna().all() for part in parts):
            empty.append(column.name)
        elif not numeric and any(part.nunique() > MAX_CATEGORIES for part in parts):
            wide.append(column.name)
        else:
            kept.append(replace(column, format=None))
    notes = []
    if empty:
        notes.append(f"SDMetrics cannot score columns without any value; left out: {', '.join(map(repr, empty))}.")
    if wide:
        names = ", ".join(map(repr, wide))
        notes.append(f"SDMetrics is too slow on more than {MAX_CATEGORIES} categories; left out: {names}.")
    if not kept:
        notes.append("SDMetrics has no column to score, so there is no quality or diagnostic score.")
    return (Schema(columns=tuple(kept), name=TABLE) if kept else None), notes


def for_sdmetrics(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The schema's columns of a conformed table, seconds since 1970 turned back into dates."""
    out = frame.loc[:, list(schema.names)].reset_index(drop=True)
    for column in schema.columns:
        if column.kind is Kind.DATETIME:
            seconds = out[column.name].to_numpy(dtype=np.float64)
            gaps = np.isnan(seconds)
            stamps = np.where(gaps, 0.0, np.round(seconds)).astype(np.int64).astype("datetime64[s]")
            stamps[gaps] = np.datetime64("NaT")
            out[column.name] = pd.Series(stamps)
    return out


def _sample(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame if len(frame) <= MAX_ROWS else frame.iloc[np.sort(rng.permutation(len(frame))[:MAX_ROWS])]


def _quiet() -> warnings.catch_warnings[None]:
    return warnings.catch_warnings(action="ignore")


def _generate(report: Any, real: pd.DataFrame, other: pd.DataFrame, schema: Schema) -> Any:
    report.num_rows_subsample = None  # rows are sampled here, with the evaluation's seed
    try:
        with _quiet(), np.errstate(all="ignore"):
            report.generate({TABLE: real}, {TABLE: other}, schema_to_sdv(schema), verbose=False)
    except _FAILURES:
        return None
    return report


def _overall(report: Any) -> float | None:
    return None if report is None else finite(report.get_score())


def _property(report: Any, name: str) -> float:
    if report is None:
        return float("nan")
    table = report.get_properties().set_index("Property")["Score"]
    return float(table.get(name, float("nan")))


def _limits(value: float | None, half: float | None) -> tuple[float | None, float | None, str]:
    if value is None or half is None:
        return None, None, f"None: fewer than {N_BATCHES * MIN_BATCH} rows, or SDMetrics could not score a part of them."
    why = f"95 %, batch means over {N_BATCHES} disjoint parts of the rows; it does not cover refitting the generator."
    return max(0.0, value - half), min(1.0, value + half), why


def _scores(
    quality: dict[str, float | None], diagnostic: Any, errors: tuple[float | None, float | None]
) -> tuple[list[Score], list[str]]:
    gaps = []
    if quality["synthetic"] is None:
        gaps.append("SDMetrics gives no quality score for these tables.")
    low, high, why = _limits(quality["synthetic"], errors[0])
    shown = Score(
        name="sdmetrics_quality",
        label="SDMetrics quality score",
        section="fidelity",
        value=quality["synthetic"],
        low=low,
        high=high,
        better="higher",
        ceiling=quality.get("ceiling"),
        floor=quality.get("floor"),
        unit="0 to 1",
        meaning="SDMetrics' average of column shapes and pair trends, for comparison with other tools.",
        interval=why,
    )
    overall = _overall(diagnostic)
    low, high, why = _limits(overall, errors[1])
    if overall is None:
        gaps.append("SDMetrics gives no diagnostic score for these tables.")
    checked = Score(
        name="sdmetrics_diagnostic",
        label="SDMetrics diagnostic score",
        section="validity",
        value=overall,
        low=low,
        high=high,
        better="higher",
        ceiling=1.0,
        floor=0.0,
        unit="0 to 1",
        meaning="SDMetrics' check that values stay within the range and categories that the real rows show.",
        interval=why,
        scale="Ceiling and floor: 1 and 0, the ends of the scale.",
    )
    return [shown, checked], gaps
