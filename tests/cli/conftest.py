"""The command as people run it: in this process for speed, as a process of its own where that matters."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
CANARY = "CANARY7c1"
CANARIES = (CANARY, "918273.645", "9.18273645", "918273645")


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def failed(self, code, *words):
        """It ended with ``code`` and one sentence that holds ``words``, and told no value."""
        assert self.code == code, self.out + self.err
        lines = [line for line in self.err.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, self.err
        assert self.err.rstrip().endswith(lines[0])
        assert self.out == ""
        for word in words:
            assert word in lines[0]
        self.tells_nothing()
        return lines[0]

    def worked(self):
        """It ended well, and told no value."""
        assert self.code == 0, self.out + self.err
        self.tells_nothing()
        return self

    def tells_nothing(self):
        """No value of the table, no traceback."""
        text = self.out + self.err
        assert "Traceback" not in text
        assert "internal error" not in text
        assert not [c for c in CANARIES if c in text]


def tells_nothing(path):
    """No value of the table in a file."""
    content = Path(path).read_bytes()
    assert not [c for c in CANARIES if c.encode() in content]


@pytest.fixture(scope="session")
def check_file():
    return tells_nothing


@pytest.fixture
def synth(capsys, monkeypatch):
    """``synth("fit", path, ...)`` in this process."""
    from synth.cli.main import run

    monkeypatch.delenv("SYNTH_DEBUG", raising=False)

    def call(*arguments):
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def child_environment():
    """Variables for a process that imports the checkout."""
    kept = {k: v for k, v in os.environ.items() if k != "SYNTH_DEBUG"}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@pytest.fixture(scope="session")
def child(child_environment):
    """``child("--version")`` as ``python -m synth --version``."""

    def call(*arguments, cwd=None):
        done = subprocess.run(
            [sys.executable, "-m", "synth", *map(str, arguments)],
            capture_output=True, text=True, env=child_environment, timeout=120, check=False, cwd=cwd,
        )  # fmt: skip
        return Result(done.returncode, done.stdout, done.stderr)

    return call


def simulate(n=3000, seed=0):
    """Mixed kinds, one canary row."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(0, 90, n).astype(str),
            "town": rng.choice(["Ulm", "Aix", "Bern"], n, p=[0.5, 0.3, 0.2]),
            "pay": np.round(rng.lognormal(3, 1, n), 2).astype(str),
            "member": rng.choice(["true", "false"], n),
            "day": (np.datetime64("2020-01-01") + rng.integers(0, 700, n)).astype(str),
        }
    ).astype(object)
    frame.loc[5, ["age", "town", "pay"]] = ["918273645", CANARY, "918273.645"]
    frame.loc[rng.random(n) < 0.05, "town"] = ""
    return frame


@pytest.fixture(scope="session")
def frame():
    return simulate()


SCHEMA = """\
name = "people"
target = "member"
public_rows = 3000

[[columns]]
name = "age"
kind = "integer"
bounds = [0, 120]

[[columns]]
name = "town"
kind = "category"
categories = ["Aix", "Bern", "Ulm"]
outside = "null"

[[columns]]
name = "pay"
kind = "decimal"
precision = 2
bounds = [0, 1000]

[[columns]]
name = "member"
kind = "boolean"
nullable = false

[[columns]]
name = "day"
kind = "datetime"
format = "%Y-%m-%d"
bounds = ["2020-01-01", "2021-12-31"]
"""


@pytest.fixture(scope="session")
def schema_text():
    return SCHEMA


@pytest.fixture(scope="session")
def folder(tmp_path_factory, frame):
    """Where ``people.csv`` and ``schema.toml`` are."""
    place = tmp_path_factory.mktemp("with a space")
    frame.to_csv(place / "people.csv", index=False)
    (place / "schema.toml").write_text(SCHEMA)
    return place


@pytest.fixture(scope="session")
def data(folder):
    return folder / "people.csv"


@pytest.fixture(scope="session")
def schema(folder):
    return folder / "schema.toml"


@pytest.fixture(scope="session")
def model(folder, data, schema):
    """An independent model of ``data``."""
    from synth.api import fit

    return fit(data, epsilon=2.0, schema=schema, model="independent", seed=1).save(folder / "shared.synth")


@pytest.fixture(scope="session")
def ledger_records():
    """Records of a ledger file, in order."""
    return lambda path: [json.loads(line) for line in Path(path).read_text().splitlines()]
