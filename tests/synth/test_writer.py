import gzip
import os
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from synth.api import fit
from synth.errors import InputError
from synth.writer import numbered, write_rows

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")


@pytest.fixture(scope="module")
def release(frame, declared):
    return fit(frame, epsilon=3.0, schema=declared, model="independent", seed=0)


def written(release, target, n=1000, force=False):
    write_rows(release.sample_blocks(n, seed=1), release, target, force=force)
    return target


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".CSV", ".Parquet"])
def test_every_format_reads_back(release, tmp_path, suffix):
    path = written(release, tmp_path / f"rows{suffix}")
    assert os.listdir(tmp_path) == [path.name]
    expected = release.sample(1000, seed=1)
    if suffix.lower() in (".parquet", ".pq"):
        table = pyarrow.parquet.read_table(path)
        assert table.num_rows == 1000
        found = table.to_pandas()
    else:
        opened = gzip.open if suffix.endswith(".gz") else open
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            text = file.read()
        assert "\r" not in text
        assert ("\t" in text.splitlines()[0]) == (".tsv" in suffix)
        with opened(path, "rt", encoding="utf-8") as file:
            found = pd.read_csv(file, sep="\t" if ".tsv" in suffix else ",")
    assert list(found.columns) == list(expected.columns)
    for name in expected:
        assert (found[name].isna().to_numpy() == expected[name].isna().to_numpy()).all(), name
    assert found["pay"].dropna().tolist() == pytest.approx(expected["pay"].dropna().tolist())


def test_parquet_has_one_type_per_column_whatever_the_block(release, tmp_path):
    """A block in which a column is all missing must not turn its type."""
    blocks = list(release.sample_blocks(40_000, seed=1))
    blocks[0] = blocks[0].assign(town=None, pay=float("nan"), member=pd.NA)
    blocks[0]["member"] = blocks[0]["member"].astype("boolean")
    write_rows(iter(blocks), release, tmp_path / "a.parquet", force=False)
    schema = pyarrow.parquet.read_schema(tmp_path / "a.parquet")
    write_rows([], release, tmp_path / "b.parquet", force=False)
    assert schema.equals(pyarrow.parquet.read_schema(tmp_path / "b.parquet"))
    kinds = {name: str(schema.field(name).type) for name in schema.names}
    assert kinds["age"] == "int64"
    assert kinds["town"] == "string"
    assert kinds["member"] == "bool"
    assert kinds["pay"] == "double"
    assert kinds["seen"].startswith("timestamp")


def test_unknown_suffixes(release, tmp_path):
    for name in ("rows", "rows.xls", "csv", "rows.csv.zip", "rows.parquet.gz"):
        with pytest.raises(InputError, match=r"use one of \.csv"):
            written(release, tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_stop_leaves_what_was_there(release, tmp_path, suffix, error):
    target = tmp_path / f"rows{suffix}"
    target.write_text("before")

    def blocks():
        yield release.sample(5, seed=1)
        raise error

    with pytest.raises(error):
        write_rows(blocks(), release, target, force=True)
    assert os.listdir(tmp_path) == [target.name]
    assert target.read_text() == "before"


def test_a_stop_at_the_last_moment_leaves_nothing(release, tmp_path, monkeypatch):
    def stopped(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr("synth.atomic.os.fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        written(release, tmp_path / "rows.csv", 3)
    assert os.listdir(tmp_path) == []


def test_existing_files_need_force(release, tmp_path):
    target = written(release, tmp_path / "rows.csv", 3)
    with pytest.raises(InputError, match="--force"):
        written(release, target, 4)
    assert len(written(release, target, 4, force=True).read_text().splitlines()) == 5


def test_files_can_be_read_by_others(release, tmp_path):
    before = os.umask(0o022)
    try:
        assert written(release, tmp_path / "rows.csv", 1).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_several_files_are_numbered_before_their_suffixes():
    assert numbered(Path("a/out.csv.gz"), 3) == Path("a/out_3.csv.gz")
    assert numbered(Path("out"), 1) == Path("out_1")
