"""``--engine ray`` on a real cluster of several processes, which the command starts on this machine."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pandas as pd
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]


@pytest.fixture
def child(child_environment):
    """``synth`` as a process of its own, with time for a cluster to start on a busy machine."""
    plain = {name: value for name, value in child_environment.items() if name != "RAY_ADDRESS"}

    def call(*arguments):
        words = [sys.executable, "-m", "synth", *map(str, arguments)]
        return subprocess.run(words, env=plain, capture_output=True, text=True, timeout=600)

    return call


def test_a_cluster_makes_one_release_and_its_rows(child, tmp_path, data, schema):
    made = tmp_path / "m.synth"
    fitted = child("fit", data, "-s", schema, "-e", 2, "-m", "hybrid", "--set", "steps=5", "-o", made, "-q",
                   "--engine", "ray", "--workers", 2)  # fmt: skip
    assert fitted.returncode == 0, fitted.stderr
    assert fitted.stdout.count("next: synth sample") == 1
    ledger = made.with_name(made.name + ".ledger.jsonl")
    records = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    kinds = [record["record"] for record in records]
    assert (kinds.count("run"), kinds[-1], records[-1]["outcome"]) == (1, "end", "done")
    drawn = child("sample", made, "-n", 5000, "--seed", 3, "-o", tmp_path / "one.parquet", "-q")
    assert "5,000 rows" in drawn.stdout, drawn.stderr
    drawn = child("sample", made, "-n", 5000, "--seed", 3, "-o", tmp_path / "many", "-q", "--engine", "ray")
    assert "5,000 rows in 1 files" in drawn.stdout, drawn.stderr
    one, many = (pd.read_parquet(tmp_path / name) for name in ("one.parquet", "many"))
    pd.testing.assert_frame_equal(one, many, check_dtype=False, check_categorical=False)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_what_a_worker_refuses_is_one_sentence(child, tmp_path, schema):
    done = child("fit", tmp_path / "nothing.csv", "-s", schema, "-e", 2, "-o", tmp_path / "m.synth", "-q",
                 "--engine", "ray", "--workers", 2)  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "nothing.csv" in done.stderr
    assert not (tmp_path / "m.synth").exists()


def records(made):
    path = made.with_name(made.name + ".ledger.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_a_killed_worker_ends_the_run_its_charges_stand_and_it_goes_on(child, child_environment, tmp_path, data, schema):
    made = tmp_path / "m.synth"
    words = ["fit", str(data), "-s", str(schema), "-e", "2", "-m", "hybrid", "--set", "steps=400", "-o", str(made), "-q",
             "--engine", "ray", "--workers", "2"]  # fmt: skip
    plain = {name: value for name, value in child_environment.items() if name != "RAY_ADDRESS"} | {"SYNTH_MARK": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "synth", *words], env=plain, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        deadline = time.monotonic() + 400
        while not any(record["record"] == "steps" for record in records(made)):
            assert run.poll() is None, run.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(max(_workers(tmp_path)), signal.SIGKILL)  # whichever it is; the one that leads dies without a last line
        _, err = run.communicate(timeout=200)
    assert run.returncode not in (0, None)
    assert err.startswith("error: ")
    assert (err.count("\n"), "gone" in err) == (1, True)
    assert not made.exists()
    before = records(made)
    assert before[-1]["record"] == "steps" or before[-1]["outcome"] == "failed"
    counted = [record["drawn"] for record in before if record["record"] == "steps"][-1]
    done = child(*words, "--resume")
    assert done.returncode == 0, done.stderr
    after = records(made)[len(before) :]
    assert {record["record"] for record in after} == {"resumed", "steps", "end"}  # nothing was charged again
    drawn = [record["drawn"] for record in after if record["record"] == "steps"]
    assert counted <= drawn[0] <= drawn[-1] == 400
    assert made.exists()
    assert not made.with_name("m.synth.checkpoint").exists()


def _workers(mark):
    """The processes of this run's cluster that train."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            with open(f"/proc/{name}/environ", "rb") as file:
                mine = f"\0SYNTH_MARK={mark}\0".encode() in b"\0" + file.read() + b"\0"
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if mine and file.read().startswith(b"ray::RayTrainWorker"):
                    found.append(int(name))
    assert len(found) == 2
    return found
