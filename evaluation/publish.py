"""The report that may be published: figures about the synthetic rows, and scores paid for under an extra (epsilon, delta).

Everything about real rows in it is computed from noisy tables that were charged to the release's ledger; what cannot be
paid for is left out, and the page says what. Release and report together cost at most the sum of their epsilons and of
their deltas (basic composition), for the same neighbours and against the same attacker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.attacks.bounds import FPRS, Bound, bound_of
from evaluation.baselines.generators import is_marked
from evaluation.paid import Grouping, Paid, check_delta, measure
from evaluation.scores import Score, to_plain
from synth.errors import InputError
from synth.privacy.account import Account, read_account
from synth.privacy.budget import Budget
from synth.privacy.chain import read_ledger
from synth.privacy.ledger import Ledger
from synth.privacy.shares import Measurement
from synth.release import Release

FloatArray = npt.NDArray[np.float64]

DEFAULT_DELTA = 1e-7  # a constant, not a function of the rows or of the release
PURPOSE = "published report"
Z = 1.96
FORMAT = 1
LEFT_OUT = (
    "SDMetrics scores, correlations, missing-value patterns, validity of real values: computed on real rows, not paid for",
    "models trained on real rows (the ceiling of utility) and all results per subgroup: not paid for",
    "every attack, and copies of real rows: their results are about fitted people; what holds is the bound below",
    "everything about a holdout: its people are not covered by the ledger",
    "a release gate's verdict: it is an answer about real rows",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A report that may leave. Public.

    Attributes:
        scores: Paid for, each with an interval that covers its noise.
        columns: Distance of each column: ``Column``, ``Distance``, ``Noise alone``.
        pairs: The same for pairs of columns, with ``Columns``.
        shares: Synthetic and noisy real share of each group of each column: ``Column``, ``Group``, ``Synthetic``,
            ``Real (noisy)``, ``Noise``.
        confusion: Noisy shares by class: ``Class``, ``Share of rows``, ``Found``; empty where nothing is predicted.
        facts: Sizes and budgets, plain types.
        left_out: What is not here, and why.
        bound: What release and report together allow any attack.
    """

    scores: tuple[Score, ...]
    columns: pd.DataFrame
    pairs: pd.DataFrame
    shares: pd.DataFrame
    confusion: pd.DataFrame
    facts: dict[str, Any]
    left_out: tuple[str, ...]
    bound: Bound

    def to_json(self) -> dict[str, Any]:
        """Everything as plain types without NaN."""
        return {
            "format": FORMAT,
            "facts": to_plain(self.facts),
            "scores": [{f.name: to_plain(getattr(score, f.name)) for f in fields(score)} for score in self.scores],
            "details": {
                "Columns": to_plain(self.columns),
                "Pairs": to_plain(self.pairs),
                "Shares": to_plain(self.shares),
                "Classes": to_plain(self.confusion),
            },
            "bound": {f.name: to_plain(getattr(self.bound, f.name)) for f in fields(self.bound)},
            "left_out": list(self.left_out),
        }

    def to_html(self) -> str:
        """One self-contained page without scripts."""
        pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
        shares = [(name, part.to_dict(orient="records")) for name, part in self.shares.groupby("Column", sort=False)]
        return pages.get_template("published.html.j2").render(
            facts=self.facts,
            scores=self.scores,
            pairs=self.pairs.to_dict(orient="records"),
            distances={row["Column"]: row for row in self.columns.to_dict(orient="records")},
            shares=shares,
            classes=self.confusion.to_dict(orient="records"),
            left_out=self.left_out,
            bound=self.bound,
            rates=list(zip((f"{rate * 100:g} %" for rate in FPRS), self.bound.tprs, strict=True)),
        )


def publish(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    release: Release,
    ledger: Path,
    *,
    epsilon: float,
    delta: float | None = None,
    target: str | None = None,
    seed: int = 0,
) -> Published:
    """Make the publishable report and charge it to the release's ledger.

    Args:
        real: Raw rows the release was fitted on. Private.
        synthetic: Raw rows drawn from the release.
        release: With its schema, codec and receipt.
        ledger: The release's ledger file; it must be there.
        epsilon: Extra budget, beside the release's.
        delta: Extra delta; 1e-7 by default.
        target: Column to predict; the schema's by default.
        seed: Of the model; never of the noise.

    Raises:
        InputError: Rows of a non-private baseline, no such ledger or target, a header that differs from the release's, or an
            unusable budget.
        RefusedError: The budget does not carry it.
    """
    if is_marked(synthetic):
        raise InputError(
            "these rows are NOT PRIVATE: they come from a baseline without noise, and no report on them is published"
        )
    if not ledger.is_file():
        raise InputError(f"there is no ledger {str(ledger)!r}; name the one that fit wrote with --ledger")
    if release.persons is not None:
        raise InputError("a published report measures single rows, and this release protects persons: it is not there for them")
    goal = target if target is not None else release.schema.target
    if goal is not None and goal not in release.schema.names:
        raise InputError(f"the target {goal!r} is not a column of the release; name one of its columns")
    budget = Budget(epsilon=epsilon, delta=DEFAULT_DELTA if delta is None else delta)
    check_delta(budget.delta or DEFAULT_DELTA, release.receipt.rows)
    book = Ledger(budget, ledger, purpose=PURPOSE)
    with book.settled():
        paid = measure(real, synthetic, release, book, target=goal, seed=seed)
    return describe(paid, release, goal, read_account(read_ledger(ledger)))


def describe(paid: Paid, release: Release, target: str | None, history: Account) -> Published:
    """Turn noisy tables into a report. Post-processing: nothing here sees a real row.

    Args:
        paid: Noisy tables.
        release: Their release.
        target: Column that was predicted.
        history: All runs of the ledger: fits, their repetitions and published reports, whatever became of them.
    """
    total = max(1.0, float(np.mean([m.counts.sum() for m in paid.singles])))
    names = release.schema.names
    singles = [_compare(paid, m, paid.groupings, names, total) for m in paid.singles]
    pairs = [_compare(paid, m, paid.coarse, names, total) for m in paid.pairs]
    scores = [_distance("paid_tv_1way", "One column", singles)] + (
        [_distance("paid_tv_2way", "Two columns", pairs)] if pairs else []
    )
    confusion = pd.DataFrame({"Class": [], "Share of rows": [], "Found": []})
    left_out = list(LEFT_OUT)
    if paid.confusion is not None:
        score, confusion = _accuracy(paid.confusion, paid.classes)
        scores.append(score)
    else:
        left_out.append("prediction: no target column with few classes is named")
    receipt = release.receipt
    whole = {"epsilon": receipt.epsilon + paid.epsilon, "delta": receipt.delta + paid.delta}
    bound = bound_of(whole)
    if bound is None:
        raise ValueError("a release and a paid report have an epsilon and a delta")
    facts = {
        "table": release.schema.name,
        "model": release.model,
        "columns": len(names),
        "rows_real": receipt.rows,
        "rows_real_public": receipt.rows_public,
        "rows_synthetic": len(paid.synthetic),
        "target": target,
        "epsilon_release": receipt.epsilon,
        "delta_release": receipt.delta,
        "epsilon_report": paid.epsilon,
        "delta_report": paid.delta,
        "epsilon_total": whole["epsilon"],
        "delta_total": whole["delta"],
        "runs_recorded": len(history.runs),
        "epsilon_recorded": math.fsum(run.epsilon for run in history.runs),
        "delta_recorded": math.fsum(run.delta for run in history.runs),
        "adjacency": receipt.adjacency,
        "unit": receipt.unit,
    }
    return Published(
        scores=tuple(scores),
        columns=pd.DataFrame({"Column": names, **_distances(singles)}),
        pairs=pd.DataFrame({"Columns": [" x ".join(m.names) for m in paid.pairs], **_distances(pairs)}),
        shares=_shares(paid, names, total),
        confusion=confusion,
        facts=facts,
        left_out=tuple(left_out),
        bound=bound,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """A noisy table against the synthetic one.

    Attributes:
        distance: Total variation between the noisy and the synthetic shares.
        noise: What noise alone adds at most to that distance, on average.
        spread: Standard deviation of what it adds at most.
        floor: The distance if the synthetic columns were independent (pairs), or even (single columns).
    """

    distance: float
    noise: float
    spread: float
    floor: float


def _compare(paid: Paid, noisy: Measurement, groupings: dict[str, Grouping], names: tuple[str, ...], total: float) -> _Compared:
    shape = noisy.counts.shape
    parts = [groupings[name].codes[paid.synthetic[:, names.index(name)]] for name in noisy.names]
    flat = np.ravel_multi_index(tuple(parts), shape)
    mine = (np.bincount(flat, minlength=noisy.counts.size) / max(1, len(flat))).reshape(shape)
    theirs, sigma = noisy.counts / total, float(noisy.sigma) / total
    blunt = np.full(shape, 1 / mine.size) if len(shape) == 1 else np.outer(mine.sum(axis=1), mine.sum(axis=0))
    return _Compared(
        distance=_half(theirs - mine),
        noise=0.5 * mine.size * sigma * math.sqrt(2 / math.pi),
        spread=0.5 * sigma * math.sqrt(mine.size * (1 - 2 / math.pi)),
        floor=_half(theirs - blunt),
    )


def _half(gaps: FloatArray) -> float:
    return min(1.0, 0.5 * float(np.abs(gaps).sum()))


def _distances(parts: list[_Compared]) -> dict[str, list[float]]:
    return {"Distance": [part.distance for part in parts], "Noise alone": [min(1.0, part.noise) for part in parts]}


def _distance(name: str, what: str, parts: list[_Compared]) -> Score:
    """Mean total variation; by the triangle inequality the noise moves it by at most half its own absolute sum."""
    value = float(np.mean([part.distance for part in parts]))
    noise = float(np.mean([part.noise for part in parts]))
    reach = noise + Z * math.sqrt(sum(part.spread**2 for part in parts)) / len(parts)
    floor = "all groups of a column alike" if name == "paid_tv_1way" else "independent synthetic columns"
    return Score(
        name=name,
        label=f"{what} at a time (total variation)",
        section="fidelity",
        value=value,
        low=max(0.0, value - reach),
        high=min(1.0, value + reach),
        better="lower",
        ceiling=min(1.0, noise),
        floor=float(np.mean([part.floor for part in parts])),
        unit="share of rows",
        meaning="Share of rows that would have to change for the synthetic table to match the noisy real one, on average.",
        interval="95 %, over the noise that was added for privacy; it covers the distance to the fitted rows without noise.",
        scale=f"Ceiling: what the noise alone would score. Floor: {floor}.",
    )


def _accuracy(noisy: Measurement, classes: tuple[str, ...]) -> tuple[Score, pd.DataFrame]:
    """Accuracy on the fitted rows of a model of the synthetic rows, from the noisy table of truth and prediction."""
    counts, sigma = noisy.counts, float(noisy.sigma)
    right = np.zeros(counts.shape, dtype=bool)
    right[np.arange(counts.shape[1]), np.arange(counts.shape[1])] = True  # truth codes start with the classes
    total = max(1.0, float(counts.sum()))
    value = float(np.clip(counts[right].sum() / total, 0.0, 1.0))
    error = sigma / total * math.sqrt(right.sum() * (1 - value) ** 2 + (~right).sum() * value**2)
    rows = counts.sum(axis=1)
    found = np.where(
        rows[: counts.shape[1]] > 3 * sigma * math.sqrt(counts.shape[1]),
        counts[right] / np.maximum(rows[: counts.shape[1]], 1.0),
        np.nan,
    )
    table = pd.DataFrame(
        {
            "Class": list(classes[: counts.shape[1]]),
            "Share of rows": np.clip(rows[: counts.shape[1]] / total, 0.0, 1.0),
            "Found": np.clip(found, 0.0, 1.0),
        }
    )
    score = Score(
        name="paid_tstr_accuracy",
        label="Train on synthetic, test on real (accuracy)",
        section="utility",
        value=value,
        low=max(0.0, value - Z * error),
        high=min(1.0, value + Z * error),
        better="higher",
        floor=float(np.clip(rows.max() / total, 0.0, 1.0)),
        unit="share of rows",
        meaning="Boosted trees trained on the synthetic rows name the right class of this share of the fitted rows.",
        interval="95 %, over the noise that was added for privacy; the fitted rows are taken as they are.",
        scale="Floor: always the most frequent class. No ceiling: a model trained on real rows is not paid for.",
    )
    return score, table


def _shares(paid: Paid, names: tuple[str, ...], total: float) -> pd.DataFrame:
    parts = []
    for j, (name, noisy) in enumerate(zip(names, paid.singles, strict=True)):
        grouping = paid.groupings[name]
        mine = np.bincount(grouping.codes[paid.synthetic[:, j]], minlength=len(grouping.labels)) / max(1, len(paid.synthetic))
        part = pd.DataFrame({"Column": name, "Group": grouping.labels, "Synthetic": mine})
        part["Real (noisy)"] = np.clip(noisy.counts / total, 0, 1)
        part["Noise"] = float(noisy.sigma) / total
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
