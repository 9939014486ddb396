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


def test_rows_of_persons_are_shared_out_by_person(child_environment, child, tmp_path, data, schema_text):
    persons = tmp_path / "persons.toml"
    persons.write_text(
        'entity = "age"\nmax_rows_per_entity = 5\n' + schema_text.replace("public_rows = 3000", "public_entities = 90")
    )
    made = tmp_path / "m.synth"
    run = torchrun(data, persons, made, child_environment, 2, "-m", "independent")
    _, err = run.communicate(timeout=280)
    assert run.returncode == 0, err
    done = child("sample", made, "--entities", 20, "-o", "s.csv", cwd=tmp_path)
    assert done.code == 0, done.err
    assert pd.read_csv(tmp_path / "s.csv")["age"].nunique() == 20


def test_a_killed_worker_ends_the_run_its_charges_stand_and_it_goes_on(child_environment, tmp_path, data, schema):
    made = tmp_path / "m.synth"
    options = ("-m", "hybrid", "--set", "steps=400")
    run = torchrun(data, schema, made, child_environment, 2, *options)
    deadline = time.monotonic() + 200
    while not any(record["record"] == "steps" for record in records(made)):
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(_follower(run.pid), signal.SIGKILL)
    _, err = run.communicate(timeout=100)
    assert run.returncode != 0
    assert "error: another worker of this run is gone" in err or "interrupted" in err
    assert "/synth/" not in err  # tracebacks are torchrun's own
    assert not made.exists()
    before = records(made)
    assert before[-1]["record"] == "end"
    assert before[-1]["outcome"] in ("failed", "interrupted")
    run = torchrun(data, schema, made, child_environment, 2, *options, "--resume")
    _, err = run.communicate(timeout=280)
    assert run.returncode == 0, err
    after = records(made)[len(before) :]
    assert {record["record"] for record in after} == {"resumed", "steps", "end"}  # nothing was charged again
    drawn = [record["drawn"] for record in after if record["record"] == "steps"]
    assert before[-2]["drawn"] < drawn[0] <= drawn[-1] == 400
    assert made.exists()
    assert not made.with_name("m.synth.checkpoint").exists()


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
