"""Examples and the README's Python run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
README = ROOT / "README.md"
NEEDS = {"fit_and_sample.py": "statsmodels"}


def run(program, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", *program],
        cwd=folder, capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_examples_run(path, tmp_path):
    if path.name in NEEDS:
        pytest.importorskip(NEEDS[path.name])
    assert "epsilon" in run([str(path)], tmp_path)
    assert list(tmp_path.iterdir()) == []


def blocks():
    text = README.read_text(encoding="utf-8") if README.is_file() else ""
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


@pytest.mark.parametrize("number", range(len(blocks())))
def test_readme_python_compiles(number):
    compile(blocks()[number], f"README block {number}", "exec")


PATIENTS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("own_table", {path!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from synth.schema_toml import schema_to_toml
module.simulate(rows=4000).to_csv("patients.csv", index=False)
open("schema.toml", "w").write(schema_to_toml(module.SCHEMA))
import pandas as pd
df = pd.read_csv("patients.csv")
"""


@pytest.mark.slow
def test_readme_python_runs(tmp_path):
    """Block after block in one program, beside a table of patients and its schema."""
    if not blocks():
        pytest.skip("the README has no Python")
    start = PATIENTS.format(path=str(ROOT / "examples" / "own_table.py"))
    (tmp_path / "readme.py").write_text(start + "\n".join(blocks()))
    run([str(tmp_path / "readme.py")], tmp_path)
