"""What a synthetic table is worth and what it leaks, measured on real rows.

Everything here reads real rows by nature: results are private, are not covered by any epsilon, and never flow back
into a fit.
"""

from __future__ import annotations

from evaluation.pipeline import evaluate
from evaluation.report import Report
from evaluation.scores import Score

__all__ = ["Report", "Score", "evaluate"]
