"""``synth attack``: refit a generator with and without chosen people, and see whether that shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.console import Reporter, out, print_json, say
from synth.cli.evaluating import read_facts
from synth.cli.fitting import MODEL_HELP, Json, Quiet, interruptible
from synth.config import parse_assignments
from synth.errors import InputError
from synth.registry import DEFAULT

MAX_TARGETS = 1_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="attack")(attack)


def attack(
    data: Annotated[str, typer.Argument(help="The rows a model is to be fitted on.")],
    epsilon: Annotated[float, typer.Option("--epsilon", "-e", help="Privacy budget of every fit.")] = 1.0,
    delta: Annotated[float | None, typer.Option("--delta", help="Of every fit; as in synth fit by default.")] = None,
    schema: Annotated[str | None, typer.Option("--schema", "-s", help="Public facts, as for synth fit.")] = None,
    model: Annotated[str, typer.Option("--shadow-model", "--model", "-m", help=MODEL_HELP)] = DEFAULT,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the model, key=value; may be repeated.")
    ] = None,
    fits: Annotated[int, typer.Option("--shadow-fits", "-n", help="How many fits; an even number, at least 8.")] = 64,
    targets: Annotated[int, typer.Option("--targets", help="Rows attacked: half outliers, half random.")] = 20,
    workers: Annotated[int, typer.Option("--workers", "-w", help="Processes side by side.")] = 1,
    records: Annotated[str | None, typer.Option("--records", help="JSON lines of finished fits; resumes from them.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the choice of targets; never reaches the noise.")] = 0,
    delimiter: Annotated[str | None, typer.Option("--delimiter", help="Of a text file.")] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Of a text file.")] = "utf-8",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Refit a model many times with and without chosen rows, and measure whether the releases give them away.

    The strongest attack here, and the slowest: as many fits as asked for. Nothing is released and no budget is charged,
    but the result is computed on private rows: keep it inside.

    Example: synth attack train.csv --shadow-model independent --epsilon 1 --shadow-fits 64 --records shadow.jsonl
    """
    from evaluation.attacks.bounds import bound_of
    from evaluation.attacks.refits import Job, Synthesizer, run_fits
    from evaluation.attacks.shadow import LEAST_FITS, choose_targets, judge, membership_plan
    from evaluation.attacks.threat import outcome_table
    from synth.api import read_schema
    from synth.encoding.values import conform
    from synth.privacy.budget import Budget
    from synth.privacy.ingest import read_table
    from synth.registry import make_synthesizer, require_installed

    if fits < LEAST_FITS or fits % 2:
        raise InputError(f"--shadow-fits takes an even number of at least {LEAST_FITS}, not {fits}")
    Budget(epsilon=epsilon, delta=delta)
    options = parse_assignments(assignments or [])
    make_synthesizer(model, options)
    require_installed(model)
    frame = read_table(data, delimiter=delimiter, encoding=encoding)
    most = min(MAX_TARGETS, len(frame) // 2)
    if not 2 <= targets <= most:
        raise InputError(f"--targets takes a number from 2 to {MAX_TARGETS} and at most half of the rows, not {targets}")
    if workers < 1 or seed < 0:
        raise InputError("--workers takes a number above 0, and --seed one that is not negative")
    declared = read_schema(schema) if schema is not None else None
    if declared is not None and declared.entity is not None:
        raise InputError("this attack adds and removes single rows: no test of a promise about persons; see synth audit")
    facts = read_facts(None, schema, frame)
    plain = conform(frame, facts, Path(data).name)
    chosen = choose_targets(plain, facts, targets, seed)
    job = Job(
        rows=frame[list(facts.names)], schema=facts, targets=chosen, fits=fits, seed=seed,
        generator=Synthesizer(model=model, options=options, epsilon=epsilon, delta=delta, declared=declared),
    )  # fmt: skip
    with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
        progress.phase("shadow fits", fits)
        features = run_fits(job, Path(records) if records else None, workers, progress.advance)
    bound = bound_of({"epsilon": epsilon, "delta": 1e-5 if delta is None else delta})  # no default delta is larger
    members = membership_plan(fits, len(chosen.rows), seed)
    result = judge(features, members, chosen.vulnerable, bound, seed)
    _show(result, outcome_table(list(result.outcomes.values())), as_json=as_json)


def _show(result: Any, table: Any, *, as_json: bool) -> None:
    """The outcome on stdout."""
    from evaluation.intervals import Interval
    from evaluation.scores import to_plain

    warning = "contains private information: computed on real rows, not covered by epsilon; do not publish"
    if as_json:
        facts = {"warning": warning, "fits": result.fits, "outcomes": table, "targets": result.per_target}
        print_json(to_plain(facts))
        return
    for name, one in result.outcomes.items():
        most, area, gap = one.bound, one.auc, one.advantage
        out.print(f"{name} targets: AUC {_shown(area)}, at most {most.auc:.3f} by the claim")
        out.print(f"  advantage {_shown(gap)}, at most {most.advantage:.3f}")
        for percent, rate, allowed in zip(("0.1", "1", "10"), one.tprs, most.tprs, strict=True):
            out.print(f"  found at {percent} % false alarms {_shown(rate)}, at most {allowed:.3f}")
    worst = Interval(*result.per_target.nlargest(1, "AUC")[["AUC", "AUC low", "AUC high"]].iloc[0])
    out.print(f"worst target, chosen after the fact: AUC {_shown(worst)}")
    if any(one.broken for one in result.outcomes.values()):
        say("warning: the attack succeeds more often than the claim allows; the claim does not hold, or chance was unkind")
    out.print(warning)


def _shown(part: Any) -> str:
    return f"{part.value:.3f} ({part.low:.3f} to {part.high:.3f})"
