"""What a synthetic table is worth and what it leaks, measured on real rows.

Everything here reads real rows by nature: results are private, are not covered by any epsilon, and never flow back
into a fit.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.pipeline import evaluate
    from evaluation.report import Report
    from evaluation.scores import Score

__all__ = ["Report", "Score", "evaluate"]

_HOMES = {"Report": "evaluation.report", "Score": "evaluation.scores", "evaluate": "evaluation.pipeline"}


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that a part of the package does not wait for all of it."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'evaluation' has no attribute {name!r}")
