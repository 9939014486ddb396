"""The last audit of a release, which lies in a file beside it: the release itself is never changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

SUFFIX = ".audit.json"


def audit_path(model: Path) -> Path:
    """Where the audit of a model lies."""
    return model.with_name(model.name + SUFFIX)


def audit_lines(model: Path) -> list[tuple[str, str]]:
    """What the release card says of the last audit, as (what, value).

    Args:
        model: The release; only an audit of this very file counts.

    Returns:
        Lines for people; also where there is no audit, or a file that cannot be read as one.
    """
    path = audit_path(model)
    if not path.is_file():
        return [("audit", "none beside this file; run: synth audit")]
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["format"] != "synth-audit":
            raise ValueError
        texts = {key: str(facts[key]) for key in ("headline", "measured", "created", "synth", "model_sha256")}
        if not all(text.isprintable() for text in texts.values()):
            raise ValueError
        checks = len(facts["findings"])
    except (OSError, ValueError, KeyError, TypeError):
        return [("audit", f"{path.name} is not an audit that this version reads; move it away and run: synth audit")]
    if texts["model_sha256"] != hashlib.sha256(model.read_bytes()).hexdigest():
        return [("audit", f"{path.name} is of another file; run: synth audit")]
    return [
        ("outcome", texts["headline"]),
        ("measured", texts["measured"]),
        ("when", f"{texts['created']}, synth {texts['synth']}, {checks} checks"),
        ("meaning", "an attack that fails proves nothing; one that succeeds refutes the promise"),
    ]
