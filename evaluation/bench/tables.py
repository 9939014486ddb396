"""Records to tables: means over seeds with 95 % t-intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from evaluation.bench.cells import label_of

COLUMNS = (
    ("1-way TV", "tv_1way", 4),
    ("2-way TV", "tv_2way", 4),
    ("3-way TV", "tv_3way", 4),
    ("detection AUC", "detection_auc", 3),
)
UTILITY = (("tstr_auc", "AUC"), ("tstr_r2", "R2"))
HEADER = ("data", "epsilon", "delta", "model", "seeds", *(name for name, _, _ in COLUMNS), "TSTR", "fit CPU s", "fit s",
          "peak MiB", "100k rows s")  # fmt: skip
CONTROLS = (("ceiling", "*fresh real rows*"), ("floor", "*columns shuffled*"))
Group = tuple[str, float, float, str]


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


def groups(records: Sequence[dict[str, Any]]) -> dict[Group, list[dict[str, Any]]]:
    """Finished records by data set, epsilon, delta and variant, in order of appearance."""
    found: dict[Group, list[dict[str, Any]]] = {}
    for r in records:
        if "failed" not in r:
            found.setdefault((r["dataset"], r["epsilon"], r["delta"], label_of(r)), []).append(r)
    return found


def values_of(runs: Sequence[dict[str, Any]], name: str, fact: str = "value") -> list[float]:
    """A score of the runs that have it."""
    found = [r["scores"].get(name, {}).get(fact) for r in runs]
    return [value for value in found if value is not None]


def utility_of(runs: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Name and unit of the utility score of a data set: AUC for classes, R2 for numbers; blank where there is none."""
    return next(((name, unit) for name, unit in UTILITY if values_of(runs, name)), ("", ""))


def quality_table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row per data set, budget and model; then what real rows and shuffled columns score; then what failed."""
    lines = [_line(HEADER), "|---" * len(HEADER) + "|"]
    found = groups(records)
    for (dataset, epsilon, delta, variant), runs in found.items():
        scores = [_score(runs, name, digits) for _, name, digits in COLUMNS]
        lines.append(_line([dataset, f"{epsilon:g}", f"{delta:g}", f"`{variant}`", str(len(runs)), *scores, _utility(runs),
                            *_costs(runs)]))  # fmt: skip
    for dataset in dict.fromkeys(key[0] for key in found):
        runs = [r for key, some in found.items() if key[0] == dataset for r in some]
        for fact, what in CONTROLS:
            scores = [_mean(runs, name, fact, digits) for _, name, digits in COLUMNS]
            lines.append(_line([dataset, "", "", what, "", *scores, _mean(runs, utility_of(runs)[0], fact, 3), *[""] * 4]))
    failed = [f"- {r['dataset']}, epsilon {r['epsilon']:g}, `{label_of(r)}`: {r['failed']}" for r in _failures(records)]
    return "\n".join(lines) + ("\n\nNot run:\n\n" + "\n".join(failed) if failed else "")


def _failures(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One failed record per data set, epsilon, variant and reason."""
    return list({(r["dataset"], r["epsilon"], label_of(r), r["failed"]): r for r in records if "failed" in r}.values())


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _score(runs: Sequence[dict[str, Any]], name: str, digits: int) -> str:
    """Mean with interval over seeds; the detection AUC of a single run shows its own interval over rows."""
    values = values_of(runs, name)
    if not values:
        return ""
    ends = [values_of(runs, name, fact) for fact in ("low", "high")]
    if name == "detection_auc" and len(runs) == 1 and all(ends):
        return f"{values[0]:.{digits}f} ({ends[0][0]:.{digits}f} to {ends[1][0]:.{digits}f})"
    return cell(values, digits)


def _mean(runs: Sequence[dict[str, Any]], name: str, fact: str, digits: int) -> str:
    values = values_of(runs, name, fact)
    return f"{np.mean(values):.{digits}f}" if values else ""


def _utility(runs: Sequence[dict[str, Any]]) -> str:
    """``AUC 0.901 +- 0.003 of 0.927``: the last number is what training on real rows scores."""
    name, unit = utility_of(runs)
    if not name:
        return ""
    ceiling = _mean(runs, name, "ceiling", 3)
    return f"{unit} {cell(values_of(runs, name), 3)}" + (f" of {ceiling}" if ceiling else "")


def _costs(runs: Sequence[dict[str, Any]]) -> list[str]:
    many = [r["sample_100k"]["seconds"] for r in runs if "sample_100k" in r]
    processor = [r["fit"]["cpu_seconds"] for r in runs if "cpu_seconds" in r["fit"]]
    return [
        cell(processor, 1) if processor else "",
        cell([r["fit"]["seconds"] for r in runs], 1),
        f"{max(r['fit']['peak_mib'] for r in runs):.0f}",
        cell(many, 1) if many else "",
    ]


def steps_table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: cost of a step, side by side."""
    heads = ("network", "parameters", "batch", "step", "CPU ms", "times dense", "times same layers", "peak MiB", "times dense")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for r in records:
        memory, dense = r.get("peak_mib"), r.get("peak_dense_mib")
        told = ("", "") if memory is None or not dense else (f"{memory:.0f}", f"{memory / dense:.2f}")
        cells = (
            r["network"], f"{r['parameters']:,}", str(r["batch"]), r["step"], f"{r['milliseconds']:.1f}", f"{r['ratio']:.2f}",
            f"{r.get('ratio_same', r['ratio']):.2f}", *told,
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
