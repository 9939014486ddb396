import json

import pytest
import typer

from synth.cli.main import app, main, run
from synth.errors import AccountingError, ArtifactError, InputError, RefusedError, SchemaError

SECRET = "CANARY7c1"


@pytest.fixture
def raising(monkeypatch):
    """Make ``synth datasets list`` raise."""

    def arm(error):
        def cards():
            raise error

        monkeypatch.setattr("synth.catalog.cards", cards)

    return arm


CODES = [
    (InputError("bad file"), 2),
    (SchemaError("bad schema"), 2),
    (ArtifactError("bad model"), 2),
    (RefusedError("no budget"), 3),
    (AccountingError("no agreement"), 3),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda v: type(v).__name__)
def test_errors_become_a_sentence_and_a_code(call, raising, error, code):
    raising(error)
    assert call("datasets", "list") == (code, "", f"error: {error}\n")
    found = call("datasets", "list", "--json")
    assert found[:2] == (code, "")
    assert json.loads(found[2]) == {"error": str(error), "exit_code": code}


def test_sentences_stay_on_one_line(call, raising):
    raising(InputError("first\n  second\tthird"))
    assert call("datasets", "list")[2] == "error: first second third\n"


def test_the_text_of_an_unforeseen_error_is_withheld(call, raising, monkeypatch):
    """Its words may hold private values; where it happened does not."""
    raising(ValueError(f"could not convert {SECRET}"))
    code, out, err = call("datasets", "list")
    assert (code, out) == (1, "")
    assert err.startswith("error: internal error (ValueError at test_main.py:")
    assert SECRET not in err
    assert "Traceback" not in err
    monkeypatch.setenv("SYNTH_DEBUG", "1")
    assert run(["datasets", "list"]) == 1


def test_debugging_shows_the_traceback(raising, monkeypatch, capsys):
    raising(ValueError("why"))
    monkeypatch.setenv("SYNTH_DEBUG", "1")
    assert run(["datasets", "list"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_memory_and_usage(call, raising):
    raising(MemoryError())
    code, _, err = call("datasets", "list")
    assert code == 2
    assert "not enough memory" in err
    code, _, err = call("datasets", "nope")
    assert code == 2
    assert "nope" in err
    assert err.count("error:") == 1


def test_an_abort_is_an_interruption(call, raising):
    raising(typer.Abort())
    code, out, err = call("datasets", "list")
    assert (code, out) == (4, "")
    assert "interrupted" in err


def test_the_entry_point_exits_with_the_code(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["synth", "datasets", "show", "nope"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_documented_codes_are_the_real_ones():
    text = app.info.help
    for code, error in ((2, InputError), (3, RefusedError)):
        assert error.exit_code == code
        assert f"{code} " in text.split("Exit codes:")[1]
