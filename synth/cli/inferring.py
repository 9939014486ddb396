"""``synth infer``: estimates about the population from a release, with intervals that carry its noise."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from synth.cli.console import Reporter, out, print_json
from synth.cli.fitting import Json, Quiet, interruptible
from synth.errors import InputError

LIMIT = (
    "intervals cover the sampling of rows, the noise and the learning; not relations that the model left out "
    "(evaluation/README.md)"
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="infer")(infer)


def infer(
    model: Annotated[str, typer.Argument(help="A model.synth; no real row is read and no budget is spent.")],
    mean: Annotated[list[str] | None, typer.Option("--mean", help="Column of numbers; may be repeated.")] = None,
    proportion: Annotated[list[str] | None, typer.Option("--proportion", help="COLUMN=VALUE; may be repeated.")] = None,
    regress: Annotated[
        list[str] | None,
        typer.Option("--regress", help="'target ~ column + column': linear, or logistic for a target of two values."),
    ] = None,
    datasets: Annotated[int, typer.Option("--datasets", help="Synthetic tables per release.")] = 5,
    refits: Annotated[int, typer.Option("--refits", help="Repetitions of the fit, on rows drawn from the release.")] = 30,
    confidence: Annotated[float, typer.Option("--confidence", help="Of each interval.")] = 0.95,
    seed: Annotated[int, typer.Option("--seed", help="Of the draws; the noise of refits is always new.")] = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Estimate means, proportions and regressions of the population, with the noise of the release in the intervals.

    The fit is repeated on rows drawn from the release; how far the repetitions stray is how far the release may have.
    Synthetic rows taken as real ones give intervals that are too narrow.

    Example: synth infer adult.synth --mean age --proportion "sex=Female" --regress "income ~ age + sex"
    """
    from dataclasses import asdict

    from evaluation.inference.rules import infer as run
    from evaluation.inference.statistics import coefficients_of, mean_of, proportion_of
    from synth.registry import require_installed
    from synth.release import load

    release = load(model)
    require_installed(release.model)
    questions: list[Any] = [mean_of(release, name) for name in mean or ()]
    for text in proportion or ():
        name, mark, value = text.partition("=")
        if not mark:
            raise InputError(f"--proportion takes COLUMN=VALUE, not {text!r}")
        questions.append(proportion_of(release, name, value))
    questions += [coefficients_of(release, formula) for formula in regress or ()]
    if not questions:
        raise InputError("ask for something: --mean COLUMN, --proportion COLUMN=VALUE or --regress 'target ~ column'")
    with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
        progress.phase("refits", refits)
        found = run(
            release, questions, datasets=datasets, repeats=refits, seed=seed, confidence=confidence, advance=progress.advance
        )
    if as_json:
        print_json({"model": model, "confidence": confidence, "limit": LIMIT, "estimates": [asdict(one) for one in found]})
        return
    _show(found, questions, confidence)


def _show(found: Any, questions: list[Any], confidence: float) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    table.add_column("estimate", overflow="fold")
    for name in ("value", "standard error", f"{confidence:.4g} interval", "synthetic rows say"):
        table.add_column(name, justify="right")
    heads = [getattr(q, "target", None) for q in questions for _ in q.names]
    for one, head in zip(found, heads, strict=True):
        name = one.name if head is None else f"{head}: {one.name}"
        table.add_row(
            Text(name), f"{one.value:.4g}", f"{one.error:.3g}", f"{one.low:.4g} to {one.high:.4g}", f"{one.plain:.4g}"
        )
    out.print(table)
    out.print(LIMIT)
