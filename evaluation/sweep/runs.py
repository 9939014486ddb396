"""The fits of a sweep: one JSON line each, resumed where they stopped; on private rows each is charged to the ledger.

A sweep over private rows costs the composition of all its fits, whether or not their releases are kept: what is drawn
depends on all of them. On data that is public, or simulated, nothing is charged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation.attacks.bounds import bound_of
from evaluation.attacks.suite import score_attacks
from evaluation.baselines.generators import MARK, make_baseline
from evaluation.fidelity.detection import score_detection
from evaluation.fidelity.marginals import score_marginals
from evaluation.inputs import Tables, as_texts, prepare, row_hashes, sample_rows
from evaluation.utility.tstr import score_utility
from synth.api import fit
from synth.errors import InputError, RefusedError
from synth.privacy.account import Account, PastRun, read_account
from synth.privacy.budget import Budget
from synth.privacy.chain import read_ledger
from synth.schema import Schema

FACTS = ("value", "low", "high", "ceiling", "floor", "bound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What is swept.

    Attributes:
        epsilons: Increasing, of one fit each.
        delta: Of every fit.
        model: Synthesizer.
        seeds: Fits per epsilon.
        baseline: Generator without noise to compare with; NOT PRIVATE.
        max_rows: Rows of each table to score.
        target: Column to predict.
    """

    epsilons: tuple[float, ...]
    delta: float
    model: str
    seeds: int = 1
    baseline: str = "trees"
    max_rows: int = 10_000
    target: str | None = None

    def __post_init__(self) -> None:
        if len(self.epsilons) < 2 or list(self.epsilons) != sorted(set(self.epsilons)):
            raise InputError("a sweep takes at least two epsilons, each once, in increasing order, such as 0.1,0.3,1,3,10")
        if not 1 <= self.seeds <= 100:
            raise InputError(f"a sweep takes 1 to 100 seeds, not {self.seeds}")
        for epsilon in self.epsilons:
            Budget(epsilon=epsilon, delta=self.delta)
        make_baseline(self.baseline)

    def cells(self) -> list[tuple[float, int]]:
        """Epsilon and seed of every fit."""
        return [(epsilon, seed) for epsilon in self.epsilons for seed in range(self.seeds)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is fitted and what it is scored on.

    Attributes:
        train: Raw rows to fit.
        test: Raw rows that are held out.
        declared: What the fits are told.
        facts: Every kind declared, for scoring.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    declared: Schema | None
    facts: Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the missing fits of a sweep add to a ledger.

    Attributes:
        fits: How many are missing.
        epsilon: Of them and everything before, composed, at ``delta``.
        delta: Sum of all deltas, or the total's where one is in force.
        plain: Epsilon by plain addition.
        before: Runs that the ledger records already.
    """

    fits: int
    epsilon: float
    delta: float
    plain: float
    before: int


def key_of(sweep: Sweep, material: Material) -> str:
    """Tells records of this sweep from those of others: data, model, delta and how it is scored, but not which epsilons."""
    digest = hashlib.sha256()
    for frame in (material.train, material.test):
        digest.update(row_hashes(frame.astype(str)).tobytes())
    kept = replace(sweep, epsilons=(1.0, 2.0), seeds=1)
    digest.update(repr((kept, material.declared)).encode())
    return digest.hexdigest()[:16]


def read_records(file: Path, key: str) -> list[dict[str, Any]]:
    """Finished cells of this sweep; a last line cut off by a crash is passed over.

    Raises:
        InputError: The file cannot be read.
    """
    if not file.exists():
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the record of the sweep {str(file)!r}: {type(error).__name__}") from None
    found = []
    for line in lines:
        try:
            record = json.loads(line)
            if record["key"] == key:
                found.append(record)
        except (ValueError, KeyError, TypeError):
            continue
    return found


def missing_cells(sweep: Sweep, records: list[dict[str, Any]]) -> list[tuple[float, int]]:
    """Fits that no record holds."""
    done = {(r["epsilon"], r["seed"]) for r in records}
    return [cell for cell in sweep.cells() if cell not in done]


def cost_of(sweep: Sweep, cells: list[tuple[float, int]], ledger: Path) -> Cost:
    """What the missing fits cost beside everything that the ledger records.

    Raises:
        RefusedError: The data set's total does not carry all of them.
    """
    account = read_account(read_ledger(ledger)) if ledger.is_file() else Account(total=None, runs=())
    planned = tuple(_planned(epsilon, sweep.delta) for epsilon, _ in cells)
    whole = Account(total=account.total, runs=(*account.runs, *planned))
    plain, deltas = whole.sums()
    delta = account.total.delta if account.total is not None else deltas
    epsilon = whole.spent(delta) if whole.runs else 0.0
    if account.total is not None and epsilon > account.total.epsilon:
        raise RefusedError(
            f"the sweep's {len(cells)} fits come to epsilon {epsilon:.3g} with what the ledger records, above the total of "
            f"{account.total.epsilon:g}; take fewer or smaller epsilons, or raise the total with synth budget set"
        )
    return Cost(fits=len(cells), epsilon=epsilon, delta=delta, plain=plain, before=len(account.runs))


def _planned(epsilon: float, delta: float) -> PastRun:
    return PastRun(
        run="", time="", purpose="sweep", epsilon=epsilon, delta=delta, outcome=None, events=(), fixed=False, to_the_end=False
    )


def run_sweep(
    sweep: Sweep, material: Material, file: Path, ledger: Path | None, say: Callable[[str], None] = lambda _: None
) -> Iterator[dict[str, Any]]:
    """Run what the file does not hold yet, append each record, and yield it; the baseline comes first.

    Args:
        sweep: What to run.
        material: On what.
        file: JSON lines; as private as the rows.
        ledger: Charged by every fit; ``None`` only for rows that are public or simulated.
        say: Told what runs.
    """
    key = key_of(sweep, material)
    records = read_records(file, key)
    tables = scored_tables(sweep, material)
    if not any(r["epsilon"] is None for r in records):
        say(f"baseline {sweep.baseline!r} ({MARK})")
        aimed = replace(material.facts, target=tables.target) if tables.target in tables.real.columns else material.facts
        made = make_baseline(sweep.baseline).generate(tables.real, aimed, len(tables.real))
        record = {"key": key, "epsilon": None, "seed": 0, "note": MARK, "scores": score(replace(tables, synthetic=made), None)}
        yield _append(file, record)
    for epsilon, seed in missing_cells(sweep, records):
        say(f"epsilon {epsilon:g}, seed {seed}")
        yield _append(file, {"key": key, **run_cell(sweep, material, tables, epsilon, seed, ledger)})


def run_cell(
    sweep: Sweep, material: Material, tables: Tables, epsilon: float, seed: int, ledger: Path | None
) -> dict[str, Any]:
    """One fit and its scores; a refusal is a record as well."""
    cell: dict[str, Any] = {"epsilon": epsilon, "seed": seed, "delta": sweep.delta, "model": sweep.model}
    try:
        release = fit(
            as_texts(material.train),
            epsilon=epsilon,
            delta=sweep.delta,
            schema=material.declared,
            model=sweep.model,
            ledger=ledger,
        )
    except RefusedError as error:
        return {**cell, "failed": " ".join(str(error).split()), "scores": {}}
    made = release.sample(len(tables.real), seed=seed)
    plain = prepare(tables.real, tables.holdout, made, material.facts, target=sweep.target)
    card = {"epsilon": epsilon, "delta": release.receipt.delta}
    return {**cell, "scores": score(replace(tables, synthetic=plain.synthetic), card)}


def scored_tables(sweep: Sweep, material: Material) -> Tables:
    """Samples of both tables, conformed; the synthetic rows are put in later."""
    real, test = (sample_rows(f, sweep.max_rows, 0, k) for k, f in enumerate((material.train, material.test)))
    return prepare(real, test, test, material.facts, target=sweep.target)


def score(tables: Tables, card: dict[str, Any] | None) -> dict[str, dict[str, float | None]]:
    """Main scores by name, and what the claim allows."""
    sections = (
        score_marginals(tables),
        score_detection(tables),
        score_utility(tables, brief=True),
        score_attacks(tables, card),
    )
    found = {s.name: {fact: getattr(s, fact) for fact in FACTS} for section in sections for s in section.scores}
    bound = bound_of(card)
    if bound is not None:
        found["guarantee"] = asdict(bound) | {"tprs": None, "value": bound.advantage}
    return found


def _append(file: Path, record: dict[str, Any]) -> dict[str, Any]:
    try:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record, sort_keys=True) + "\n")
    except OSError as error:
        raise InputError(f"cannot write the record of the sweep {str(file)!r}: {error.strerror}") from None
    return record
