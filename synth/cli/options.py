"""Options that several commands have: what a release is for, and whom it protects."""

from __future__ import annotations

from typing import Annotated

import typer

Aim = Annotated[str | None, typer.Option("--purpose", help="Column that the release is for (default: the schema's target).")]
MaxColumns = Annotated[
    int | None, typer.Option("--max-columns", help="Keep so many columns, those that tell most about --purpose: paid for.")
]
ProtectGroups = Annotated[
    str | None, typer.Option("--protect-groups", help="Columns whose small groups get tables of their own: race,sex.")
]


def names_of(text: str | None) -> tuple[str, ...]:
    """Names with commas between them."""
    return () if text is None else tuple(name.strip() for name in text.split(","))
