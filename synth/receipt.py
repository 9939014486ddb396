"""The receipt: what is promised, what ran for it, and how it was checked. Laid out after NIST SP 800-226."""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from synth.errors import AccountingError
from synth.privacy import accounting
from synth.privacy.crosscheck import cross_check
from synth.privacy.events import Event, GaussianEvent, PartitionSelectionEvent, event_from_dict, event_to_dict
from synth.privacy.ledger import Ledger

GROUPS = (2, 5)
ROW_LIMIT = "The unit is one row: a person with several rows is protected less; see the group figures."
ENTITY_LIMIT = (
    "The unit is all rows with one value of {unit}; a person with several of these is protected less. Of the rows of one, at "
    "most as many as the schema says were used; a row without that value is a unit of its own."
)
PUBLIC_LIMIT = (
    "{rows:,} rows of a table that was named public were used as they are, for facts and as a prior: nothing protects them, "
    "and rows that are in both tables are not protected."
)
LIMITS = (
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
        unit: Whose data one epsilon covers: a row, or the entity of the schema.
        epsilon_spent: What the accountant found for the events at ``calibration_delta``, at most ``epsilon``.
        calibration_delta: Delta the mechanisms were calibrated to: a share of ``delta``, see ``synth.privacy.budget``.
        rung: Rows that rates and steps were derived from.
        replace_one_epsilon: The same release under replace-one neighbours, same delta.
        group_epsilon: Epsilon for somebody with k rows, by k; ``None`` where no finite figure holds at this delta. Empty where
            a whole entity is the unit.
        events: What ran, with each event's share of the Gaussian budget where it has one.
        accountants: Epsilon by accountant at the calibrated delta.
        rows: Paid or declared number of units (rows, or entities); default size of a sample.
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
    calibration_delta: float
    rung: int
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
        """The inverse of ``to_dict``. The receipt is not signed: it says what its maker says.

        Raises:
            ValueError: Unknown or missing fields, wrong types, or control characters in a text.
        """
        kinds = {f.name: _CHECKS[str(f.type)] for f in fields(Receipt)}
        if not isinstance(facts, dict) or set(facts) != set(kinds):
            raise ValueError("fields of the receipt")
        wrong = [name for name, check in kinds.items() if not check(facts[name])]
        if wrong:
            raise ValueError(f"receipt field {wrong[0]}")
        for event in facts["events"]:
            event_from_dict({key: value for key, value in event.items() if key != "share_of_counts"})
        return Receipt(**facts)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_map(value: Any, check: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(_is_text(key) and check(item) for key, item in value.items())


def _is_event(value: Any) -> bool:
    plain: Callable[[Any], bool] = lambda v: _is_number(v) or _is_text(v) or _is_texts(v)  # noqa: E731
    return _is_map(value, plain)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "float": _is_number,
    "float | None": lambda v: v is None or _is_number(v),
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "bool": lambda v: isinstance(v, bool),
    "str": _is_text,
    "list[str]": _is_texts,
    "list[dict[str, Any]]": lambda v: isinstance(v, list) and all(map(_is_event, v)),
    "dict[str, float]": lambda v: _is_map(v, _is_number),
    "dict[str, float | None]": lambda v: _is_map(v, lambda item: item is None or _is_number(item)),
    "dict[str, str]": lambda v: _is_map(v, _is_text),
    "dict[str, list[str]]": lambda v: _is_map(v, _is_texts),
}


FRESH = "exact: rounded Gaussian and Poisson sampling from operating-system entropy"
KEYED = "exact: rounded Gaussian and Poisson sampling from a stream that the holder of a 256-bit key can repeat"


def write_receipt(
    ledger: Ledger, *, model: str, learnt: dict[str, list[str]], noise_grade: str = FRESH, public_rows: int = 0
) -> Receipt:
    """Sum up a run, after checking it with other accountants.

    Args:
        ledger: Of the run, with its row count set.
        model: Synthesizer.
        learnt: Facts learnt with budget, by column.
        noise_grade: How the noise was drawn.
        public_rows: Rows of a public table beside the private one.

    Raises:
        AccountingError: The accountants disagree, or the events exceed the budget.
    """
    events, delta, rows = ledger.events, ledger.working_delta, ledger.rows
    if rows is None:
        raise AccountingError("the run has no row count")
    accountants, single = cross_check(events, delta), ledger.unit == "row"
    spent = accounting.epsilon_of(events, delta)
    if not spent <= ledger.budget.epsilon:
        raise AccountingError("the events exceed the budget")
    return Receipt(
        epsilon=ledger.budget.epsilon,
        delta=ledger.delta,
        adjacency="add or remove one row" if single else f"add or remove all rows of one {ledger.unit}",
        unit=ledger.unit,
        epsilon_spent=spent,
        calibration_delta=delta,
        rung=rows.rung,
        replace_one_epsilon=_finite(accounting.replace_one_epsilon(events, delta)),
        group_epsilon={str(k): _finite(accounting.group_epsilon(events, delta, k)) for k in GROUPS} if single else {},
        events=[_described(e, events) for e in events],
        accountants=accountants,
        rows=rows.estimate,
        rows_public=rows.public,
        learnt=learnt,
        model=model,
        noise_grade=noise_grade,
        versions=_versions(),
        created=datetime.now(UTC).date().isoformat(),
        limits=[
            ROW_LIMIT if single else ENTITY_LIMIT.format(unit=ledger.unit),
            *([PUBLIC_LIMIT.format(rows=public_rows)] if public_rows else []),
            *LIMITS,
        ],
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
