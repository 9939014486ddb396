"""The lake of the growth curve is a table of its schema, and a record says what a fit of it cost."""

import json
import sys

import numpy as np
import pyarrow.parquet
import pytest

from evaluation.bench import scale
from synth.errors import InputError
from synth.privacy.lake import open_lake
from synth.reading.source import ReadOptions


def test_the_made_up_rows_are_those_of_the_schema(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "CHUNK", 50)
    scale.write_lake(tmp_path, 120)
    assert [pyarrow.parquet.read_metadata(p).num_rows for p in sorted(tmp_path.iterdir())] == [50, 50, 20]
    found = open_lake(str(tmp_path), ReadOptions())
    assert found.names == tuple(c.name for c in scale.columns())
    first = next(found.chunks()).to_pandas()
    assert np.corrcoef(first["f"], first["b"].astype(float))[0, 1] > 0.1


def test_a_record_a_size(tmp_path, monkeypatch):
    asked = []

    def weigh(arguments, what, *, environment):
        asked.append((arguments, environment))
        return {"seconds": 2.0, "cpu_seconds": 1.5, "peak_mib": 700}

    monkeypatch.setattr(scale, "weighed", weigh)
    file = tmp_path / "scale.jsonl"
    monkeypatch.setattr(sys, "argv", ["scale", "30", "60", "--folder", str(tmp_path), "--results", str(file)])
    scale.main()
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [r["rows"] for r in records] == [30, 60]
    assert records[1]["rows_per_cpu_second"] == 40
    assert all(e["TMPDIR"] for _, e in asked)
    assert [p.name for p in tmp_path.iterdir()] == ["scale.jsonl"]
    with pytest.raises(InputError):
        open_lake(asked[0][0][4], ReadOptions())
