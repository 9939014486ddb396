"""The synthesizers by name. A new one is one file and one line here."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import typing
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from synth.errors import InputError

if TYPE_CHECKING:
    from synth.models.base import Synthesizer

SYNTHESIZERS = MappingProxyType(
    {
        "hybrid": "synth.models.hybrid:Hybrid",
        "marginal": "synth.models.marginal:Marginal",
        "pate": "synth.models.pate:Pate",
        "dpvae": "synth.models.dpvae:DPVAE",
        "dpgan": "synth.models.dpgan:DPGAN",
        "independent": "synth.models.independent:Independent",
        "perturbed": "synth.models.perturbed:Perturbed",
        "aim": "synth.models.aim:AIM",
        "mst": "synth.models.mst:MST",
    }
)
NEEDS = MappingProxyType({"aim": "mbi", "mst": "mbi"})  # module that fitting needs; the extra has the same name
ONE_TARGET = frozenset({"perturbed"})  # models that need a target, and all rows in one process
DEFAULT = "hybrid"
PROTECTED = "protect_groups"  # option with the columns whose small groups are protected


def synthesizer_class(name: str) -> type[Any]:
    """The dataclass behind a name.

    Raises:
        InputError: No such synthesizer.
    """
    if name not in SYNTHESIZERS:
        raise InputError(f"there is no model {name!r}; choose one of {', '.join(SYNTHESIZERS)}")
    module, _, attribute = SYNTHESIZERS[name].partition(":")
    return cast("type[Any]", getattr(importlib.import_module(module), attribute))


def require_installed(name: str) -> None:
    """Check that what fitting a model needs is there; sampling needs nothing more.

    Raises:
        InputError: An extra is not installed.
    """
    module = NEEDS.get(name)
    if module is not None and importlib.util.find_spec(module) is None:
        raise InputError(f'model {name!r} needs a further package; install it with: pip install "synth-dp[{module}]"')


def check_circumstances(name: str, *, target: str | None, several: bool) -> None:
    """Refuse, before a row is read, a model that cannot be fitted as things are.

    Raises:
        InputError: It needs a target, or cannot be fitted in several processes.
    """
    if name in ONE_TARGET and target is None:
        raise InputError(f'model {name!r} learns the conditional of a target; name it in the schema (target = "...")')
    if name in ONE_TARGET and several:
        raise InputError(f"model {name!r} minimises over all rows at once; fit it in one process")


def make_synthesizer(name: str, options: dict[str, Any] | None = None) -> Synthesizer:
    """A synthesizer with options checked against its fields.

    Args:
        name: Key of ``SYNTHESIZERS``.
        options: Field values; texts (from ``--set``) are parsed to the field's type.

    Raises:
        InputError: No such synthesizer or option, or a value of the wrong type.
    """
    cls = synthesizer_class(name)
    fields = [f.name for f in dataclasses.fields(cls)]
    hints = typing.get_type_hints(cls)
    parsed = {}
    for key, value in (options or {}).items():
        if key not in fields:
            known = ", ".join(sorted(fields)) or "none"
            raise InputError(f"model {name!r} has no option {key!r}; its options are: {known}")
        parsed[key] = _parse(value, hints[key], f"option {key!r} of model {name!r}")
    return cast("Synthesizer", cls(**parsed))


def changed_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not the model's defaults."""
    preset = dataclasses.asdict(cast("Any", make_synthesizer(name)))
    return {key: value for key, value in options.items() if value != preset.get(key)}


def protecting(model: str, options: dict[str, Any] | None, columns: Sequence[str]) -> dict[str, Any]:
    """Options with columns whose small groups are protected, if any.

    Raises:
        InputError: The model does not know how.
    """
    given = dict(options or {})
    if isinstance(columns, str):
        columns = [columns]
    if columns:
        if PROTECTED not in {f.name for f in dataclasses.fields(synthesizer_class(model))}:
            raise InputError(f"model {model!r} does not protect small groups; hybrid and marginal do")
        if PROTECTED in given:
            raise InputError(f"{PROTECTED} is given twice")
        given[PROTECTED] = tuple(columns)
    return given


def _parse(value: Any, hint: Any, where: str) -> Any:
    if typing.get_origin(hint) is tuple:
        return _texts(value, where)
    kinds = typing.get_args(hint) or (hint,)
    kind = next(k for k in kinds if k is not type(None))
    if value is None or (isinstance(value, str) and value.lower() in ("none", "auto")):
        if type(None) in kinds:
            return None
        raise InputError(f"{where} needs a value")
    try:
        if kind is bool:
            return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
        if isinstance(value, bool):
            raise ValueError
        if kind is int:
            if float(value) != int(float(value)):
                raise ValueError
            return int(float(value))
        return kind(value)
    except (ValueError, KeyError, TypeError, OverflowError):
        raise InputError(f"{where} must be of type {kind.__name__}, not {value!r}") from None


def _texts(value: Any, where: str) -> tuple[str, ...]:
    """Names from a list or a text with commas, each once."""
    names = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    listed = isinstance(names, list | tuple) and all(isinstance(name, str) and name for name in names)
    if not listed or len(set(names)) < len(names):
        raise InputError(f"{where} must be names with commas between them, each once, not {value!r}")
    return tuple(names)
