"""Helpers of the core's tests: repeatable entropy, small frames, small nets."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from synth.adding import answers
from synth.privacy.budget import Budget
from synth.privacy.clipping import NORM_MARGIN
from synth.privacy.layers import OneHotLinear, RowParameter
from synth.privacy.ledger import Ledger
from synth.rehearsal import Room
from synth.schema import Column, Kind, Schema


class Keystream:
    """A repeatable byte stream; call number i yields a prefix of its own stream i, whatever was asked before."""

    def __init__(self, seed):
        self.seed, self.calls, self.drawn = seed, 0, 0

    def __call__(self, n_bytes):
        self.calls += 1
        self.drawn += n_bytes
        return hashlib.shake_128(f"{self.seed}/{self.calls}".encode()).digest(n_bytes)


class Script:
    """Yields the given chunks in turn and checks that exactly their sizes are asked for."""

    def __init__(self, *chunks):
        self.chunks = list(chunks)

    def __call__(self, n_bytes):
        chunk = self.chunks.pop(0)
        assert len(chunk) == n_bytes
        return chunk


class Net(nn.Module):
    """Linear, OneHotLinear, LayerNorm, RowParameter; the loss of a row is scaled by a factor its last code names."""

    def __init__(self, seed=0, width=3, hidden=4, bias=True, norm=True, free=True, masked=False):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.first = nn.Linear(width, hidden, bias=bias)
        self.norm = nn.LayerNorm(hidden) if norm else None
        slots = torch.tensor([0, 1, 2, 0, 1])
        mask = torch.from_numpy(rng.integers(0, 2, (hidden, 3)))[:, slots]
        basis = torch.from_numpy(rng.normal(size=(5, 5))).float() * (slots[:, None] == slots)
        start = None if bias else torch.zeros(hidden)
        self.hot = OneHotLinear(slots, hidden, mask=mask, basis=basis, bias=start) if masked else None
        self.last = nn.Linear(hidden, 2, bias=not bias)
        self.free = RowParameter(torch.zeros(2)) if free else None
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.from_numpy(rng.normal(size=p.shape)))

    def forward(self, codes):
        x = self.first(codes[:, :-1].float() / 3)
        if self.hot is not None:  # two of the slots have two positions, the third has one
            x = x + self.hot(torch.tensor([0, 1, 2]) + 3 * torch.tensor([1, 1, 0]) * (codes[:, :-1] % 2))
        x = torch.tanh(x)
        x = x if self.norm is None else self.norm(x)
        x = self.last(x)
        return x if self.free is None else x - self.free(len(codes))


FACTORS = (1.0, 0.0, 1e6, 1e-6, float("inf"), float("nan"), -1e30)


def row_loss(module, codes):
    return (module(codes) ** 2).sum(1) * torch.tensor(FACTORS)[codes[:, -1]]


def single_row_sum(module, loss, codes, clip):
    """The obvious implementation: one backward pass per row."""
    total = np.zeros(sum(p.numel() for p in module.parameters()))
    for row in codes:
        value = loss(module, row[None]).sum()
        grads = torch.autograd.grad(value, list(module.parameters()), allow_unused=True)
        parts = [torch.zeros(p.numel()) if g is None else g.flatten() for g, p in zip(grads, module.parameters(), strict=True)]
        flat = torch.cat(parts).double().numpy()
        norm = np.linalg.norm(flat)
        if np.isfinite(norm):
            total += flat * min(1.0, clip / max(norm * (1 + NORM_MARGIN), 1e-30))
    return total


@pytest.fixture(scope="session")
def keystream():
    return Keystream


@pytest.fixture(scope="session")
def script():
    return Script


@pytest.fixture(scope="session")
def net():
    return Net


@pytest.fixture(scope="session")
def loss():
    return row_loss


@pytest.fixture(scope="session")
def slow_sum():
    return single_row_sum


@pytest.fixture
def ledger():
    """A run with a generous budget and a public row count."""
    from synth.privacy.budget import declared_rows

    book = Ledger(Budget(epsilon=10.0, delta=1e-6))
    book.set_rows(declared_rows(1000))
    return book


@pytest.fixture(scope="session")
def declared():
    """One column of every kind, everything declared."""
    return Schema(
        columns=(
            Column(name="age", kind=Kind.INTEGER, bounds=(0, 120)),
            Column(name="pay", kind=Kind.DECIMAL, precision=2, bounds=(0, 1e5)),
            Column(name="score", kind=Kind.FLOAT, bounds=(-1.0, 1.0), nullable=False),
            Column(name="member", kind=Kind.BOOLEAN),
            Column(name="town", kind=Kind.CATEGORY, categories=("Ulm", "Aix")),
            Column(name="size", kind=Kind.ORDINAL, categories=("S", "M", "L")),
            Column(name="seen", kind=Kind.DATETIME, bounds=("2000-01-01", "2020-12-31")),
        ),
        target="member",
        public_rows=400,
    )


@pytest.fixture(scope="session")
def frame():
    """Rows for ``declared``, as texts and numbers."""
    rng = np.random.default_rng(7)
    n = 400
    return pd.DataFrame(
        {
            "age": rng.integers(0, 90, n),
            "pay": np.round(rng.lognormal(8, 1, n), 2),
            "score": rng.uniform(-1, 1, n),
            "member": rng.random(n) < 0.3,
            "town": rng.choice(["Ulm", "Aix"], n),
            "size": rng.choice(["S", "M", "L"], n),
            "seen": (np.datetime64("2001-01-01") + rng.integers(0, 5000, n)).astype(str),
        }
    )


POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@pytest.fixture(scope="session")
def postgres():
    """URL of an empty database that goes away with the tests; reached through a socket in its folder, by no network."""
    folder = next((f for f in POSTGRES if (f / "initdb").is_file()), None)
    if folder is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    home = Path(tempfile.mkdtemp(prefix="synth-pg-"))
    user = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(home, "nobody")
        user = {"user": "nobody", "env": {**os.environ, "HOME": str(home)}}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"} | user
    subprocess.run([folder / "initdb", "-D", home / "data", "-U", "tester", "-A", "trust", "--no-sync"], check=True, **quiet)
    options = ["-D", home / "data", "-k", home, "-c", "listen_addresses=", "-c", "fsync=off"]
    server = subprocess.Popen([folder / "postgres", *options], **quiet)
    try:
        for _ in range(300):
            ready = [folder / "pg_isready", "-h", home, "-U", "tester", "-d", "postgres"]
            if subprocess.run(ready, check=False, **quiet).returncode == 0:
                break
            time.sleep(0.1)
        yield f"postgresql://tester:secret@/postgres?host={home}"
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(home, ignore_errors=True)


class Watched(Room):
    """Sites in threads; keeps every message that left a site."""

    def __init__(self, size, seed=7):
        super().__init__(size, seed)
        self.left, self.kinds, self.release = [], [], b""

    def answer(self, messages):
        told, kind, first = answers(messages, self.seed)
        self.left.append(messages)
        self.kinds.append(kind)
        if kind == "done":
            self.release = first.partition(b"\n")[2]
        return told, kind


@pytest.fixture
def room():
    return Watched
