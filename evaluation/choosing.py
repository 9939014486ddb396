"""Choose between models and settings on rows that are public or simulated: for free, at the epsilon of the real fit.

Such rows stand in for the private ones: drawn anew, with repetition, to the number of rows that is declared, since the noise
counts for less the more rows there are. Every candidate is fitted to them, and scored against them and a held-out part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluation.fidelity.marginals import score_marginals
from evaluation.inputs import Tables, as_texts, prepare, row_hashes, sample_rows
from evaluation.sweep.curve import UTILITY
from evaluation.sweep.runs import Material, read_records
from evaluation.utility.tstr import score_utility
from synth.api import fit
from synth.candidates import Candidate
from synth.errors import InputError, RefusedError
from synth.privacy.budget import Budget

FIDELITY = "tv_2way"
DEFAULT = (
    "hybrid",
    "hybrid.table_share=0.2",
    "hybrid.table_share=0.5",
    "hybrid.private_training=false",
    "marginal",
    "independent",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is compared.

    Attributes:
        candidates: At least two.
        epsilon: Of every fit.
        delta: Of every fit.
        rows: Of the stand-in; ``None`` for as many as there are.
        seeds: Fits of each.
        max_rows: Rows of each table to score.
        target: Column to predict.
        purpose: Of every fit, see ``synth.fit``; also to predict where ``target`` is not named.
        protect_groups: Of every fit, see ``synth.fit``.
    """

    candidates: tuple[Candidate, ...]
    epsilon: float
    delta: float
    rows: int | None = None
    seeds: int = 2
    max_rows: int = 10_000
    target: str | None = None
    purpose: str | None = None
    protect_groups: tuple[str, ...] = ()

    @property
    def predicted(self) -> str | None:
        """Column to predict, where one is named."""
        return self.purpose if self.target is None else self.target

    def __post_init__(self) -> None:
        Budget(epsilon=self.epsilon, delta=self.delta)
        if not 1 <= self.seeds <= 100:
            raise InputError(f"a choice takes 1 to 100 seeds, not {self.seeds}")
        if self.rows is not None and not 20 <= self.rows <= 10**8:
            raise InputError(f"the stand-in has 20 rows or more, not {self.rows}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one candidate did.

    Attributes:
        candidate: Which.
        fidelity: Mean total variation of tables of two columns.
        utility: What models trained on its rows score on held-out ones; ``None`` where nothing is predicted.
        lacks: What its utility lacks to that of real rows, at least 0.
        loss: ``fidelity + lacks``; infinite where it was refused.
        spread: Standard deviation of the loss over seeds; NaN for one seed.
        failed: Why it was refused, if it was.
    """

    candidate: Candidate
    fidelity: float
    utility: float | None
    lacks: float
    loss: float
    spread: float
    failed: str = ""


def key_of(choice: Choice, material: Material) -> str:
    """Tells records of this choice from others, but not by candidates and seeds."""
    digest = hashlib.sha256()
    for frame in (material.train, material.test):
        digest.update(row_hashes(frame.astype(str)).tobytes())
    digest.update(repr((replace(choice, candidates=(), seeds=1), material.declared)).encode())
    return digest.hexdigest()[:16]


def stand_in(rows: pd.DataFrame, number: int | None, seed: int) -> pd.DataFrame:
    """So many of the rows, drawn with repetition; all of them once where no number is named."""
    if number is None or number == len(rows):
        return rows
    return rows.iloc[np.random.default_rng(seed).integers(0, len(rows), number)].reset_index(drop=True)


def run_choice(
    choice: Choice, material: Material, file: Path, say: Callable[[str], None] = lambda _: None
) -> Iterator[dict[str, Any]]:
    """Fit and score what the file does not hold yet, append each record, and yield it.

    Args:
        choice: What to compare.
        material: Public or simulated rows.
        file: JSON lines.
        say: Told what runs.
    """
    key = key_of(choice, material)
    done = {(r["candidate"], r["seed"]) for r in read_records(file, key)}
    real, test = (sample_rows(f, choice.max_rows, 0, k) for k, f in enumerate((material.train, material.test)))
    tables = prepare(real, test, test, material.facts, target=choice.predicted)
    for seed in range(choice.seeds):
        for candidate in choice.candidates:
            if (candidate.label, seed) in done:
                continue
            say(f"{candidate.label}, seed {seed}")
            record = {"key": key, "candidate": candidate.label, "seed": seed, **_run(choice, candidate, material, tables, seed)}
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record, sort_keys=True) + "\n")
            yield record


def _run(choice: Choice, candidate: Candidate, material: Material, tables: Tables, seed: int) -> dict[str, Any]:
    rows = stand_in(material.train, choice.rows, seed)
    declared = material.declared
    if declared is not None and declared.public_rows is not None:
        declared = replace(declared, public_rows=len(rows))
    try:
        release = fit(
            as_texts(rows), epsilon=choice.epsilon, delta=choice.delta, schema=declared, model=candidate.model,
            options=candidate.options, seed=seed, purpose=choice.purpose, protect_groups=choice.protect_groups,
        )  # fmt: skip
    except RefusedError as error:
        return {"failed": " ".join(str(error).split()), "scores": {}}
    made = release.sample(len(tables.real), seed=seed)
    plain = prepare(tables.real, tables.holdout, made, material.facts, target=choice.predicted)
    scored = replace(tables, synthetic=plain.synthetic)
    sections = (score_marginals(scored), score_utility(scored, brief=True))
    return {"scores": {s.name: {"value": s.value, "ceiling": s.ceiling} for section in sections for s in section.scores}}


def standings(choice: Choice, records: Sequence[dict[str, Any]]) -> list[Standing]:
    """Candidates, best first; the earlier named one of equals."""
    found = []
    for candidate in choice.candidates:
        mine = [r for r in records if r["candidate"] == candidate.label and r["seed"] < choice.seeds]
        found.append(_standing(candidate, mine))
    return sorted(found, key=lambda s: s.loss)


def _standing(candidate: Candidate, records: Sequence[dict[str, Any]]) -> Standing:
    failed = next((str(r["failed"]) for r in records if "failed" in r), "" if records else "it has not run")
    if failed:
        nan = float("nan")
        return Standing(candidate=candidate, fidelity=nan, utility=None, lacks=nan, loss=np.inf, spread=nan, failed=failed)
    fidelity = np.array([r["scores"][FIDELITY]["value"] for r in records], dtype=np.float64)
    name = next((n for n in UTILITY if records[0]["scores"].get(n, {}).get("value") is not None), None)
    lacks, utility = np.zeros(len(records)), None
    if name is not None:
        pairs = np.array([[r["scores"][name]["value"], r["scores"][name]["ceiling"]] for r in records], dtype=np.float64)
        lacks, utility = np.maximum(pairs[:, 1] - pairs[:, 0], 0.0), float(pairs[:, 0].mean())
    loss = fidelity + lacks
    spread = float(loss.std(ddof=1)) if len(loss) > 1 else float("nan")
    return Standing(
        candidate=candidate, fidelity=float(fidelity.mean()), utility=utility, lacks=float(lacks.mean()),
        loss=float(loss.mean()), spread=spread,
    )  # fmt: skip
