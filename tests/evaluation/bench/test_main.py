import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_module_is_the_command():
    arguments = [sys.executable, "-m", "evaluation.bench", "--datasets", "nope"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no data set 'nope'")
    assert done.stderr.count("\n") == 1
