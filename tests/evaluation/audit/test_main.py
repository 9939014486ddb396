import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_command_writes_the_tables(tmp_path):
    (tmp_path / "S.md").write_text("<!-- mutations -->\n<!-- end mutations -->\n<!-- audit -->\n<!-- end audit -->\n")
    (tmp_path / "m.md").write_text("| bug |\n")
    (tmp_path / "a.json").write_text(
        '{"synth": "0.1.0", "created": "2026-11-22", "seconds": 60, "headline": "none", "findings": []}'
    )
    command = [sys.executable, "-m", "evaluation.audit", *(str(tmp_path / n) for n in ("S.md", "m.md", "a.json"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| bug |" in (tmp_path / "S.md").read_text()
