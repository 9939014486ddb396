import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from evaluation.bench import peering
from evaluation.bench.cells import Cell
from evaluation.bench.grid import Terms, run_grid
from evaluation.bench.peering import FOLDER, PEERS, READY, Peer, cache_folder, interpreter, run_peer
from evaluation.bench.simulators import parity
from synth.errors import InputError, SynthError

FAKE = """
import json

def generate(frame, columns, *, epsilon, delta, seed, rows, options, target):
    facts = [epsilon, delta, seed, rows, options, target, [c["name"] for c in columns]]
    json.dump(facts, open("facts.json", "w"))
    if options.get("fail"):
        raise RuntimeError("peers fail too")
    return frame.sample(rows, replace=True, random_state=seed)
"""


@pytest.fixture
def fake(tmp_path):
    (tmp_path / "fake.py").write_text(FAKE)
    return Peer(script=tmp_path / "fake.py", library="fake-1.0", options={"a": 1, "b": 2})


def run(peer, place, options):
    train, _, schema = parity(0)
    return run_peer(peer, options, train[:100], schema, place, epsilon=0.5, delta=1e-6, seed=7, python=Path(sys.executable))


def test_a_runner_gets_rows_schema_and_budget(fake, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    found = run(fake, place, {"b": 3})
    assert set(found) == {"seconds", "cpu_seconds", "peak_mib"}
    made = pd.read_csv(place / "synthetic.csv")
    assert len(made) == 100
    facts = json.loads((place / "facts.json").read_text())
    assert facts[:6] == [0.5, 1e-6, 7, 100, {"a": 1, "b": 3}, "label"]
    assert facts[6] == list(made.columns)


def test_a_runner_sees_nothing_of_this_package(fake, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(peering.__file__).parents[2]))
    fake.script.write_text("import sys\ndef generate(*a, **k): raise RuntimeError(' '.join(sys.path))")
    with pytest.raises(SynthError) as error:
        run(fake, tmp_path, {})
    assert str(Path(peering.__file__).parents[2]) not in str(error.value).split()


def test_a_failing_runner_gives_its_last_words(fake, tmp_path):
    with pytest.raises(SynthError, match=r"^fake-1\.0 failed: RuntimeError: peers fail too$"):
        run(fake, tmp_path, {"fail": 1})


def test_environments_are_built_once(tmp_path):
    said = []
    peer = Peer(script=FOLDER / "none.py", library="plain-1")
    python = interpreter(peer, tmp_path / "cache", said.append)
    assert python.exists()
    assert said == []
    assert (python.parents[1] / READY).exists()
    (python.parents[1] / "mark").touch()
    assert interpreter(peer, tmp_path / "cache", said.append) == python
    assert (python.parents[1] / "mark").exists()


def test_what_cannot_be_installed_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    peer = Peer(script=FOLDER / "none.py", library="no-1", requirements=(("no-such-generator==9.9.9",),))
    said = []
    with pytest.raises(SynthError, match=r"cannot install no-1 on Python 3\.\d+: .*no-such-generator"):
        interpreter(peer, tmp_path, said.append)
    assert said[0].startswith("building the environment of no-1")
    assert not list(tmp_path.glob(f"*/{READY}"))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write the cache folder"):
        interpreter(peer, tmp_path / "file", said.append)


def test_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("SYNTH_BENCH_CACHE", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "synth-bench"
    monkeypatch.setenv("SYNTH_BENCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    assert cache_folder(tmp_path / "x") == tmp_path / "x"


def test_every_peer_has_its_script_and_pins():
    for name, peer in PEERS.items():
        assert name.startswith(peer.library.rpartition("-")[0].partition("-")[0])
        assert peer.script.is_file()
        assert any("==" in text for text in peer.requirements[-1])


@pytest.mark.peers
@pytest.mark.parametrize("name", PEERS)
def test_real_peers(name, tmp_path):
    cell = Cell(dataset="adult2000", model=name, epsilon=1.0, delta=1e-5, seed=0)
    (record,) = run_grid([cell], tmp_path / "r.jsonl", Terms(limit=1800))
    assert "failed" not in record, record["failed"]
    assert record["scores"]["tv_1way"]["value"] < 0.5
