"""What a synthesizer is: a frozen dataclass of options with ``fit`` and ``sample``, and no state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synth.errors import InputError
from synth.privacy.vault import PrivateTable
from synth.progress import Progress, Silent
from synth.table import Domain, EncodedTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Public circumstances of a fit.

    Attributes:
        seed: For initial weights and data-free draws; never for noise or selection.
        progress: Told about phases and steps.
    """

    seed: int = 0
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What sampling needs; public once fitting is over.

    Attributes:
        tensors: Arrays by name.
        facts: Small JSON values (sizes of layers and the like).
    """

    tensors: dict[str, npt.NDArray[Any]]
    facts: dict[str, Any]


def read_facts(facts: Any) -> dict[str, Any]:
    """Facts from a file; their notes are shown to whoever inspects it, so they must be texts.

    Raises:
        ValueError: They are not.
    """
    notes = facts.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise ValueError("notes")
    return dict(facts)


def require_within(options: Any, limits: dict[str, tuple[float, float]]) -> None:
    """Check numeric options, before any row is read.

    Args:
        options: A synthesizer; ``None`` values are left to its defaults.
        limits: Smallest and largest value by option, both allowed.

    Raises:
        InputError: An option is outside, or not a number.
    """
    for name, (low, high) in limits.items():
        value = getattr(options, name)
        if value is not None and not low <= value <= high:
            raise InputError(f"option {name!r} must lie between {low:g} and {high:g}, not {value}")


Draw = Callable[[int, np.random.Generator], EncodedTable]


class Synthesizer(Protocol):
    """The contract. Fields of the dataclass are the options."""

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """Learn from ``data``, spending at most what its ledger grants.

        Raises:
            RefusedError: The budget does not carry this model.
        """

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw ``n_rows`` rows of ``domain``; a function of ``fitted`` and ``rng`` alone."""


def sampler_of(model: Synthesizer, fitted: Fitted, domain: Domain) -> Draw:
    """``sample`` for many blocks of rows: what does not depend on the block is done once where the model has a ``sampler``."""
    prepare: Callable[[Fitted, Domain], Draw] | None = getattr(model, "sampler", None)
    return partial(model.sample, fitted, domain) if prepare is None else prepare(fitted, domain)
