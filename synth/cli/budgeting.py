"""``synth budget set|show|history``: what a data set may cost in all, what its runs cost so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.console import out, print_json
from synth.cli.fitting import Json
from synth.errors import InputError

Book = Annotated[str, typer.Argument(help="The data set's ledger; every fit of its rows names it with --ledger.")]

budgets = typer.Typer(no_args_is_help=True, help="The budget of a data set over all its runs: set it, see what is left.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(budgets, name="budget")


@budgets.command("set")
def set_budget(
    ledger: Book,
    epsilon: Annotated[float, typer.Option("--epsilon", "-e", help="Of all runs together.")],
    delta: Annotated[float, typer.Option("--delta", help="Of all runs together; well below 1 / rows, such as 1e-5.")],
    name: Annotated[str | None, typer.Option("--name", help="Of the data set, for people.")] = None,
    as_json: Json = False,
) -> None:
    """Put a total in force. Runs that would exceed it are refused before they touch the data.

    Example: synth budget set patients.ledger --epsilon 3 --delta 1e-5 --name patients
    """
    from synth.privacy.ledger import set_total

    place = Path(ledger)
    if not place.parent.is_dir():
        raise InputError(f"there is no folder {str(place.parent)!r}; make it first")
    _show(summary(set_total(place, epsilon=epsilon, delta=delta, name=name), place), as_json=as_json)


@budgets.command("show")
def show(ledger: Book, as_json: Json = False) -> None:
    """What all runs on a data set cost together, and what is left.

    Example: synth budget show patients.ledger
    """
    place = Path(ledger)
    _show(summary(_account(place), place), as_json=as_json)


@budgets.command("history")
def history(ledger: Book, as_json: Json = False) -> None:
    """Every run of a data set, oldest first, with what it was granted and how it ended ("open": it runs, or died).

    Example: synth budget history patients.ledger
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    runs = [
        {
            "run": r.run, "time": r.time, "purpose": r.purpose, "epsilon": r.epsilon, "delta": r.delta,
            "outcome": r.outcome, "charges": len(r.events), "counts_as": "charges" if r.exact else "grant",
        }
        for r in _account(Path(ledger)).runs
    ]  # fmt: skip
    if as_json:
        print_json(runs)
        return
    table = Table("begun", "purpose", "epsilon", "delta", "charges", "ended", "counts as", box=box.SIMPLE)
    for r in runs:
        ended = r["outcome"] if r["outcome"] is not None else "open"
        cells = (r["time"], r["purpose"], f"{r['epsilon']:g}", f"{r['delta']:g}", r["charges"], ended, r["counts_as"])
        table.add_row(*(Text(str(cell)) for cell in cells))
    out.print(table)


def _account(ledger: Path) -> Any:
    from synth.privacy.account import read_account
    from synth.privacy.chain import read_ledger

    if not ledger.is_file():
        raise InputError(f"there is no ledger {str(ledger)!r}; name the one that fits wrote, or make one with synth budget set")
    return read_account(read_ledger(ledger))


def summary(account: Any, ledger: Path) -> dict[str, Any]:
    """The account in plain figures; ``left`` is for a run that names no delta."""
    total, (epsilon, delta) = account.total, account.sums()
    read_at = total.delta if total is not None else delta
    spent = account.spent(read_at) if account.runs else 0.0
    facts = {
        "ledger": str(ledger), "runs": len(account.runs), "open_runs": sum(r.outcome is None for r in account.runs),
        "spent_epsilon": spent if spent < float("inf") else None, "at_delta": read_at,
        "sum_epsilon": epsilon, "sum_delta": delta,
    }  # fmt: skip
    if total is None:
        return facts
    left = account.room(total, total.run_delta)
    return {
        "dataset": total.dataset, "name": total.name, **facts, "total_epsilon": total.epsilon, "total_delta": total.delta,
        "left_epsilon": left, "left_at_delta": total.run_delta,
    }  # fmt: skip


def _show(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    title = f" of {facts['name']!r}" if facts.get("name") else ""
    spent = "more than any epsilon" if facts["spent_epsilon"] is None else f"epsilon {facts['spent_epsilon']:.3g}"
    dead = f", {facts['open_runs']} of them without an end" if facts["open_runs"] else ""
    out.print(f"{facts['ledger']}{title}: {facts['runs']} run(s){dead}")
    out.print(f"spent or reserved: {spent} at delta {facts['at_delta']:.3g}")
    out.print(f"by plain addition: epsilon {facts['sum_epsilon']:.3g} at delta {facts['sum_delta']:.3g}")
    if "total_epsilon" not in facts:
        out.print("total: none is set; synth budget set puts one in force")
        return
    out.print(f"total: epsilon {facts['total_epsilon']:g}, delta {facts['total_delta']:g}")
    out.print(f"left for one more run: epsilon {facts['left_epsilon']:g} at delta {facts['left_at_delta']:.3g}")
