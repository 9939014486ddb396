"""Records to tables: means over seeds with 95 % t-intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

COLUMNS = (
    ("1-way TV", "tv_1way", 4),
    ("2-way TV", "tv_2way", 4),
    ("3-way TV", "tv_3way", 4),
    ("TSTR AUC", "tstr_auc", 3),
    ("detection AUC", "detection_auc", 3),
)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half-width of the 95 % t-interval; the half-width of a single value is NaN."""
    if len(values) < 2:
        return float(values[0]), math.nan
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return float(np.mean(values)), float(student.ppf(0.975, len(values) - 1)) * spread


def cell(values: Sequence[float], digits: int) -> str:
    """``mean +- half-width``."""
    mean, half = interval(values)
    return f"{mean:.{digits}f}" if math.isnan(half) else f"{mean:.{digits}f} ± {half:.{digits}f}"


def quality_table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row per data set, epsilon and model; then what real rows and shuffled columns score."""
    lines = [
        "| data | epsilon | model | seeds | "
        + " | ".join(name for name, _, _ in COLUMNS)
        + " | fit s | peak MiB | 100k rows s |",
        "|---" * (7 + len(COLUMNS)) + "|",
    ]
    groups: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    for r in records:
        groups.setdefault((r["dataset"], r["epsilon"], r["model"]), []).append(r)
    for (dataset, epsilon, model), runs in groups.items():
        scores = [_column(runs, name, "value", digits) for _, name, digits in COLUMNS]
        cost = [
            cell([r["fit"]["seconds"] for r in runs], 1),
            f"{max(r['fit']['peak_mib'] for r in runs):.0f}",
            cell([r["sample_100k"]["seconds"] for r in runs], 1),
        ]
        lines.append(f"| {dataset} | {epsilon:g} | `{model}` | {len(runs)} | " + " | ".join([*scores, *cost]) + " |")
    for dataset in dict.fromkeys(r["dataset"] for r in records):
        runs = [r for r in records if r["dataset"] == dataset]
        for key, what in (("ceiling", "*fresh real rows*"), ("floor", "*columns shuffled*")):
            scores = [_column(runs, name, key, digits) for _, name, digits in COLUMNS]
            lines.append(f"| {dataset} | | {what} | | " + " | ".join(scores) + " | | | |")
    return "\n".join(lines)


def _column(runs: Sequence[dict[str, Any]], name: str, key: str, digits: int) -> str:
    values = [r["scores"][name][key] for r in runs if r["scores"].get(name, {}).get(key) is not None]
    if not values:
        return ""
    return cell(values, digits) if key == "value" else f"{np.mean(values):.{digits}f}"


def steps_table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: cost of a step, side by side."""
    lines = ["| network | parameters | batch | step | ms | times plain |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r['network']} | {r['parameters']:,} | {r['batch']} | {r['step']} | {r['milliseconds']:.1f} | {r['ratio']:.2f} |"
        for r in records
    ]
    return "\n".join(lines)
