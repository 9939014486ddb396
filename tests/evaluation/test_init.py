import subprocess
import sys
from pathlib import Path

import pytest

import evaluation

ROOT = Path(__file__).resolve().parents[2]


def test_public_names():
    from evaluation.pipeline import evaluate
    from evaluation.report import Report

    assert evaluation.evaluate is evaluate
    assert evaluation.Report is Report
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        evaluation.nope  # noqa: B018


def test_planning_a_benchmark_loads_no_model():
    script = "import sys, evaluation.bench.plan; print([m for m in ('torch', 'sklearn', 'sdmetrics') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
