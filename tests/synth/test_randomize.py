"""A randomised file and its record: charged first, whole or not there, refused in a sentence."""

import json

import pandas as pd
import pyarrow as pa
import pytest

from synth import randomize as module
from synth.errors import InputError, RefusedError
from synth.local import load_local, record_path
from synth.privacy.account import read_account
from synth.privacy.chain import read_ledger
from synth.privacy.ledger import set_total
from synth.randomize import randomize
from synth.reading.source import Source, text_header
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="key", kind=Kind.IDENTIFIER),
        Column(name="ward", kind=Kind.CATEGORY, categories=("a", "b")),
        Column(name="day", kind=Kind.DATETIME, bounds=("2000-01-01", "2000-12-31"), format="%d/%m/%Y"),
        Column(name="clock", kind=Kind.TIME, granularity="minute"),
        Column(name="stay", kind=Kind.DURATION, bounds=(0, 864_000), granularity="hour"),
        Column(name="small", kind=Kind.INTEGER, bounds=(0, 100), dtype="int8"),
    ),
    target="key",
)
ROWS = pd.DataFrame(
    {
        "key": ["k1", "k2"], "ward": ["a", None], "day": ["05/02/2000", "31/12/2000"], "clock": ["08:30", "23:59"],
        "stay": ["1 days", "3 days"], "small": [1, 100],
    }
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    ROWS.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_rows_are_randomised_with_their_record_and_a_charge(file, tmp_path):
    out = tmp_path / "o.csv"
    record = randomize(file, out, schema=SCHEMA, epsilon=4.0, ledger=tmp_path / "l")
    assert json.loads(record_path(out).read_text()) == record
    assert record["left_out"] == ["key"]
    assert (record["epsilon"], record["delta"]) == (4.0, 0.0)
    assert any("How many rows" in text for text in record["limits"])
    assert record["schema"].get("target") is None
    (run,) = read_account(read_ledger(tmp_path / "l")).runs
    assert (run.purpose, run.epsilon, run.delta, run.outcome, run.exact) == ("randomize", 4.0, 0.0, "done", True)
    assert [e.target for e in run.events] == [("ward",), ("day",), ("clock",), ("stay",), ("small",)]
    assert sum(e.epsilon for e in run.events) <= 4.0
    assert out.read_text().splitlines()[0] == "ward,day,clock,stay,small"
    assert len(out.read_text().splitlines()) == 3
    assert "k1" not in out.read_text() + record_path(out).read_text()


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz", ".jsonl", ".feather", ".xlsx"])
@pytest.mark.parametrize("epsilon", [0.1, 50.0])
def test_every_format_holds_what_noise_makes_of_dates_and_small_numbers(file, tmp_path, suffix, epsilon):
    out = tmp_path / f"o{suffix}"
    randomize(file, out, schema=SCHEMA, epsilon=epsilon)
    found = load_local(out)
    assert len(found.rows) == 2
    assert found.shares("ward").shares.sum() == pytest.approx(1)


def test_the_charge_is_on_disk_before_a_row_is_read_and_a_failure_leaves_nothing_else(file, tmp_path, monkeypatch):
    seen = []

    def batches():
        seen.append(sum(r["record"] == "event" for r in read_ledger(tmp_path / "l")))
        yield pa.RecordBatch.from_pydict({n: pa.array([None], pa.string()) for n in SCHEMA.names})
        raise InputError("the file is cut off")

    source = Source(name="t.csv", header=text_header(SCHEMA.names), typed=False, batches=batches)
    monkeypatch.setattr(module, "open_source", lambda *_: source)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(InputError, match="cut off"):
        randomize(file, tmp_path / "o.csv", schema=SCHEMA, epsilon=4.0, ledger=tmp_path / "l")
    assert seen == [5]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*before, "l"])
    assert read_account(read_ledger(tmp_path / "l")).runs[0].outcome == "failed"


def test_a_total_that_does_not_carry_it_refuses_before_a_row_is_read(file, tmp_path):
    set_total(tmp_path / "l", epsilon=3.0, delta=1e-5)
    with pytest.raises(RefusedError, match="does not fit the total"):
        randomize(file, tmp_path / "o.csv", schema=SCHEMA, epsilon=4.0, ledger=tmp_path / "l")
    assert not (tmp_path / "o.csv").exists()
    assert read_account(read_ledger(tmp_path / "l")).runs == ()


@pytest.mark.parametrize(
    ("output", "match"), [("o.what", "cannot tell the format"), ("no/o.csv", "there is no folder"), ("t.csv", "already exists")]
)
def test_places_that_cannot_be_written_are_refused_before_a_charge(file, tmp_path, output, match):
    with pytest.raises(InputError, match=match):
        randomize(file, tmp_path / output, schema=SCHEMA, epsilon=4.0, ledger=tmp_path / "l")
    assert not (tmp_path / "l").exists()


def test_a_header_that_does_not_match_and_several_processes_are_refused(file, tmp_path, monkeypatch):
    ROWS.drop(columns="ward").to_csv(file, index=False)
    with pytest.raises(InputError, match="lacks column 'ward'"):
        randomize(file, tmp_path / "o.csv", schema=SCHEMA, epsilon=4.0, ledger=tmp_path / "l")
    assert not (tmp_path / "l").exists()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="one process"):
        randomize(file, tmp_path / "o.csv", schema=SCHEMA, epsilon=4.0)


def test_an_empty_table_stays_empty(file, tmp_path):
    ROWS.iloc[:0].to_csv(file, index=False)
    randomize(file, tmp_path / "o.csv", schema=SCHEMA, epsilon=4.0)
    found = load_local(tmp_path / "o.csv")
    assert found.shares("ward").shares.tolist() == [0, 0, 0]
