"""The evidence tables of SECURITY.md, made from what a run recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synth.errors import InputError

NAMES = ("mutations", "audit")


def audit_table(facts: dict[str, Any]) -> str:
    """Findings of a full audit as Markdown.

    Args:
        facts: ``AuditResult.to_json()``.
    """
    head = (
        f"Full audit of synth {facts['synth']}, {facts['created']}, {facts['seconds'] / 60:.0f} minutes on one core: "
        f"**{facts['headline']}**.",
        "",
        "| check | claimed epsilon | at least | one run | plain | canaries | verdict |",
        "|---|---|---|---|---|---|---|",
    )
    rows = []
    for f in facts["findings"]:
        figures = [_cell(f[key]) for key in ("epsilon", "at_least", "at_least_one_run", "at_least_plain")]
        verdict = "CONTRADICTED" if f["contradicted"] else "not contradicted"
        rows.append(f"| {f['check']} | {' | '.join(figures)} | {f['canaries'] or ''} | {verdict} |")
    return "\n".join([*head, *rows])


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def spliced(text: str, name: str, table: str) -> str:
    """``text`` with what stands between the markers of ``name`` replaced.

    Raises:
        InputError: The markers are not there.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
    if start not in text or end not in text:
        raise InputError(f"the document lacks the marks <!-- {name} --> and <!-- end {name} -->")
    before, _, rest = text.partition(start)
    return before + start + "\n" + table.strip() + "\n\n" + end + rest.partition(end)[2]


def write_evidence(document: Path, mutations: Path, audit: Path) -> None:
    """Put both tables into a document.

    Args:
        document: With marks for ``NAMES``.
        mutations: Markdown table that the run of planted bugs wrote.
        audit: JSON of a full audit.

    Raises:
        InputError: A file cannot be read, or is not what it should be.
    """
    try:
        tables = mutations.read_text(encoding="utf-8"), audit_table(json.loads(audit.read_text(encoding="utf-8")))
        text = document.read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the evidence cannot be read ({type(error).__name__}); run: make evidence") from None
    for name, table in zip(NAMES, tables, strict=True):
        text = spliced(text, name, table)
    document.write_text(text, encoding="utf-8")
