"""``torchrun -m synth fit``: one run, one release, one ledger; and what is left when a process dies."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

pytestmark = pytest.mark.slow


def torchrun(data, schema, made, environment, size, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={size}", "--rdzv-backend=c10d",
         "--rdzv-endpoint=localhost:0", "-m", "synth", "fit", str(data), "-s", str(schema), "-e", "2", "-o", str(made),
         *options],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def records(made):
    path = made.with_name(made.name + ".ledger.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_workers_make_one_release(child_environment, child, tmp_path, data, schema):
    made = tmp_path / "m.synth"
    run = torchrun(data, schema, made, child_environment, 3, "-m", "hybrid", "--set", "steps=5")
    out, err = run.communicate(timeout=280)
    assert run.returncode == 0, err
    assert out.count("next: synth sample") == 1
    kinds = [record["record"] for record in records(made)]
    assert (kinds.count("run"), kinds[-1]) == (1, "end")
    assert records(made)[-1]["outcome"] == "done"
    assert child("sample", made, "-n", 50, "-o", "s.csv", cwd=tmp_path).code == 0
    drawn, real = pd.read_csv(tmp_path / "s.csv"), pd.read_csv(data)
    assert list(drawn.columns) == list(real.columns)


def test_a_killed_worker_ends_the_run_and_its_charges_stand(child_environment, tmp_path, data, schema):
    made = tmp_path / "m.synth"
    run = torchrun(data, schema, made, child_environment, 2, "-m", "hybrid", "--set", "steps=100000")
    deadline = time.monotonic() + 200
    while not any("noise_multiplier" in record for record in records(made)):
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.kill(_follower(run.pid), signal.SIGKILL)
    _, err = run.communicate(timeout=100)
    assert run.returncode != 0
    assert "error: another worker of this run is gone" in err or "interrupted" in err
    assert "/synth/" not in err  # tracebacks are torchrun's own
    assert not made.exists()
    assert [record["record"] for record in records(made)][-1] == "end"
    assert records(made)[-1]["outcome"] in ("failed", "interrupted")


def _follower(parent):
    """The process of rank 1 below torchrun."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii") as file:
                mine = int(file.read().rpartition(")")[2].split()[1]) == parent
            with open(f"/proc/{name}/environ", "rb") as file:
                if mine and b"\0RANK=1\0" in b"\0" + file.read():
                    return int(name)
        except OSError:
            continue
    raise AssertionError("there is no second worker")
