import io
import json
import time

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


@pytest.mark.parametrize("as_json", [True, False])
def test_json_lines_without_a_terminal(capsys, as_json):
    play(quiet=False, as_json=as_json)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [json.loads(line) for line in captured.err.splitlines()]
    assert [(x["phase"], x["done"], x["total"]) for x in lines] == [
        ("reading", 0, None),
        ("training", 0, 3),
        ("checking", 0, None),
    ]
    assert (lines[2]["epsilon_spent"], lines[2]["epsilon"]) == (1.2346, 2.0)


@pytest.mark.parametrize("as_json", [True, False])
def test_quiet(capsys, as_json):
    play(quiet=True, as_json=as_json)
    assert capsys.readouterr() == ("", "")


def test_long_phases_report_every_second_with_their_pace(capsys, monkeypatch):
    clock = iter(i / 5 for i in range(1000))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    progress = Reporter(quiet=False, as_json=False)
    progress.phase("training", 10)
    for _ in range(9):
        progress.advance()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (lines[0]["done"], lines[0]["total"], lines[0]["per_second"]) == (0, 10, None)
    assert 3 <= len(lines) < 9
    assert all(line["per_second"] > 0 and line["seconds_left"] >= 0 for line in lines[1:])


def test_without_times_no_line_and_no_number_of_lines_tells_how_long_it_takes(capsys, monkeypatch):
    monkeypatch.setattr(console, "SILENCE", 0.0)
    with Reporter(quiet=False, as_json=False, timed=False) as progress:
        progress.phase("trying")
        for _ in range(50):
            progress.advance(0)
            time.sleep(0.001)
        progress.phase("checking")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines == [{"phase": phase, "done": 0, "total": None} for phase in ("trying", "checking")]


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


def test_a_silent_phase_says_that_it_goes_on(capsys, monkeypatch):
    from synth.cli import console

    monkeypatch.setattr(console, "SILENCE", 0.05)
    with Reporter(quiet=False, as_json=True, epsilon=2.0) as progress:
        progress.phase("training", 10)
        progress.advance(5)
        time.sleep(0.5)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) >= 3
    assert {line["phase"] for line in lines} == {"training"}
    assert lines[-1]["done"] == 5
    assert lines[-1]["per_second"] > 0
    assert lines[-1]["seconds_left"] > 0
