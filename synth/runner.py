"""A typed configuration to a fit: the one place where flag names meet ``fit``'s arguments."""

from __future__ import annotations

from pathlib import Path

from synth.api import fit
from synth.config import FitConfig
from synth.errors import InputError
from synth.progress import Progress
from synth.registry import DEFAULT
from synth.release import Release


def checkpoint_of(target: Path) -> Path:
    """Where the fit of a model keeps what it was answered, until the model is saved."""
    return target.with_name(target.name + ".checkpoint")


def fit_config(
    config: FitConfig, ledger: Path, progress: Progress, *, checkpoint: Path | None = None, resume: bool = False
) -> Release:
    """Run ``fit`` with a configuration.

    Raises:
        InputError: No table or no epsilon; see also ``synth.api.fit``.
    """
    if config.data is None or config.epsilon is None:
        raise InputError("a run needs a table and an epsilon")
    return fit(
        config.data,
        epsilon=config.epsilon,
        delta=config.delta,
        schema=config.schema,
        model=config.model or DEFAULT,
        options=config.options,
        seed=config.seed,
        public=config.public,
        purpose=config.purpose,
        max_columns=config.max_columns,
        protect_groups=config.protect_groups,
        ledger=ledger,
        noise_key=config.noise_key,
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
        delimiter=config.delimiter,
        encoding=config.encoding or "utf-8",
        quote=config.quote,
        sql=config.sql,
        sheet=config.sheet,
    )
