"""What was asked of the private rows, as data. ``accounting`` turns events into epsilon; nothing else does.

All events but ``LocalEvent`` are for add-or-remove-one-unit neighbours, where the unit is a row, or all rows of an entity.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from synth.errors import AccountingError
from synth.privacy.repetitions import Repetitions

VOTES = "votes of teachers"
GRADIENT = "gradient over all rows"
BURNT_TRAINING = "training (not needed)"  # charged as counts where noisy answers led past DP-SGD


def _require(sound: bool) -> None:
    """Refuse parameters that an accountant would read as free, such as NaN."""
    if not sound:
        raise AccountingError("a privacy event has parameters outside their range")


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianEvent:
    """Counts released with rounded Gaussian noise.

    Attributes:
        what: Purpose, for people.
        target: Columns asked about; empty for the row count.
        sigma: Standard deviation of the noise, in counts.
        l2_sensitivity: How far one unit can move the exact answer, in the L2 norm.
    """

    what: str
    target: tuple[str, ...] = ()
    sigma: float
    l2_sensitivity: float = 1.0

    def __post_init__(self) -> None:
        _require(0 < self.sigma < math.inf and 0 < self.l2_sensitivity < math.inf)

    @property
    def mu(self) -> float:
        """Gaussian-DP parameter."""
        return self.l2_sensitivity / self.sigma


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSelectionEvent:
    """Counts of the values that occur, kept above a threshold.

    Attributes:
        what: Purpose, for people.
        target: The column.
        sigma: Standard deviation of the noise, in counts.
        threshold: A value is named only if its noisy count is larger.
        delta: Chance that a value which one unit alone holds is named.
    """

    what: str
    target: tuple[str, ...]
    sigma: float
    threshold: float
    delta: float

    def __post_init__(self) -> None:
        _require(0 < self.sigma < math.inf and 0 < self.delta < 1 and math.isfinite(self.threshold))

    @property
    def mu(self) -> float:
        """Gaussian-DP parameter of the counts that are named anyway."""
        return 1.0 / self.sigma


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsampledGaussianEvent:
    """DP-SGD: ``steps`` noisy sums of clipped gradients over Poisson samples.

    Attributes:
        what: Purpose, for people.
        noise_multiplier: Noise standard deviation over the sensitivity of the rounded, clipped sum.
        sample_rate: Probability that a unit takes part in a step.
        steps: Number of sums.
    """

    what: str
    noise_multiplier: float
    sample_rate: float
    steps: int

    def __post_init__(self) -> None:
        _require(0 < self.noise_multiplier < math.inf and 0 < self.sample_rate <= 1 and self.steps >= 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionEvent:
    """One of several public options, chosen by the exponential mechanism.

    Attributes:
        what: Purpose, for people.
        target: Columns the options are about; empty for all.
        epsilon: Of the pure guarantee, which is also the range of the privacy loss; ``epsilon^2 / 8``-zCDP.
    """

    what: str
    target: tuple[str, ...] = ()
    epsilon: float

    def __post_init__(self) -> None:
        _require(0 < self.epsilon < math.inf)

    @property
    def rho(self) -> float:
        """The zCDP parameter: the mechanism has bounded range (Cesar and Rogers 2021, arXiv:2004.07223)."""
        return self.epsilon**2 / 8

    @property
    def mu(self) -> float:
        """What phases that plan in squared Gaussian budget count it as: ``mu^2 / 2 = rho``. No Gaussian-DP claim."""
        return self.epsilon / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LaplaceEvent:
    """Counts released with Laplace noise on whole numbers (two-sided geometric).

    Attributes:
        what: Purpose, for people.
        target: Columns asked about.
        scale: Of the noise, in counts; its standard deviation is about ``sqrt(2)`` times that.
        l1_sensitivity: How far one unit can move the exact answer, in the L1 norm.
    """

    what: str
    target: tuple[str, ...] = ()
    scale: float
    l1_sensitivity: float = 1.0

    def __post_init__(self) -> None:
        _require(0 < self.scale < math.inf and 0 < self.l1_sensitivity < math.inf)

    @property
    def epsilon(self) -> float:
        """Of the pure guarantee."""
        return self.l1_sensitivity / self.scale

    @property
    def mu(self) -> float:
        """What phases that plan in squared Gaussian budget count it as: ``mu^2 / 2`` of zCDP. No Gaussian-DP claim."""
        return self.epsilon


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEvent:
    """One column of a table whose every cell was randomised on its own; neighbours differ in what one row says.

    Attributes:
        what: The mechanism, for people.
        target: The column.
        epsilon: Of the pure guarantee for one cell.
    """

    what: str
    target: tuple[str, ...]
    epsilon: float

    def __post_init__(self) -> None:
        _require(0 < self.epsilon < math.inf)

    @property
    def mu(self) -> float:
        """As for ``LaplaceEvent``."""
        return self.epsilon


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedSelectionEvent:
    """The best of a random, secret number of tries; the last charge of a run. See ``repetitions``.

    Attributes:
        what: Purpose, for people.
        shape: Of the distribution of the number of tries (truncated negative binomial), as ``gamma``.
        gamma: See ``shape``.
        run_epsilon: What everything before the tries and *one* of them amount to at most, at ``run_delta``.
        run_delta: See ``run_epsilon``.
        near_epsilon: What one try by itself amounts to at most, at ``near_delta``: another point of its privacy curve.
        near_delta: See ``near_epsilon``.
    """

    what: str
    shape: float
    gamma: float
    run_epsilon: float
    run_delta: float
    near_epsilon: float
    near_delta: float

    def __post_init__(self) -> None:
        Repetitions(shape=self.shape, gamma=self.gamma)  # refuses what is none
        _require(0 < self.run_epsilon < math.inf and 0 < self.run_delta < 1)
        _require(0 <= self.near_epsilon < math.inf and 0 < self.near_delta < 1)

    @property
    def mean(self) -> float:
        """Expected number of tries."""
        return Repetitions(shape=self.shape, gamma=self.gamma).mean

    @property
    def epsilon(self) -> float:
        """Of everything up to and with the best try, at ``mean * run_delta``."""
        shift = Repetitions(shape=self.shape, gamma=self.gamma).shift(self.near_epsilon, self.near_delta)
        return self.run_epsilon + shift

    @property
    def mu(self) -> float:
        """What phases that plan in squared Gaussian budget count it as: nothing is left beside it."""
        return math.inf


Event = (
    GaussianEvent
    | PartitionSelectionEvent
    | SubsampledGaussianEvent
    | SelectionEvent
    | LaplaceEvent
    | LocalEvent
    | RepeatedSelectionEvent
)
_TYPES: dict[str, type[Event]] = {
    "gaussian": GaussianEvent,
    "partition_selection": PartitionSelectionEvent,
    "subsampled_gaussian": SubsampledGaussianEvent,
    "selection": SelectionEvent,
    "repeated_selection": RepeatedSelectionEvent,
    "laplace": LaplaceEvent,
    "local": LocalEvent,
}


def event_to_dict(event: Event) -> dict[str, Any]:
    """Plain types, with the mechanism under ``type``."""
    name = next(key for key, cls in _TYPES.items() if type(event) is cls)
    facts = asdict(event)
    if "target" in facts:
        facts["target"] = list(facts["target"])
    return {"type": name, **facts}


def _is_plain(value: Any) -> bool:
    """A text, texts, or a number whose square is one as well."""
    if isinstance(value, tuple):
        return all(isinstance(part, str) for part in value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str) or (number and abs(value) < 1e100 and (value == 0 or abs(value) > 1e-100))


def event_from_dict(facts: dict[str, Any]) -> Event:
    """The inverse of ``event_to_dict``.

    Raises:
        AccountingError: Unknown mechanism or field: it must not count as zero.
    """
    rest = dict(facts)
    cls = _TYPES.get(str(rest.pop("type", None)))
    if cls is None:
        raise AccountingError("the ledger holds an event of an unknown type; use the version of synth that wrote it")
    try:
        if "target" in rest:
            rest["target"] = tuple(rest["target"])
        _require(all(_is_plain(value) for value in rest.values()))
        return cls(**rest)
    except TypeError:
        raise AccountingError("the ledger holds an event with unknown fields; use the version that wrote it") from None
