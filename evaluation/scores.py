"""The measured number and its scale: no number stands without what fresh real rows and a trivial table would score."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

DEFAULT_SCALE = (
    "Ceiling: held-out real rows in place of the synthetic ones. Floor: real rows with every column shuffled on its own."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One measured number with its interval and its scale.

    Attributes:
        name: Identifier, unique in a report, such as ``tv_2way``.
        label: Name for people.
        section: ``fidelity``, ``validity``, ``utility`` or ``privacy``.
        value: What the synthetic rows score, in ``unit``. ``None`` only where ``interval`` explains the gap.
        low: Lower end of the interval; ``None`` where there is no interval.
        high: Upper end of the interval; ``None`` where there is no interval.
        better: Which direction is good for the data owner.
        n_runs: Independent repetitions behind ``value`` (fits, not bootstrap resamples).
        ceiling: What the best attainable table scores; see ``scale``.
        floor: What a trivial table scores; see ``scale``.
        bound: What the claimed guarantee allows at worst, for attacks; ``None`` where nothing is claimed.
        unit: Unit of ``value``, ``low``, ``high``, ``ceiling``, ``floor`` and ``bound``.
        meaning: One sentence that explains the score.
        interval: What the interval covers, or why there is none.
        scale: What ceiling and floor are, or why one is absent.
    """

    name: str
    label: str
    section: Literal["fidelity", "validity", "utility", "privacy"]
    value: float | None
    low: float | None = None
    high: float | None = None
    better: Literal["higher", "lower"]
    n_runs: int = 1
    ceiling: float | None = None
    floor: float | None = None
    bound: float | None = None
    unit: str = ""
    meaning: str
    interval: str
    scale: str = DEFAULT_SCALE

    def __post_init__(self) -> None:
        for key in ("value", "low", "high", "ceiling", "floor", "bound"):
            number = getattr(self, key)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"score {self.name}: {key} must be finite or None, got {number}")
        if not self.interval:
            raise ValueError(f"score {self.name}: say what the interval covers, or why there is none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one part of the evaluation found.

    Attributes:
        scores: Measured numbers, in reading order.
        notes: Sentences about gaps, caveats and left-out parts.
        tables: Detail tables by name, as ``Report.get_details`` returns them.
    """

    scores: tuple[Score, ...] = ()
    notes: tuple[str, ...] = ()
    tables: MappingProxyType[str, pd.DataFrame] = field(default_factory=lambda: MappingProxyType({}))


def finite(value: float | None) -> float | None:
    """``value`` as a plain float, ``None`` where it is missing, NaN or infinite."""
    return None if value is None or not math.isfinite(value) else float(value)


def to_plain(value: Any) -> Any:
    """A JSON-safe copy of ``value``: plain types only, ``None`` for NaN, infinities and pandas' missing values."""
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, pd.DataFrame):
        return [{str(k): to_plain(v) for k, v in row.items()} for row in value.to_dict(orient="records")]
    if value is None or isinstance(value, str | bool | np.bool_):
        return bool(value) if isinstance(value, np.bool_) else value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return finite(float(value))
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)
