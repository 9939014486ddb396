"""Quality against cost: how far a model is from real rows, and what fitting it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.bench.cells import label_of
from evaluation.bench.peering import PEERS
from evaluation.bench.tables import groups, interval, utility_of, values_of
from synth.errors import InputError

MARKS = "osD^vPX*<>hdp"
GREYS = {"ceiling": "#4a7a4a", "floor": "#999999"}


def check_plot(path: Path) -> None:
    """Refuse what cannot be drawn before hours of running.

    Raises:
        InputError: Not an SVG in an existing folder, or matplotlib is not installed.
    """
    if path.suffix != ".svg" or not path.parent.is_dir():
        raise InputError(f"--plot takes the name of an .svg file in an existing folder, not {str(path)!r}")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise InputError('--plot needs matplotlib: pip install "synth-dp[bench]"') from None


def plot_quality(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the 3-way total variation and the utility of every model against the CPU seconds of its fit.

    A row of panels per data set and budget, a mark per model (hollow for peers), 95 % t-intervals over seeds where there are
    several. Equal records give an equal file.

    Raises:
        InputError: There is nothing to draw.
    """
    import matplotlib
    from matplotlib.figure import Figure

    found = groups(records)
    rows = list(dict.fromkeys(key[:3] for key in found))
    if not rows:
        raise InputError("there is no finished run to draw; run the grid first")
    styles = _styles(records)
    with matplotlib.rc_context({"svg.hashsalt": "synth", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10, 3.4 * len(rows) + 0.8), layout="constrained")
        panels = figure.subplots(len(rows), 2, squeeze=False)
        for row, (quality, utility) in zip(rows, panels, strict=True):
            models = {key[3]: runs for key, runs in found.items() if key[:3] == row}
            everything = [r for runs in models.values() for r in runs]
            name, unit = utility_of(everything)
            _panel(quality, models, "tv_3way", styles)
            quality.set_ylabel("3-way TV (lower is better)")
            quality.set_title(f"{row[0]}, epsilon {row[1]:g}, delta {row[2]:g}", loc="left")
            if name:
                _panel(utility, models, name, styles)
                utility.set_ylabel(f"TSTR {unit} (higher is better)")
            else:
                utility.set_axis_off()
        marks = {text: mark for axes in panels.flat for mark, text in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(list(marks.values()), list(marks), loc="outside lower center", ncols=5, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "synth bench"})


def plot_speed(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw what tables cost: counting all pairs and whole fits over rows and over columns, and rows of a sample by format.

    Equal records give an equal file.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "synth", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(12, 3.6), layout="constrained")
        *growing, bars = figure.subplots(1, 3)
        for axes, over, fixed in zip(growing, ("rows", "columns"), ("columns", "rows"), strict=True):
            for kind, what in (("fit", "whole fit (marginal)"), ("counting", "counting all pairs")):
                found = [r for r in records if r["bench"] == kind]
                most = max((r[fixed] for r in found), key=[r[fixed] for r in found].count, default=0)
                points = sorted((r[over], r["cpu_seconds"]) for r in found if r[fixed] == most)
                axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=f"{what}, {most:,} {fixed}")
            axes.set(xscale="log", yscale="log", xlabel=over, ylabel="CPU seconds")
            axes.grid(alpha=0.25)
            axes.legend(frameon=False)
        drawn = [r for r in records if r["bench"] == "sampling"]
        for shift, key, what in ((0.2, "us_a_row", "drawn and written"), (-0.2, "writer_us_a_row", "the writer alone")):
            places = [k + shift for k in range(len(drawn))]
            bars.barh(places, [r[key] for r in drawn], height=0.35, label=what)
        bars.set_yticks(range(len(drawn)), [r["format"] for r in drawn])
        bars.set_xlabel("CPU microseconds a row, 15 columns")
        bars.legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "synth bench"})


def _styles(records: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Colour and mark of every variant: its own, whichever panel it is in."""
    models = {label_of(r): r["model"] for r in records}
    return {
        variant: {
            "color": f"C{i % 10}",
            "marker": MARKS[i % len(MARKS)],
            "markerfacecolor": "white" if model in PEERS else f"C{i % 10}",
        }
        for i, (variant, model) in enumerate(sorted(models.items()))
    }


def _panel(axes: Any, models: dict[str, list[dict[str, Any]]], name: str, styles: dict[str, dict[str, Any]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlabel("fit, CPU seconds")
    everything = [r for runs in models.values() for r in runs]
    for fact, what in (("ceiling", "fresh real rows"), ("floor", "columns shuffled")):
        level = values_of(everything, name, fact)
        if level:
            axes.axhline(float(np.mean(level)), color=GREYS[fact], linestyle=":", linewidth=1, label=what)
    for variant, runs in sorted(models.items()):
        scored = [r for r in runs if values_of([r], name) and "cpu_seconds" in r["fit"]]
        if not scored:
            continue
        x, x_half = interval([r["fit"]["cpu_seconds"] for r in scored])
        y, y_half = interval(values_of(scored, name))
        left = 0.0 if math.isnan(x_half) else min(x_half, 0.9 * x)  # a log axis has no zero
        axes.errorbar(
            [x], [y], xerr=[[left], [0.0 if math.isnan(x_half) else x_half]], yerr=0.0 if math.isnan(y_half) else y_half,
            linestyle="none", markersize=6, elinewidth=1, label=variant, **styles[variant],
        )  # fmt: skip
    low, high = axes.get_xlim()
    if high < 10 * low:  # a narrow range has no ticks
        middle = math.sqrt(low * high)
        axes.set_xlim(middle / math.sqrt(10), middle * math.sqrt(10))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25)
