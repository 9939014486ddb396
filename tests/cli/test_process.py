"""The command as a process of its own: start-up, pipes, signals."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

HEAVY = ("torch", "sdmetrics", "pandas", "sklearn", "opacus", "pyarrow", "dp_accounting", "scipy", "plotly")


def loaded(code, environment):
    """Heavy modules that a piece of code imports."""
    text = f"import sys\n{code}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=environment, timeout=60, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    [
        "import synth",
        "import synth; synth.Schema, synth.Column, synth.InputError",
        "from synth.cli.main import run; run(['--help'])",
        "from synth.cli.main import run; run(['fit', '--help'])",
    ],
)
def test_start_up_is_light(child_environment, code):
    assert loaded(code, child_environment) == "[]"


def test_sampling_an_independent_model_needs_no_sdmetrics(child_environment, model, tmp_path):
    code = (
        f"from synth.cli.main import run; run(['sample', {str(model)!r}, '-n', '5', '-o', {str(tmp_path / 's.csv')!r}, '-q'])"
    )
    found = loaded(code, child_environment)
    assert "sdmetrics" not in found
    assert "sklearn" not in found


def test_module_and_version(child):
    result = child("--version")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("synth ")


def test_fit_and_sample_in_processes(child, tmp_path, data, schema):
    made = tmp_path / "m.synth"
    result = child("fit", data, "-s", schema, "-e", "2", "-m", "independent", "-o", made)
    assert result.code == 0, result.err
    result.tells_nothing()
    assert child("sample", made, "-n", 7, "-o", "s.csv", "--seed", 1, "--json", cwd=tmp_path).code == 0
    assert len(pd.read_csv(tmp_path / "s.csv")) == 7
    child("fit", tmp_path / "none.csv", "-e", "1").failed(2, "no file")


def test_a_closed_pipe_is_no_error(child_environment, model):
    """As in ``synth inspect model.synth | head -1``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "synth", "inspect", str(model), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment,
    )  # fmt: skip
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 0
    assert "Traceback" not in err
    assert "Exception" not in err


def heed():
    """Signals as in a terminal: a job in the background of a shell inherits that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(arguments, environment, phase, number, delay=0.0):
    """Start a command, send a signal once it says that it is in ``phase``; its exit code, stdout and stderr."""
    process = subprocess.Popen(
        [sys.executable, "-m", "synth", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        preexec_fn=heed,
    )  # fmt: skip
    lines = []
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    for line in process.stderr:
        lines.append(line)
        if re.search(rf"(?<!-){phase}", line):  # "training" is not "pre-training"
            time.sleep(delay)
            process.send_signal(number)
            break
    lines += list(process.stderr)
    out = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    code = process.wait(60)
    watchdog.cancel()
    return code, out, "".join(lines)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A table that takes a second or so to read and prepare."""
    n = 60_000
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("large") / "large.csv"
    numbers = np.round(rng.normal(size=(n, 6)), 5)
    pd.DataFrame(numbers, columns=list("abcdef")).assign(word=rng.choice(["x", "y"], n)).to_csv(path, index=False)
    return path


STOPS = [
    ("independent", "reading", signal.SIGINT),
    ("independent", "learning kinds", signal.SIGINT),
    ("independent", "learning bins", signal.SIGTERM),
    ("independent", "encoding", signal.SIGINT),
    ("dpvae", "calibrating noise", signal.SIGINT),
    ("dpvae", "training", signal.SIGINT),
    ("dpgan", "training", signal.SIGTERM),
]


@pytest.mark.parametrize(("name", "phase", "number"), STOPS, ids=[f"{m}-{p}-{s.name}" for m, p, s in STOPS])
def test_interrupted_fits(child_environment, ledger_records, tmp_path, large, data, schema, name, phase, number):
    """Exit code 4, one sentence, nothing half-written but what goes on with it; what was charged is on record."""
    made = tmp_path / "m.synth"
    table = (large,) if name == "independent" else (data, "-s", schema, "--set", "steps=400", "--set", "warm_start=false")
    arguments = ("fit", *table, "-e", "2", "-m", name, "-o", made)
    code, out, err = interrupt(arguments, child_environment, phase, number)
    assert code == 4, err
    assert out == ""
    assert "Traceback" not in err
    assert sum(line.startswith("error:") for line in err.splitlines()) == 1
    assert "interrupted" in err
    book = tmp_path / "m.synth.ledger.jsonl"
    assert set(os.listdir(tmp_path)) <= {book.name, "m.synth.checkpoint"}
    if phase == "reading":
        return  # no run was opened yet
    records = ledger_records(book)
    assert records[-1] == {**records[-1], "record": "end", "outcome": "interrupted"}
    charged = [r for r in records if r["record"] == "event"]
    assert bool(charged) == (phase != "counting rows")
    assert any(r["type"] == "subsampled_gaussian" for r in charged) == (phase == "training")


def test_interrupted_samples_leave_nothing(child_environment, tmp_path, model):
    arguments = ("sample", model, "-n", 50_000_000, "-o", tmp_path / "s.csv")
    code, _, err = interrupt(arguments, child_environment, "sampling", signal.SIGINT, delay=1.0)
    assert code == 4, err
    assert "interrupted" in err
    assert os.listdir(tmp_path) == []


def test_interrupted_as_json(child_environment, tmp_path, model):
    arguments = ("sample", model, "-n", 50_000_000, "-o", tmp_path / "s.parquet", "--json")
    code, out, err = interrupt(arguments, child_environment, "sampling", signal.SIGTERM, delay=1.0)
    assert (code, out) == (4, "")
    assert json.loads(err.splitlines()[-1])["exit_code"] == 4
    assert os.listdir(tmp_path) == []
