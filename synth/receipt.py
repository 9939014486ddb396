"""The receipt: what is promised, what ran for it, and how it was checked. Laid out after NIST SP 800-226."""

from __future__ import annotations

import importlib.metadata
import math
import platform
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from synth.errors import AccountingError
from synth.privacy import accounting
from synth.privacy.events import Event, GaussianEvent, PartitionSelectionEvent, event_to_dict
from synth.privacy.ledger import Ledger

GROUPS = (2, 5)
LIMITS = (
    "The unit is one row: a person with several rows is protected less; see the group figures.",
    "Facts declared in the schema (column names, kinds, bounds, closed categories, a public row count) are not protected.",
    "Statistics computed on synthetic rows carry the noise of the release; intervals that treat them as real are too narrow.",
    "Side channels (time, memory, shared hardware) on the machine that fits are out of scope.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The guarantee of one release.

    Attributes:
        epsilon: Promised, for the whole release.
        delta: Promised.
        adjacency: Which tables count as neighbours.
        unit: Whose data one epsilon covers.
        epsilon_spent: What the accountant found for the events, at most ``epsilon``.
        replace_one_epsilon: The same release under replace-one neighbours, same delta.
        group_epsilon: Epsilon for somebody with k rows, by k; ``None`` where no finite figure holds at this delta.
        events: What ran, with each event's share of the Gaussian budget where it has one.
        accountants: Epsilon by accountant at the calibrated delta.
        rows: Paid or declared row count; default size of a sample.
        rows_public: Whether it was declared.
        learnt: Facts that were learnt with budget, by column.
        model: Synthesizer.
        noise_grade: How the noise is drawn.
        versions: Software.
        created: Date of the fit.
        limits: What the guarantee does not cover.
    """

    epsilon: float
    delta: float
    adjacency: str
    unit: str
    epsilon_spent: float
    replace_one_epsilon: float | None
    group_epsilon: dict[str, float | None]
    events: list[dict[str, Any]]
    accountants: dict[str, float]
    rows: int
    rows_public: bool
    learnt: dict[str, list[str]]
    model: str
    noise_grade: str
    versions: dict[str, str]
    created: str
    limits: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)

    @staticmethod
    def from_dict(facts: dict[str, Any]) -> Receipt:
        """The inverse of ``to_dict``; raises ``TypeError`` or ``ValueError`` on anything else."""
        names = {f.name for f in fields(Receipt)}
        if set(facts) != names:
            raise ValueError("fields of the receipt")
        for key in ("epsilon", "delta", "epsilon_spent"):
            if not isinstance(facts[key], int | float) or isinstance(facts[key], bool):
                raise TypeError(key)
        if not isinstance(facts["rows"], int) or not isinstance(facts["events"], list):
            raise TypeError("receipt")
        return Receipt(**facts)


def write_receipt(ledger: Ledger, *, model: str, learnt: dict[str, list[str]]) -> Receipt:
    """Sum up a run, after checking it with other accountants.

    Args:
        ledger: Of the run, with its row count set.
        model: Synthesizer.
        learnt: Facts learnt with budget, by column.

    Raises:
        AccountingError: The accountants disagree, or the events exceed the budget.
    """
    events, delta, rows = ledger.events, ledger.working_delta, ledger.rows
    if rows is None:
        raise AccountingError("the run has no row count")
    accountants = accounting.cross_check(events, delta)
    if accountants["pld"] > ledger.budget.epsilon:
        raise AccountingError("the events exceed the budget")
    return Receipt(
        epsilon=ledger.budget.epsilon,
        delta=ledger.delta,
        adjacency="add or remove one row",
        unit="row",
        epsilon_spent=accountants["pld"],
        replace_one_epsilon=_finite(accounting.replace_one_epsilon(events, delta)),
        group_epsilon={str(k): _finite(accounting.group_epsilon(events, delta, k)) for k in GROUPS},
        events=[_described(e, events) for e in events],
        accountants=accountants,
        rows=rows.estimate,
        rows_public=rows.public,
        learnt=learnt,
        model=model,
        noise_grade="exact: rounded Gaussian and Poisson sampling from operating-system entropy",
        versions=_versions(),
        created=datetime.now(UTC).date().isoformat(),
        limits=list(LIMITS),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _described(event: Event, events: tuple[Event, ...]) -> dict[str, Any]:
    facts = event_to_dict(event)
    if isinstance(event, GaussianEvent | PartitionSelectionEvent):
        facts["share_of_counts"] = (event.mu / accounting.total_mu(events)) ** 2
    return facts


def _versions() -> dict[str, str]:
    names = ("synth-dp", "dp-accounting", "opacus", "torch", "numpy", "scipy", "pandas")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "source tree"
    return found
