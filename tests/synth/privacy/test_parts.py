"""Parts of a table: together each row once, all rows of an entity at one worker."""

import numpy as np
import pandas as pd
import pytest

from synth.privacy import lake
from synth.privacy.lake import open_lake
from synth.privacy.parts import exact_fingerprint, frame_part, lake_part
from synth.reading.source import ReadOptions
from synth.schema import Column, Schema

ROWS = pd.DataFrame({"n": range(60), "who": [f"p{i % 7}" if i % 3 else None for i in range(60)]})
PLAIN = Schema(columns=(Column(name="n"), Column(name="who")))
PERSONS = Schema(columns=(Column(name="n"), Column(name="who")), entity="who", max_rows_per_entity=3)


def parts_of_lake(path, schema, of=3):
    whole = open_lake(str(path), ReadOptions())
    chunks = [[c.to_pandas() for c in lake_part(whole, schema, (rank, of)).chunks()] for rank in range(of)]
    return [pd.concat(c, ignore_index=True) for c in chunks]


def parts_of_frame(path, schema, of=3):
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [frame_part(frame, schema, (rank, of)) for rank in range(of)]


@pytest.mark.parametrize("parts", [parts_of_lake, parts_of_frame])
@pytest.mark.parametrize("schema", [None, PLAIN, PERSONS])
def test_every_row_lies_at_one_worker(tmp_path, monkeypatch, parts, schema):
    monkeypatch.setattr(lake, "CHUNK", 7)
    monkeypatch.setattr("synth.reading.columnar.BATCH_ROWS", 7)
    ROWS.to_csv(tmp_path / "t.csv", index=False)
    found = parts(tmp_path / "t.csv", schema)
    assert sorted(int(n) for part in found for n in part["n"]) == list(range(60))
    assert min(len(part) for part in found) > 0
    if schema is PERSONS:
        homes = [{name for name in part["who"] if name} for part in found]
        assert sum(len(home) for home in homes) == len(set.union(*homes)) == 7


def test_chunks_of_another_size_change_no_home(tmp_path, monkeypatch):
    """Rows that name nobody are cut by their place in the whole table."""
    ROWS.to_parquet(tmp_path / "t.parquet", index=False)
    homes = []
    for size in (5, 1000):
        monkeypatch.setattr(lake, "CHUNK", size)
        monkeypatch.setattr("synth.reading.columnar.BATCH_ROWS", size)
        parts = [lake_part(open_lake(str(tmp_path / "t.parquet"), ReadOptions()), PERSONS, (rank, 3)) for rank in range(3)]
        homes.append([[n for chunk in part.chunks() for n in chunk["n"].to_pylist()] for part in parts])
    assert homes[0] == homes[1]


def test_files_have_the_same_fingerprint_while_names_sizes_and_ends_are_the_same(tmp_path):
    here, there = tmp_path / "a" / "t.csv", tmp_path / "b" / "t.csv"
    found = [exact_fingerprint([here])]
    for path in (here, there):
        path.parent.mkdir()
        path.write_bytes(bytes(200_000))
    found.append(exact_fingerprint([here]))
    assert found[1] == exact_fingerprint([there])
    there.write_bytes(bytes(199_999) + b"1")
    found += [exact_fingerprint([there]), exact_fingerprint([here, here]), exact_fingerprint([])]
    assert len(np.unique(found)) == 5
