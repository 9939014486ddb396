"""What one run of the grid is: data set, model with its options, budget, seed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluation.bench.peering import PEERS
from synth.errors import InputError
from synth.registry import SYNTHESIZERS, make_synthesizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of the grid.

    Attributes:
        dataset: Name of a data set; its schema is the only public knowledge.
        model: Synthesizer, or a peer.
        options: Of the model, where they differ from its defaults.
        epsilon: Whole budget.
        delta: Whole delta.
        seed: Of initial weights and sampling (noise cannot be seeded).
    """

    dataset: str
    model: str
    options: dict[str, Any] = field(default_factory=dict)
    epsilon: float
    delta: float
    seed: int


Variant = tuple[str, dict[str, Any]]


def key(record: dict[str, Any]) -> tuple[str, str, str, float, float, int]:
    """What tells a run from all others; records from before there were options have none."""
    options = json.dumps(record.get("options", {}), sort_keys=True)
    return (record["dataset"], record["model"], options, record["epsilon"], record["delta"], record["seed"])


def label(model: str, options: dict[str, Any]) -> str:
    """``model[option=value,...]``."""
    said = ",".join(f"{name}={value}" for name, value in sorted(options.items()))
    return f"{model}[{said}]" if said else model


def label_of(record: dict[str, Any]) -> str:
    """The label of a record."""
    return str(record.get("variant") or label(record["model"], record.get("options", {})))


def parse_variant(text: str) -> Variant:
    """``dpvae.latent=8,steps=100`` to a model and its options, checked and typed like ``synth fit --set``.

    Raises:
        InputError: Not of that form, or no such model, option or value.
    """
    model, dot, rest = text.partition(".")
    options: dict[str, Any] = {}
    for part in rest.split(","):
        name, equals, value = part.partition("=")
        if not dot or not equals or not name.strip():
            raise InputError(f"--set takes model.option=value, more options after commas, not {text!r}")
        if name.strip() in options:
            raise InputError(f"--set gives {name.strip()!r} twice in {text!r}")
        options[name.strip()] = value.strip()
    check_model(model)
    if model in PEERS:
        return model, {name: _plain(value) for name, value in options.items()}
    made = make_synthesizer(model, options)
    return model, {name: getattr(made, name) for name in options}


def _plain(text: str) -> Any:
    """A number or truth value where the text is one; a peer's options have no declared types."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def check_model(name: str) -> None:
    """Refuse a name that is neither a synthesizer nor a peer.

    Raises:
        InputError: No such model.
    """
    if name not in SYNTHESIZERS and name not in PEERS:
        known = f"{', '.join(SYNTHESIZERS)}; peers are {', '.join(PEERS)}"
        raise InputError(f"there is no model {name!r}; choose from {known}")


def variants(models: Iterable[str], assignments: Sequence[str], *, peers: bool) -> list[Variant]:
    """The models of a grid: those named with their defaults, one more per ``--set``, and all peers if asked for.

    Raises:
        InputError: No such model or option.
    """
    found: list[Variant] = []
    for model in models:
        check_model(model)
        found.append((model, {}))
    found += [parse_variant(text) for text in assignments]
    if peers:
        found += [(name, {}) for name in PEERS]
    return [one for i, one in enumerate(found) if one not in found[:i]]
