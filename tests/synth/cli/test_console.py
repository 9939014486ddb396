import io
import json

import pytest
from rich.console import Console

from synth.cli import console
from synth.cli.console import Reporter, print_json, say


def play(**options):
    with Reporter(epsilon=2.0, **options) as progress:
        progress.phase("reading")
        progress.phase("training", 3)
        progress.spent(1.23456)
        progress.advance()
        progress.phase("checking")


def test_a_line_per_phase(capsys):
    play(quiet=False, as_json=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line.split("] ")[1] for line in lines] == [
        "reading epsilon 0.00 of 2", "training 0/3 epsilon 0.00 of 2", "checking epsilon 1.23 of 2",
    ]  # fmt: skip


def test_json_lines(capsys):
    play(quiet=False, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(x["phase"], x["done"], x["total"]) for x in lines] == [
        ("reading", 0, None),
        ("training", 0, 3),
        ("checking", 0, None),
    ]
    assert lines[2]["epsilon_spent"] == 1.2346


@pytest.mark.parametrize("as_json", [True, False])
def test_quiet(capsys, as_json):
    play(quiet=True, as_json=as_json)
    assert capsys.readouterr() == ("", "")


def test_long_phases_report_every_five_seconds(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with Reporter(quiet=False, as_json=False) as progress:
        progress.phase("training", 10)
        for _ in range(10):
            now[0] += 2.0
            progress.advance()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("] ")[1] for line in lines] == ["training 0/10", "training 3/10", "training 6/10", "training 9/10"]


def test_a_bar_on_a_terminal(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=screen, force_terminal=True, width=120))
    play(quiet=False, as_json=False)
    assert "training" in screen.getvalue()
    assert "epsilon 1.23 of 2" in screen.getvalue()


def test_a_bar_stops_on_errors(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=screen, force_terminal=True, width=120))
    progress = Reporter(quiet=False, as_json=False)

    def stopped():
        with progress:
            progress.phase("training", 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert not progress._bar.live.is_started


def test_words_in_brackets_are_not_markup(capsys):
    say("kept [bold] and [red]all[/red]")
    say("not shown", quiet=True)
    assert capsys.readouterr().err == "kept [bold] and [red]all[/red]\n"


def test_json_is_one_document_without_nan(capsys):
    print_json({"a": [1, None], "path": io})
    assert json.loads(capsys.readouterr().out)["a"] == [1, None]
    with pytest.raises(ValueError, match="JSON"):
        print_json({"a": float("nan")})
