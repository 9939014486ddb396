"""Typed options of a run: a TOML file, overridden by flags."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from synth.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """Everything ``synth fit`` takes. ``None`` means "not said"; defaults are applied by ``fit``.

    Attributes:
        data: The table.
        schema: Schema file.
        public: Table of public rows of the same columns.
        purpose: Column that the release is for.
        max_columns: How many columns are kept for it.
        protect_groups: Columns whose small groups have tables of their own.
        epsilon: The whole budget.
        delta: See ``synth.api.fit``.
        model: Synthesizer.
        options: Of the synthesizer.
        seed: For initial weights.
        output: Where the model goes.
        ledger: Where charges are recorded.
        noise_key: File with the secret that makes the fit repeatable.
        delimiter: Of a text file.
        encoding: Of a text file.
        quote: Of a text file.
        sql: Query, where ``data`` is the URL of a database.
        sheet: Of a workbook.
    """

    data: str | None = None
    schema: str | None = None
    public: str | None = None
    purpose: str | None = None
    max_columns: int | None = None
    protect_groups: tuple[str, ...] = ()
    epsilon: float | None = None
    delta: float | None = None
    model: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    output: str | None = None
    ledger: str | None = None
    noise_key: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    quote: str | None = None
    sql: str | None = None
    sheet: str | None = None

    def overridden(self, **flags: Any) -> FitConfig:
        """This configuration with every flag that was given put over it; options merge key by key."""
        said = {key: value for key, value in flags.items() if value is not None and key != "options"}
        return replace(self, **said, options={**self.options, **(flags.get("options") or {})})


_TYPES: dict[str, tuple[type, ...]] = {
    "epsilon": (int, float),
    "delta": (int, float),
    "seed": (int,),
    "max_columns": (int,),
    "options": (dict,),
    "protect_groups": (list,),
}


def read_config(path: Path) -> FitConfig:
    """Read a run file: the keys of ``FitConfig``; paths are relative to where the command runs.

    Raises:
        InputError: The file cannot be read, or holds an unknown key or a wrong type.
    """
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the run file {str(path)!r}: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name} is not valid TOML: {error}") from None
    known = [f.name for f in fields(FitConfig)]
    for key, value in facts.items():
        if key not in known:
            raise InputError(f"{path.name}: unknown key {key!r}; known are {', '.join(known)}")
        wanted = _TYPES.get(key, (str,))
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise InputError(f"{path.name}: {key!r} must be {' or '.join(t.__name__ for t in wanted)}")
    if "protect_groups" in facts:
        if not all(isinstance(name, str) for name in facts["protect_groups"]):
            raise InputError(f"{path.name}: 'protect_groups' must be a list of names of columns")
        facts["protect_groups"] = tuple(facts["protect_groups"])
    return FitConfig(**facts)


def config_toml(config: FitConfig) -> str:
    """A run file with everything that is said: the inverse of ``read_config``."""
    said = {f.name: value for f in fields(config) if (value := getattr(config, f.name)) not in (None, {}, ())}
    lines = [f"{name} = {_toml(value)}" for name, value in said.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if value is None or isinstance(value, bool):
        return '"none"' if value is None else str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def parse_assignments(assignments: Sequence[str], option: str = "--set") -> dict[str, str]:
    """``["steps=200"]`` to ``{"steps": "200"}``; ``option`` is for the errors.

    Raises:
        InputError: Not ``key=value``, or a key given twice.
    """
    parsed: dict[str, str] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"{option} takes key=value, not {text!r}")
        if key.strip() in parsed:
            raise InputError(f"{option} gives {key.strip()!r} twice")
        parsed[key.strip()] = value.strip()
    return parsed
