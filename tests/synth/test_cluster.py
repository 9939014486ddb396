import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from synth import cluster
from synth.api import fit
from synth.blocks import BLOCK
from synth.cluster import fit_on_ray, part_blocks, sample_on_ray
from synth.config import FitConfig
from synth.errors import InputError, RefusedError, WorkerError
from synth.schema import Column, Kind, Schema
from synth.writer import write_rows


@pytest.fixture(scope="module")
def release(frame, declared):
    plain = Schema(columns=tuple(c for c in declared.columns if not c.kind.is_regenerated))
    return fit(frame[list(plain.names)], epsilon=3.0, schema=plain, model="independent", seed=0)


def test_the_parts_are_the_rows_of_one_sample(release, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PART", 1)
    total = BLOCK + 100
    whole = release.sample(total, seed=5)
    parts = [block for part in range(3) for block in part_blocks(release, total, 5, part)]
    assert [len(p["age"]) for p in parts] == [BLOCK, 100]
    write_rows(parts, release, tmp_path / "parts.csv", force=False)
    write_rows([whole], release, tmp_path / "whole.csv", force=False)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_without_ray_there_is_a_sentence(release, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    release.save(tmp_path / "m.synth")
    with pytest.raises(InputError, match=r"synth-dp\[ray\]"):
        sample_on_ray(tmp_path / "m.synth", tmp_path / "rows")
    with pytest.raises(InputError, match=r"synth-dp\[ray\]"):
        fit_on_ray(FitConfig(data="a.csv", epsilon=1.0), tmp_path / "n.synth", tmp_path / "l")
    assert [p.name for p in tmp_path.iterdir()] == ["m.synth"]


def test_a_folder_of_other_things_stays(release, tmp_path):
    model, rows = release.save(tmp_path / "m.synth"), tmp_path / "rows"
    with pytest.raises(InputError, match="no folder"):
        sample_on_ray(model, rows / "deeper")
    with pytest.raises(InputError, match="negative"):
        sample_on_ray(model, rows, -1)
    rows.mkdir()
    with pytest.raises(InputError, match="--force"):
        sample_on_ray(model, rows)
    (rows / "mine.txt").touch()
    with pytest.raises(InputError, match="more than parts"):
        sample_on_ray(model, rows, force=True)
    assert (rows / "mine.txt").exists()


def test_values_made_one_after_the_other_are_not_drawn_apart(tmp_path):
    columns = (Column(name="id", kind=Kind.IDENTIFIER), Column(name="b", kind=Kind.BOOLEAN))
    rows = pd.DataFrame({"id": range(500), "b": np.arange(500) % 2 == 0})
    made = fit(rows, epsilon=3.0, schema=Schema(columns=columns), model="independent").save(tmp_path / "m.synth")
    with pytest.raises(InputError, match="'id' is made anew"):
        sample_on_ray(made, tmp_path / "rows")


def test_what_a_process_says_is_told_and_nothing_else():
    wrapped = SimpleNamespace(_base_exc=RefusedError("too little is left"))
    gone = SimpleNamespace(cause=WorkerError("another worker of this run is gone"))
    failed = SimpleNamespace(worker_failures={0: gone, 1: wrapped, 2: ValueError("secret")})
    assert isinstance(cluster._first_sentence(failed), RefusedError)
    assert "secret" not in str(cluster._first_sentence(SimpleNamespace(worker_failures={0: ValueError("secret")})))
    try:
        raise ValueError("secret")
    except ValueError as error:
        told = cluster._sentence(error)
    assert "ValueError at test_cluster.py" in str(told)
    assert "secret" not in str(told)
