"""Differentially private synthetic tables: learn once under one (epsilon, delta), then sample and publish freely.

>>> import synth  # doctest: +SKIP
>>> release = synth.fit("patients.csv", epsilon=1.0, schema="schema.toml")  # doctest: +SKIP
>>> release.sample(1000).to_csv("synthetic.csv", index=False)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from synth.version import __version__

if TYPE_CHECKING:
    from synth.api import fit, read_schema
    from synth.errors import InputError, RefusedError, SynthError
    from synth.release import Release, load
    from synth.schema import Column, Kind, Outside, Schema

__all__ = [
    "Column",
    "InputError",
    "Kind",
    "Outside",
    "RefusedError",
    "Release",
    "Schema",
    "SynthError",
    "__version__",
    "fit",
    "load",
    "read_schema",
]

_HOMES = {
    "fit": "synth.api",
    "read_schema": "synth.api",
    "load": "synth.release",
    "Release": "synth.release",
    "Column": "synth.schema",
    "Kind": "synth.schema",
    "Outside": "synth.schema",
    "Schema": "synth.schema",
    "InputError": "synth.errors",
    "RefusedError": "synth.errors",
    "SynthError": "synth.errors",
}


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that ``import synth`` stays quick."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'synth' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
