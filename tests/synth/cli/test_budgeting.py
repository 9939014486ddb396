"""``synth budget`` and fits under a total, through the command line."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from synth.cli.budgeting import summary
from synth.cli.main import run
from synth.privacy.chain import read_ledger
from synth.privacy.ledger import set_total


@pytest.fixture
def say(capsys):
    def call(*arguments):
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    pd.DataFrame({"town": rng.choice(["Ulm", "Aix"], 500), "age": rng.integers(0, 90, 500)}).to_csv(
        tmp_path / "t.csv", index=False
    )
    text = (
        'public_rows = 500\n[[columns]]\nname = "town"\nkind = "category"\ncategories = ["Aix", "Ulm"]\n'
        '[[columns]]\nname = "age"\nkind = "integer"\nbounds = [0, 90]\n'
    )
    (tmp_path / "s.toml").write_text(text)
    return tmp_path / "t.csv"


def test_totals_over_fits(say, table, tmp_path):
    book = tmp_path / "patients.ledger"
    code, out, _ = say("budget", "set", book, "--epsilon", 1, "--delta", 1e-5, "--name", "patients")
    assert code == 0
    assert "left for one more run: epsilon 1 at delta 1e-06" in out
    fit = ("fit", table, "-s", tmp_path / "s.toml", "-m", "independent", "--ledger", book, "-q", "-o")
    assert say(*fit, tmp_path / "a.synth", "-e", 0.7)[0] == 0
    code, out, err = say(*fit, tmp_path / "b.synth", "-e", 0.9)
    assert (code, out) == (3, "")
    assert "does not fit the total of 'patients'" in err
    left = float(err.partition("use --epsilon ")[2].partition(",")[0])
    assert 0.3 < left < 0.7  # more than plain addition leaves
    assert not (tmp_path / "b.synth").exists()
    assert say(*fit, tmp_path / "b.synth", "-e", left)[0] == 0
    facts = json.loads(say("budget", "show", book, "--json")[1])
    assert (facts["runs"], facts["open_runs"], facts["total_epsilon"], facts["name"]) == (2, 0, 1.0, "patients")
    assert facts["spent_epsilon"] <= 1 < facts["sum_epsilon"]
    runs = json.loads(say("budget", "history", book, "--json")[1])
    assert [(r["epsilon"], r["delta"], r["outcome"], r["counts_as"]) for r in runs] == [
        (0.7, 1e-6, "done", "charges"),
        (left, 1e-6, "done", "charges"),
    ]
    code, out, _ = say("budget", "history", book)
    assert (code, out.count("done")) == (0, 2)


def test_a_refusal_comes_before_the_table_is_read(say, tmp_path):
    set_total(tmp_path / "l", epsilon=0.1, delta=1e-6)
    before = (tmp_path / "l").read_bytes()
    code, _, err = say("fit", tmp_path / "none.csv", "-e", 1, "--ledger", tmp_path / "l", "-o", tmp_path / "m", "-q")
    assert code == 3
    assert "use --epsilon 0.1" in err
    assert (tmp_path / "l").read_bytes() == before


def test_a_ledger_without_a_total_is_shown_as_well(say, table, tmp_path):
    assert say("fit", table, "-e", 1, "-m", "independent", "-o", tmp_path / "m", "-q")[0] == 0
    book = tmp_path / "m.ledger.jsonl"
    code, out, _ = say("budget", "show", book)
    assert code == 0
    assert "1 run(s)\n" in out
    assert "none is set" in out
    assert "total_epsilon" not in json.loads(say("budget", "show", book, "--json")[1])
    book.write_bytes(b"".join(book.read_bytes().splitlines(keepends=True)[:-1]))  # as if it had been killed
    assert "1 of them without an end" in say("budget", "show", book)[1]
    assert " open " in say("budget", "history", book)[1]


def test_more_than_the_total_is_said_without_a_figure(tmp_path):
    account = set_total(tmp_path / "l", epsilon=1.0, delta=1e-6)

    class Spent:
        total, runs = account.total, (type("R", (), {"outcome": "done"})(),)
        sums, spent, room = staticmethod(lambda: (9.0, 1e-3)), staticmethod(lambda d: math.inf), staticmethod(lambda t, d: 0.0)

    facts = summary(Spent(), tmp_path / "l")
    assert facts["spent_epsilon"] is None
    assert facts["left_epsilon"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("show", "none"), "there is no ledger"),
        (("history", "none"), "there is no ledger"),
        (("set", "none/l", "-e", "1", "--delta", "1e-5"), "there is no folder"),
        (("set", "l", "-e", "0", "--delta", "1e-5"), "total epsilon"),
        (("set", "l", "-e", "1", "--delta", "1"), "total delta"),
    ],
)
def test_bad_input(say, tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    code, out, err = say("budget", *arguments)
    assert (code, out) == (2, "")
    assert word in err
    assert not read_ledger(tmp_path / "l")
