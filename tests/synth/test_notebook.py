"""Progress in a notebook, against a stand-in for IPython that keeps what is shown."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from synth.api import fit
from synth.notebook import notebook_progress


class Shown:
    def __init__(self, lines):
        self.lines = lines

    def update(self, line, raw):
        assert raw
        self.lines.append(line["text/plain"])


@pytest.fixture
def notebook(monkeypatch):
    lines = []

    def display(line, raw, display_id):
        assert raw
        assert display_id
        lines.append(line["text/plain"])
        return Shown(lines)

    shell = SimpleNamespace(config={"IPKernelApp": {}})
    fake = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    return lines


def test_a_fit_tells_its_phases_and_what_it_spent(notebook):
    fit(pd.DataFrame({"a": [0, 1] * 300}), epsilon=2.0, model="independent")
    assert any(line.startswith("counting rows") for line in notebook)
    assert notebook[-1].startswith("checking the account")
    assert "epsilon 2.00" in notebook[-1]


def test_steps_are_shown_at_the_end_and_not_at_each(notebook):
    progress = notebook_progress()
    progress.phase("training", 1000)
    for _ in range(1000):
        progress.advance()
    assert notebook[0] == "training 0/1000, epsilon 0.00 so far"
    assert notebook[-1].startswith("training 1000/1000")
    assert len(notebook) < 100


@pytest.mark.parametrize("shell", [None, SimpleNamespace(config={})], ids=["no shell", "a terminal"])
def test_elsewhere_there_is_none(monkeypatch, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert notebook_progress() is None
    monkeypatch.delitem(sys.modules, "IPython")
    assert notebook_progress() is None
