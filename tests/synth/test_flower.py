"""Messages over Flower: the ends of the line alone, and once, slowly, a real run of three sites."""

import asyncio
import os
import socket
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synth import flower
from synth.errors import InputError, SiteError
from synth.privacy.chain import read_ledger
from synth.privacy.sites import gone
from synth.progress import Silent
from synth.release import load

ROOT = Path(__file__).resolve().parents[2]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def without_flower(monkeypatch):
    for name in list(sys.modules):
        if name.partition(".")[0] == "flwr":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flwr", None)


def test_flower_is_named_where_it_is_missing(monkeypatch):
    without_flower(monkeypatch)
    with pytest.raises(InputError, match=r"synth-dp\[federated\]"):
        flower.coordinate(("127.0.0.1", free_port()), 2, Silent())
    with pytest.raises(InputError, match=r"synth-dp\[federated\]"), flower.site(("127.0.0.1", 1)):
        pass
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"


def test_nobody_listens():
    with pytest.raises(InputError, match="is synth coordinate running"):
        flower._reach(("127.0.0.1", free_port()), 0.0)


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
        with pytest.raises(InputError, match="is the port in use"):
            flower._check_free(place)
    flower._check_free(("127.0.0.1", free_port()))


def test_addresses():
    assert flower._address(("127.0.0.1", 9092)) == "127.0.0.1:9092"
    assert flower._address(("::1", 9092)) == "[::1]:9092"


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("/v1/fleet/pull-messages", True),
        ("/v1/runtime/x", False),
        ("/v1/control/start-run", False),
        ("/docs", False),
        ("/", False),
    ],
)
def test_nobody_submits_programs(path, served):
    seen, sent = [], []

    async def link(scope, receive, send):
        seen.append(scope["path"])

    async def send(message):
        sent.append(message)

    asyncio.run(flower._only(link, flower.FLEET)({"type": "http", "path": path}, None, send))
    assert bool(seen) == served
    assert [m["status"] for m in sent if "status" in m] == ([] if served else [404])


def message(content, number="1"):
    return types.SimpleNamespace(
        content={"synth": {"message": content}},
        metadata=types.SimpleNamespace(reply_to_message_id=number),
        has_content=lambda: True,
    )


class Grid:
    """Takes messages, and gives the replies that are left."""

    def __init__(self, nodes, replies=()):
        self.nodes, self.replies, self.sent = list(nodes), list(replies), []

    def get_node_ids(self):
        return self.nodes.pop(0) if len(self.nodes) > 1 else self.nodes[0]

    def push_messages(self, messages):
        self.sent += messages
        return [str(place) for place in range(len(messages))]

    def pull_messages(self, open_):
        return self.replies.pop(0) if self.replies else []


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(flower, "_message", lambda content, *, to=None, reply_to=None: (to, content))
    monkeypatch.setattr(flower, "PAUSE", 0.001)
    return lambda *args: flower._Hub(Grid(*args))


def test_the_first_sites_that_come_are_taken(hub):
    assert hub([[], [7], [9, 7, 8]]).present(2, 60) == [7, 8]
    with pytest.raises(SiteError, match="1 of 2 sites came"):
        hub([[7]]).present(2, 0.0)


def test_replies_by_node(hub):
    here = hub([[]], [[message(b"b", "1")], [], [message(b"a", "0")]])
    assert here.ask({7: b"x", 8: b"y"}, 60) == {7: b"a", 8: b"b"}
    assert here._grid.sent == [(7, b"x"), (8, b"y")]


def test_who_does_not_reply_is_gone(hub):
    lost = types.SimpleNamespace(metadata=types.SimpleNamespace(reply_to_message_id="1"), has_content=lambda: False)
    assert hub([[]], [[lost]]).ask({7: b"x", 8: b"y"}, 60) == {7: gone(), 8: gone()}
    assert hub([[]]).ask({7: b"x"}, 0.01) == {7: gone()}


def test_the_last_word_waits_until_all_have_left(hub):
    here = hub([[7, 8], [8], [3]])
    here.tell({7: b"x", 8: b"y"})
    assert here._grid.nodes == [[3]]


def test_a_coordinator_that_says_nothing(monkeypatch):
    monkeypatch.setattr(flower, "PAUSE", 0.001)
    pytest.importorskip("flwr")
    node = flower._Node([1, lambda: None, *[None] * 6], 0.01)
    with pytest.raises(SiteError, match="did not say a word"):
        node.exchange(b"x")
    node.leave()


def broken():
    raise OSError("down")


def test_a_coordinator_that_is_gone():
    with pytest.raises(SiteError, match="coordinator is gone"):
        flower._Node([1, broken, *[None] * 6], 60).exchange(b"x")


# --- real Flower


SCHEMA = """
public_rows = 300

[[columns]]
name = "ward"
kind = "category"
categories = ["x", "y"]
nullable = false
"""


def synth(folder, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "synth", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def three_sites(tmp_path, *more, sites=3):
    pytest.importorskip("flwr")
    (tmp_path / "schema.toml").write_text(SCHEMA)
    place = f"127.0.0.1:{free_port()}"
    whole = synth(
        tmp_path, "coordinate", "--sites", "3", "-o", "all.synth", "--port", place.partition(":")[2], "-q", "--patience", "60"
    )
    parts = []
    for rank in range(sites):
        (tmp_path / f"{rank}.csv").write_text("ward\n" + "x\n" * 70 + "y\n" * 30)
        said = ["site", f"{rank}.csv", "-s", "schema.toml", "-e", "1", "-m", "independent", "--coordinator", place]
        parts.append(synth(tmp_path, *said, "-o", f"{rank}.synth", "-q", *more))
    return whole, parts


@pytest.mark.slow
def test_three_sites_and_a_coordinator_end_with_one_file(tmp_path):
    whole, parts = three_sites(tmp_path)
    ended = [process.communicate(timeout=300) for process in (whole, *parts)]
    assert [process.returncode for process in (whole, *parts)] == [0] * 4, ended
    files = {(tmp_path / name).read_bytes() for name in ("all.synth", "0.synth", "1.synth", "2.synth")}
    assert len(files) == 1


@pytest.mark.slow
def test_three_sites_train_a_network_together(tmp_path):
    """``hybrid`` on 1,000 rows each: tables, then DP-SGD, whose gradients are a round each."""
    pytest.importorskip("flwr")
    rng = np.random.default_rng(0)
    age = rng.integers(18, 91, 3000)
    ill = np.where(rng.random(3000) < 1 / (1 + np.exp((55 - age) / 10)), "yes", "no")
    rows = pd.DataFrame({"age": age, "ward": rng.choice(["x", "y"], 3000), "ill": ill})
    told = SCHEMA.replace("300", "3000") + '[[columns]]\nname = "age"\nkind = "integer"\nbounds = [18, 90]\nnullable = false\n'
    told += '[[columns]]\nname = "ill"\nkind = "category"\ncategories = ["no", "yes"]\nnullable = false\n'
    (tmp_path / "schema.toml").write_text('target = "ill"\n' + told)
    place = f"127.0.0.1:{free_port()}"
    port = place.partition(":")[2]
    parts = [synth(tmp_path, "coordinate", "--sites", "3", "-o", "all.synth", "--port", port, "-q", "--patience", "120")]
    for rank in range(3):
        rows.iloc[rank::3].to_csv(tmp_path / f"{rank}.csv", index=False)
        said = ["site", f"{rank}.csv", "-s", "schema.toml", "-e", "3", "-m", "hybrid", "--set", "steps=5", "-q"]
        parts.append(synth(tmp_path, *said, "--coordinator", place, "-o", f"{rank}.synth"))
    ended = [process.communicate(timeout=600) for process in parts]
    assert [process.returncode for process in parts] == [0] * 4, ended
    assert len({(tmp_path / name).read_bytes() for name in ("all.synth", "0.synth", "1.synth", "2.synth")}) == 1
    release = load(tmp_path / "all.synth")
    assert [e["steps"] for e in release.receipt.events if e["type"] == "subsampled_gaussian"] == [5]
    for rank in range(3):
        charged = [r for r in read_ledger(tmp_path / f"{rank}.synth.ledger.jsonl") if r["record"] == "event"]
        assert len(charged) == len(release.receipt.events)
    assert set(release.sample(50, seed=0)["ill"]) == {"no", "yes"}


@pytest.mark.slow
def test_a_site_that_is_stopped_ends_the_run_of_all(tmp_path):
    """The third site refuses its table, which has another header."""
    whole, parts = three_sites(tmp_path, sites=2)
    (tmp_path / "2.csv").write_text("room\nx\n")
    place = f"127.0.0.1:{whole.args[whole.args.index('--port') + 1]}"
    last = synth(
        tmp_path, "site", "2.csv", "-s", "schema.toml", "-e", "1", "-m", "independent", "--coordinator", place, "-o", "2.synth"
    )
    ended = [process.communicate(timeout=300) for process in (whole, *parts, last)]
    assert [process.returncode for process in (whole, *parts, last)] == [1, 1, 1, 2], ended
    assert all("another site is gone" in errors for _, errors in ended[:3])
    assert not list(tmp_path.glob("*.synth"))
    assert "Traceback" not in "".join(errors for _, errors in ended)
